"""Wiring only: settings, URLs, Celery and WSGI."""

from marginsite.celery import app as celery_app

__all__ = ["celery_app"]
