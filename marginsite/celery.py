"""The Celery application. Tasks live in `loans.tasks`; the schedule stands in the settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marginsite.settings")

app = Celery("marginsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
