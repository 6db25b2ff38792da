"""The Celery application. Tasks live in `loans.tasks`; the schedule stands in the settings."""

import os
import sys
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import worker_init, worker_process_init, worker_ready
from django.core.exceptions import ImproperlyConfigured

from launch.parentage import die_with_parent
from launch.runtime import READY_LINE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marginsite.settings")

app = Celery("marginsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Its advice against root is about pickled messages, which are refused here; `run.py` says the rest.
warnings.filterwarnings("ignore", category=SecurityWarning)


@worker_init.connect
def _refuse_danger(**_: object) -> None:
    """Celery runs Django's checks and does not look at what they found."""
    from loans.checks import refuse_danger  # only now is Django set up

    try:
        refuse_danger()
    except ImproperlyConfigured as exc:
        sys.exit(str(exc))


@worker_process_init.connect
def _end_with_the_worker(**_: object) -> None:
    """A child of the pool never outlives its worker, however that ends."""
    die_with_parent()


@worker_ready.connect
def _tell_the_supervisor(**_: object) -> None:
    sys.stdout.write(READY_LINE + "\n")
    sys.stdout.flush()


@worker_ready.connect
def _read_at_once(**_: object) -> None:
    """Rates are there with the first page, not after the clock's first minute."""
    app.send_task("loans.tasks.sync_tick", expires=50, retry=False)
