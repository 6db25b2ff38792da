"""The settings that starting itself needs, read from the environment and `.env`.

The settings of the application read both here, too (`marginsite.settings`), so it must work before
Django is installed. A line of `.env` may hold a secret: one that is wrong is named by its number.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from launch.console import StartError
from launch.runtime import broker_socket

ROOT = Path(__file__).resolve().parent.parent
HIGHEST_PORT = 65535


def parse_env_file(text: str) -> dict[str, str]:
    """The assignments of a `.env` file, by the rules of django-environ: no expansion.

    Raises StartError for a line that is neither an assignment nor a comment.
    """
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        assignment = re.match(r"\A(?:export )?([A-Za-z_0-9]+)=(.*)\Z", line)
        if not assignment:
            raise StartError(f"line {number} of .env is not NAME=value, without spaces around `=`.")
        name, value = assignment.groups()
        quoted = re.match(r"\A(['\"])(.*)\1\Z", value)
        values[name] = quoted.group(2) if quoted else value
        if quoted and quoted.group(1) == '"':
            values[name] = re.sub(r"\\([^rnt])", r"\1", quoted.group(2))
    return values


def read_environment(root: Path = ROOT) -> dict[str, str]:
    """Everything that is set, the environment before `.env`, which tests leave alone."""
    path = root / ".env"
    if os.environ.get("TEST_WITHOUT_ENV_FILE") or not path.exists():
        return dict(os.environ)
    try:
        written = parse_env_file(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as exc:
        raise StartError(".env is not written in UTF-8.") from exc
    except OSError as exc:
        raise StartError(f".env cannot be read ({exc.strerror}).") from exc
    return {**written, **os.environ}


@dataclass(frozen=True)
class Config:
    """What was set, or its default."""

    root: Path
    data_dir: Path
    bind_address: str
    port: int
    paper_port: int
    embeds_broker: bool
    serves_paper: bool
    environment: dict[str, str]

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens."""
        return broker_socket(self.data_dir)

    @property
    def log_dir(self) -> Path:
        """Where the processes' output is kept."""
        return self.data_dir / "logs"


def load(root: Path = ROOT) -> Config:
    """Read the settings; nonsense raises StartError."""
    environment = read_environment(root)
    data_dir = Path(environment.get("MARGINSITE_DATA_DIR") or "var").expanduser()
    return Config(
        root=root,
        data_dir=root / data_dir,
        bind_address=environment.get("MARGINSITE_BIND") or "127.0.0.1",
        port=_port(environment, "MARGINSITE_PORT", 8000),
        paper_port=_port(environment, "PAPER_PORT", 8001),
        embeds_broker=not environment.get("CELERY_BROKER_URL"),
        serves_paper=not environment.get("PAPER_BASE_URL"),
        environment=environment,
    )


def _port(environment: dict[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= HIGHEST_PORT:
        raise StartError(f"{name} is {text!r}, which is no port number (1 to {HIGHEST_PORT}).")
    return int(text)
