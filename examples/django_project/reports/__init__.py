"""What tokens are for."""
