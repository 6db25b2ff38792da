"""Mirrors loans/services."""
