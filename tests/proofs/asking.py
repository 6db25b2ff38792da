"""Runs the sample of one proof in a process of its own, as the tests want it.

The seed is the day, so that the sample of the matrix wanders over all its cells; a failure names
it, and PROOF_SEED gives the same cells again.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection

from launch.config import ROOT
from tests.servers import redis_url

SEED = int(os.environ.get("PROOF_SEED") or datetime.now(UTC).strftime("%Y%m%d"))
PATIENCE_SECONDS = 900  # on a machine that is busy with other things


def prove(name: str) -> dict:
    """Run the sample of one proof in a process of its own, on this run's kind of database."""
    server = settings.DATABASE_URL if connection.vendor == "postgresql" else ""
    environment = {**os.environ, "DATABASE_URL": server, "TEST_REDIS_URL": redis_url() or ""}
    environment.pop("MARGINSITE_DATA_DIR", None)
    told = subprocess.run(
        [sys.executable, "-m", "tests.proofs.one", name, "--sample", "--seed", str(SEED)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert told.stdout, told.stderr[-3000:]
    figures = json.loads(told.stdout.splitlines()[-1])
    assert figures["problems"] == {}, f"seed {SEED}"
    return figures
