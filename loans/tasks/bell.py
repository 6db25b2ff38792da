"""Ringing for a worker, without ever depending on being heard: who rings waits a moment at most
(`CELERY_BROKER_TRANSPORT_OPTIONS`).
"""

import logging

from celery import Task
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def ring(task: Task, *args: str) -> None:
    """Ask a worker to run `task` soon; without a broker the next tick finds the row."""
    try:
        task.apply_async(args, retry=False)
    except OperationalError:
        logger.warning("no broker: %s waits for the next tick", task.name)
