"""Runs manage.py as the start does, a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command with these variables set, and no others of ours."""
    passed_on = ("PATH", "HOME", "TEST_WITHOUT_ENV_FILE")
    kept = {name: os.environ[name] for name in passed_on if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
