"""The secrets that the first start makes: one file in the data folder, readable by its owner alone.

The environment wins over the file, so a deployment may keep them elsewhere. A file that is lost is
never replaced in silence: beside a database that was sealed with it, that would look like a start
and be the loss of every exchange key. Never log or print what is here.
"""

import base64
import os
import secrets as random
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Secrets:
    """What must stay secret: Django's signing key, the keyring, the fingerprints' pepper."""

    secret_key: str = field(repr=False)
    credential_keys: str = field(repr=False)
    fingerprint_pepper: str = field(repr=False)

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        environment: Mapping[str, str],
        database: Path | None = None,
        make_anew: bool = False,
    ) -> "Secrets":
        """Read the file, making what is missing; a value in the environment wins and is not written
        down.

        Raises ImproperlyConfigured if others can read the file, or if something is missing though
        `database` exists already; `make_anew` says that the loss is known.
        """
        _refuse_if_readable_by_others(path)
        had_database = database is not None and _holds_something(database)
        stored = _parse(path)
        values = {name: environment.get(name) or stored.get(name, "") for name in _MAKERS}
        missing = [name for name, value in values.items() if not value]
        if missing:
            if had_database and not make_anew:
                raise ImproperlyConfigured(_lost(path, missing))
            stored |= {name: _MAKERS[name]() for name in missing}
            _write(path, stored)
            stored = _parse(path)
            values = {name: values[name] or stored[name] for name in _MAKERS}
        return cls(
            secret_key=values["SECRET_KEY"],
            credential_keys=values["CREDENTIAL_KEYS"],
            fingerprint_pepper=values["FINGERPRINT_PEPPER"],
        )


def _refuse_if_readable_by_others(path: Path) -> None:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ImproperlyConfigured(f"{path} can be read by others; say: chmod 600 {path}")


def _holds_something(database: Path) -> bool:
    """Whether somebody's data lie there; asked before the file is read, so that another process
    which makes both right now is not mistaken for a loss.
    """
    return database.is_file() and database.stat().st_size > 0


def _lost(path: Path, missing: list[str]) -> str:
    what = f"lacks {', '.join(missing)}" if path.exists() else "is missing"
    return (
        f"{path} {what}, but the database beside it was sealed with it. Put your copy of that file "
        "back. Without one nobody can open the stored exchange keys and second factors: to go on "
        "with the history alone, start once with MARGINSITE_NEW_SECRETS=true, then put every key "
        "in and add every authenticator app again."
    )


def _make_keyring() -> str:
    return "k1:" + base64.urlsafe_b64encode(random.token_bytes(32)).decode()


_MAKERS = {
    "SECRET_KEY": lambda: random.token_urlsafe(50),
    "CREDENTIAL_KEYS": _make_keyring,
    "FINGERPRINT_PEPPER": lambda: random.token_urlsafe(32),
}


def _parse(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _write(path: Path, values: dict[str, str]) -> None:
    """Write the file whole under its final name, unless another process was first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("# Made at the first start. Keep a copy of this file apart from the backups.\n")
        file.writelines(f"{name}={value}\n" for name, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    try:
        if _parse(path):
            draft.replace(path)  # an older file that lacked a value
        else:
            os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
