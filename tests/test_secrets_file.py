"""The secrets are made once, kept to their owner, and never replaced."""

import base64
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from marginsite.secrets_file import Secrets


def test_the_first_start_makes_what_only_its_owner_reads(tmp_path: Path) -> None:
    made = Secrets.read(tmp_path / "secrets.env", environment={})

    kid, _, key = made.credential_keys.partition(":")
    assert kid
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert len(made.secret_key) >= 50
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_the_next_start_reads_the_same(tmp_path: Path) -> None:
    first = Secrets.read(tmp_path / "secrets.env", environment={})

    assert Secrets.read(tmp_path / "secrets.env", environment={}) == first


def test_what_the_environment_gives_is_not_written_down(tmp_path: Path) -> None:
    found = Secrets.read(tmp_path / "secrets.env", environment={"SECRET_KEY": "from outside"})

    assert found.secret_key == "from outside"
    assert "from outside" not in (tmp_path / "secrets.env").read_text()


def test_a_missing_secret_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    first = Secrets.read(path, environment={})
    kept = [x for x in path.read_text().splitlines(True) if "FINGERPRINT_PEPPER" not in x]
    path.write_text("".join(kept))

    second = Secrets.read(path, environment={})

    assert second.credential_keys == first.credential_keys
    assert second.fingerprint_pepper != first.fingerprint_pepper
    assert Secrets.read(path, environment={}) == second


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Secrets.read(tmp_path / "secrets.env", environment={})
    (tmp_path / "secrets.env").chmod(0o640)

    with pytest.raises(ImproperlyConfigured, match="chmod 600"):
        Secrets.read(tmp_path / "secrets.env", environment={})


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    made = Secrets.read(tmp_path / "secrets.env", environment={})

    assert made.secret_key not in repr(made)
    assert made.credential_keys not in repr(made)
