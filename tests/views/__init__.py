"""Mirrors loans/views."""
