"""What starting reads must be what the application reads."""

import os
import stat
from pathlib import Path

import environ
import pytest

from launch.config import ROOT, load, parse_env_file, read_environment
from launch.console import StartError
from launch.runtime import LONGEST_SOCKET_PATH, broker_socket, make_private

ENV_FILE = """# a comment
MARGINSITE_PORT=18000
export PAPER_PORT=18001
ALLOWED_HOSTS='one.example,two.example'
SECRET_KEY="a=b#c d"
QUOTED="a \\"b\\" \\\\ c\\n"
EMPTY=

PATTERN=a#b
"""


def test_an_env_file_reads_by_the_rules_of_django_environ(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV_FILE)
    theirs: dict[str, str] = {}

    class Reader(environ.Env):
        ENVIRON = theirs

    Reader.read_env(tmp_path / ".env")

    assert parse_env_file(ENV_FILE) == theirs


@pytest.mark.parametrize("line", ["METRICS_TOKEN = a-secret", " A=a-secret", "a-secret"])
def test_a_line_that_sets_nothing_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(StartError, match=r"line 3 of \.env") as refusal:
        parse_env_file(f"# a comment\nA=1\n{line}\n")

    assert "a-secret" not in str(refusal.value)


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `.env` is, read as people have it and not as tests do."""
    monkeypatch.delenv("TEST_WITHOUT_ENV_FILE")
    return tmp_path / ".env"


def test_an_env_file_that_cannot_be_read_is_named(env_file: Path) -> None:
    env_file.write_bytes(b"DEBUG=\xff\n")
    with pytest.raises(StartError, match=r"\.env is not written in UTF-8"):
        read_environment(env_file.parent)

    env_file.unlink()
    env_file.mkdir()
    with pytest.raises(StartError, match=r"\.env cannot be read"):
        read_environment(env_file.parent)


def test_tests_read_no_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MARGINSITE_HTTPS=true\n")

    assert read_environment(tmp_path) == dict(os.environ)


def test_the_environment_wins_over_the_env_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("MARGINSITE_PORT=18000\nPAPER_PORT=18001\n")
    monkeypatch.setenv("MARGINSITE_PORT", "18002")

    found = read_environment(env_file.parent)

    assert (found["MARGINSITE_PORT"], found["PAPER_PORT"]) == ("18002", "18001")


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "8000.0", "٣"])
def test_a_port_that_is_none_is_refused_by_its_name(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGINSITE_PORT", port)

    with pytest.raises(StartError, match="MARGINSITE_PORT"):
        load(ROOT)


def test_a_relative_data_directory_is_one_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINSITE_DATA_DIR", "somewhere")

    assert load(ROOT).data_dir == ROOT / "somewhere"


def test_a_short_data_directory_holds_the_socket(tmp_path: Path) -> None:
    assert broker_socket(Path("/srv/data")) == Path("/srv/data/run/broker.sock")


def test_a_deep_data_directory_gets_a_short_socket_of_its_own(tmp_path: Path) -> None:
    deep, other = tmp_path / ("d" * 90), tmp_path / ("e" * 90)

    path = broker_socket(deep)

    assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    assert path == broker_socket(deep) != broker_socket(other)


def test_a_private_directory_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    make_private(tmp_path / "open")

    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_a_link_is_not_taken_for_a_private_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(PermissionError):
        make_private(tmp_path / "link")


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_way_of_a_private_directory_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(
        NotADirectoryError, match=f"{name} cannot be a folder: a file is in its way"
    ):
        make_private(tmp_path / name)
