"""Thin Celery edges: an id in, nothing out, safe to run twice and to be killed anywhere.

The tables are the queue and a message is only a bell: each tick finds what a lost message left.
Celery finds the tasks by importing this package.
"""

from loans.tasks.jobs import expire_files, job_tick, run_job
from loans.tasks.keys import check_key, connect_paper_key, key_tick
from loans.tasks.money import look_for_instruction, money_tick, send_instruction
from loans.tasks.probes import probe_account, probe_expiry
from loans.tasks.sync import (
    beat_tick,
    daily_tick,
    refresh_account,
    refresh_pair,
    refresh_venue,
    sync_tick,
)

__all__ = [
    "beat_tick",
    "check_key",
    "connect_paper_key",
    "daily_tick",
    "expire_files",
    "job_tick",
    "key_tick",
    "look_for_instruction",
    "money_tick",
    "probe_account",
    "probe_expiry",
    "refresh_account",
    "refresh_pair",
    "refresh_venue",
    "run_job",
    "send_instruction",
    "sync_tick",
]
