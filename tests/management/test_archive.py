"""`manage.py archive`: the same archive, from the command line, into a folder."""

import errno
import io
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from loans.models import Account, Job
from loans.services import archive, jobs
from tests.factories import make_account, make_borrow

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(owner: User, settings: Settings, tmp_path: Path) -> Account:
    """An account whose key is off: everything that will ever be known of it is known."""
    settings.DATA_DIR = tmp_path / "data"
    account = make_account(owner=owner, disabled=True)
    make_borrow(account=account)
    return account


@pytest.fixture
def target(tmp_path: Path) -> Path:
    place = tmp_path / "saved"
    place.mkdir()
    return place


def run(account: str, to: Path) -> str:
    out = io.StringIO()
    call_command("archive", account, to=to, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("by", ["label", "pk"])
def test_it_saves_everything_into_the_folder(desk: Account, target: Path, by: str) -> None:
    said = run(str(getattr(desk, by)), target)

    (file,) = target.iterdir()
    job = Job.objects.get()
    assert f"{file}: {job.size:,} bytes, SHA-256 {job.sha256}" in said
    assert file.name == job.file_name
    assert ZipFile(file).testzip() is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_run_again_it_overwrites_nothing(desk: Account, target: Path) -> None:
    for _ in range(2):
        run("Desk", target)

    assert len(list(target.iterdir())) == 2


def test_stopped_in_the_middle_it_goes_on(
    desk: Account, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(archive, "write", stopped)
        with pytest.raises(CommandError, match="run it again to go on"):
            run("Desk", target)
    Job.objects.update(lease_until=timezone.now())

    run("Desk", target)

    assert Job.objects.get().state == "DONE"
    assert len(list(target.iterdir())) == 1


def test_it_says_what_is_wrong(desk: Account, owner: User, target: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="0 accounts are called Nobody"):
        run("Nobody", target)
    with pytest.raises(CommandError, match="is no folder"):
        run("Desk", tmp_path / "nowhere")
    make_account(owner=owner)
    with pytest.raises(CommandError, match="2 accounts are called Desk; give an id"):
        run("Desk", target)


def test_another_user_than_the_sites_is_sent_away(
    desk: Account, target: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What root writes into the folder of files, the site could neither read nor replace."""
    settings.DATA_DIR.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: settings.DATA_DIR.stat().st_uid + 1)

    with pytest.raises(CommandError, match="Run this as the user to whom"):
        run("Desk", target)

    assert not list(settings.DATA_DIR.iterdir())


def test_one_who_has_asked_for_too_much_is_a_sentence(
    desk: Account, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_A_DAY", 0)

    with pytest.raises(CommandError, match=r"within a day.*The person is owner"):
        run("Desk", target)


def test_a_stick_without_links_takes_it_too(
    desk: Account, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)

    run("Desk", target)

    (file,) = target.iterdir()
    assert ZipFile(file).testzip() is None
