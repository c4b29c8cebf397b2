"""What tests of the host build on. Nothing in the library imports it."""
