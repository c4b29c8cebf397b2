"""Stores: every port on one engine each."""
