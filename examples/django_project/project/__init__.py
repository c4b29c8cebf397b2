"""Settings and routes."""
