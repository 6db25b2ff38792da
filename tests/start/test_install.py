"""Installing: exactly what the lock file names, whatever pyproject.toml says besides."""

import sys
from pathlib import Path

from launch import install


def test_installers_run_where_no_project_can_override_the_lock_file():
    where = install._run([sys.executable, "-c", "import os; print(os.getcwd())"]).stdout.strip()

    folders = [Path(where), *Path(where).parents]

    assert not [folder for folder in folders if (folder / "pyproject.toml").exists()]
