"""Nothing starts on dangerous settings, or beside a database whose secrets are gone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from loans.checks import OURS, refuse_danger
from loans.models import SiteState
from loans.services import peppers
from marginsite.secrets_file import Secrets
from tests.commands import ROOT, manage


def test_the_first_start_refuses_tracebacks_for_the_whole_network(settings: Settings) -> None:
    settings.DEBUG, settings.BIND = True, "0.0.0.0"

    with pytest.raises(SystemCheckError, match=r"loans\.E008"):
        call_command("first_start", "--without-administrator")


def test_gunicorn_and_celery_find_the_same_by_themselves(settings: Settings) -> None:
    refuse_danger()
    settings.BITMART_BASE_URL = "http://api.example.org"

    with pytest.raises(ImproperlyConfigured, match=r"https.*loans\.E003"):
        refuse_danger()


@pytest.mark.parametrize(
    "program",
    [
        ["gunicorn", "--config", "marginsite/gunicorn.py", "marginsite.wsgi:application"],
        ["celery", "--quiet", "--app", "marginsite", "worker", "--pool", "solo"],
    ],
)
def test_no_server_starts_by_itself_on_them(program: list[str], tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", *program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "TEST_WITHOUT_ENV_FILE": "true",
            "MARGINSITE_DATA_DIR": str(tmp_path),
            "MARGINSITE_BIND": "0.0.0.0",
            "MARGINSITE_PORT": "1",
            "DEBUG": "true",
            "CELERY_BROKER_URL": "memory://",
            "CACHE_URL": "redis://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome.returncode != 0
    assert "loans.E008" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def settings_with(address: str, data_dir: Path) -> dict[str, Any]:
    """The database's settings as this DATABASE_URL makes them."""
    program = "import json, marginsite.settings as s; print(json.dumps(s.DATABASES['default']))"
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"MARGINSITE_DATA_DIR": str(data_dir), "DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(outcome.stdout)


def test_what_a_database_address_asks_for_is_kept(tmp_path: Path) -> None:
    asked = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "options": "-c x.y=z"}
    address = f"postgres://user:word@db.example.org/marginsite?{urlencode(asked)}&pool=false"

    found = settings_with(address, tmp_path)["OPTIONS"]

    assert asked.items() <= found.items()
    assert (found["pool"]["max_size"], found["prepare_threshold"]) == (8, 5)


def test_the_addresses_that_the_readme_shows_are_accepted(tmp_path: Path) -> None:
    _, _, chapter = (ROOT / "README.md").read_text().partition("## On PostgreSQL and Redis\n")
    shown = dict(re.findall(r"^([A-Z_]+)=(\S+)$", chapter.partition("\n## ")[0], re.MULTILINE))

    outcome = manage("check", "--tag", OURS, MARGINSITE_DATA_DIR=str(tmp_path), **shown)

    assert shown.keys() == {"DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL"}
    assert outcome.returncode == 0, outcome.stderr


def test_lost_secrets_beside_a_database_are_not_replaced(tmp_path: Path) -> None:
    database = tmp_path / "marginsite.sqlite3"
    database.write_bytes(b"somebody's data")

    with pytest.raises(ImproperlyConfigured, match=r"is missing.*Put your copy"):
        Secrets.read(tmp_path / "secrets.env", environment={}, database=database)
    assert not (tmp_path / "secrets.env").exists()


def test_one_lost_secret_counts_as_well(tmp_path: Path) -> None:
    path, database = tmp_path / "secrets.env", tmp_path / "marginsite.sqlite3"
    Secrets.read(path, environment={}, database=database)
    database.write_bytes(b"somebody's data")
    kept = [x for x in path.read_text().splitlines(True) if "CREDENTIAL_KEYS" not in x]
    path.write_text("".join(kept))

    with pytest.raises(ImproperlyConfigured, match="lacks CREDENTIAL_KEYS"):
        Secrets.read(path, environment={}, database=database)


def test_whoever_knows_of_the_loss_may_go_on(tmp_path: Path) -> None:
    database = tmp_path / "marginsite.sqlite3"
    database.write_bytes(b"somebody's data")

    made = Secrets.read(tmp_path / "secrets.env", environment={}, database=database, make_anew=True)

    assert made == Secrets.read(tmp_path / "secrets.env", environment={}, database=database)


def test_an_empty_database_file_is_a_first_start(tmp_path: Path) -> None:
    database = tmp_path / "marginsite.sqlite3"
    database.touch()

    assert Secrets.read(tmp_path / "secrets.env", environment={}, database=database).secret_key


def test_secrets_from_the_environment_need_no_file(tmp_path: Path) -> None:
    database = tmp_path / "marginsite.sqlite3"
    database.write_bytes(b"somebody's data")
    given = {"SECRET_KEY": "one", "CREDENTIAL_KEYS": "two", "FINGERPRINT_PEPPER": "three"}

    found = Secrets.read(tmp_path / "secrets.env", environment=given, database=database)

    assert found.secret_key == "one"
    assert not (tmp_path / "secrets.env").exists()


def test_a_person_reads_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "marginsite.sqlite3").write_bytes(b"somebody's data")

    outcome = manage("first_start", MARGINSITE_DATA_DIR=str(tmp_path))

    assert outcome.returncode == 1
    assert "secrets.env is missing" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.django_db
def test_another_pepper_is_refused_until_the_loss_is_known(settings: Settings) -> None:
    """Where the database is not beside secrets.env, nothing else tells that it was replaced."""

    def first_start() -> None:
        call_command("first_start", "--without-administrator")

    first_start()
    settings.FINGERPRINT_PEPPER = "of a new secrets.env"
    with pytest.raises(SystemCheckError, match=r"loans\.E015"):
        first_start()

    settings.NEW_SECRETS = True
    first_start()
    settings.NEW_SECRETS = False
    first_start()


@pytest.mark.django_db
def test_an_older_database_notes_its_pepper_once() -> None:
    peppers.note("the first", anew=False)
    peppers.note("the second", anew=False)

    assert peppers.is_another("the second")
    assert not peppers.is_another("the first")
    assert "the first" not in SiteState.load().pepper_proof
