"""Jobs as the worker runs them: files of lists, whatever fails, and what is left on disk."""

import csv
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from loans import tasks
from loans.models import Account, Job
from loans.services import exports, file_forms, job_files, jobs
from loans.services.audit import By
from loans.tasks.jobs import NOT_ALL, UNEXPECTED, folder
from tests.factories import NOW, make_account, make_borrow, make_share

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _place(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def desk(owner: User) -> Account:
    account = make_account(owner=owner)
    for n in range(3):
        make_borrow(account=account, record_id=f"L{n}", at=NOW - timedelta(minutes=n))
    return account


def place(person: User, *accounts: Account, form: str = "csv") -> Job:
    parameters = {
        "form": form,
        "kind": "borrow",
        "query": {"sort": "at"},
        "zone": "UTC",
        "words": "all accounts",
    }
    by = By(person, timezone.now())
    return jobs.place(kind=Job.Kind.EXPORT, accounts=accounts, by=by, parameters=parameters)


def ran(job: Job) -> Job:
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    return job


def left_on_disk() -> list[str]:
    return [place.name for place in folder().path.glob("*")] if folder().path.exists() else []


def failing_at(monkeypatch: pytest.MonkeyPatch, exc: BaseException) -> None:
    """The power goes, or something breaks, between two pieces of the file."""
    pieces = exports.csv_pieces

    def some(*args: Any) -> Iterator[str]:
        yield next(pieces(*args))
        raise exc

    monkeypatch.setattr(exports, "csv_pieces", some)


def test_a_job_makes_the_file_that_was_asked_for(owner: User, desk: Account) -> None:
    job = ran(place(owner, desk))

    place_on_disk = folder().place_of(job)
    body = place_on_disk.read_bytes()
    assert (job.state, job.done, job.total) == ("DONE", 3, 3)
    rows = csv.DictReader(io.StringIO(body.decode(), newline=""))
    assert [row["record_id"] for row in rows] == ["L2", "L1", "L0"]
    assert job.file_name == "borrows_UTC.csv"
    assert (job.size, job.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert stat.S_IMODE(place_on_disk.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder().path.stat().st_mode) == 0o700
    assert left_on_disk() == [place_on_disk.name]


@pytest.mark.parametrize("form", list(file_forms.FORMS))
def test_every_form_can_be_a_job(owner: User, desk: Account, form: str) -> None:
    job = ran(place(owner, desk, form=form))

    assert job.state == "DONE"
    assert job.media_type == file_forms.FORMS[form].media_type


def test_a_lost_bell_is_made_up_for(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place(owner, desk)
    rung: list[str] = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **_: rung.extend(args))

    tasks.job_tick()

    assert rung == [str(job.pk)]


def test_a_killed_workers_file_is_made_anew(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place(owner, desk)
    with monkeypatch.context() as broken:
        failing_at(broken, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            tasks.run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.is_held) == ("RUNNING", True)

    assert ran(job).state == "RUNNING"  # its lease still runs
    Job.objects.update(lease_until=timezone.now())
    assert ran(job).state == "DONE"
    assert job.losses == 1


def test_what_a_killed_worker_left_half_written_goes(owner: User, desk: Account) -> None:
    job = place(owner, desk)
    folder().path.mkdir(mode=0o700)
    (folder().path / f"{job.pk}.0.draft").write_text("half of it")

    assert ran(job).state == "DONE"
    assert left_on_disk() == [folder().place_of(job).name]


def test_a_full_disk_gives_a_sentence_and_leaves_nothing(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def full(path: Any, flags: int, mode: int = 0o777) -> int:
        """Whatever is to be written goes to a device that is always full."""
        is_draft = str(path).endswith(".draft")
        return real("/dev/full", os.O_RDWR) if is_draft else real(path, flags, mode)

    monkeypatch.setattr(job_files.os, "open", full)

    job = ran(place(owner, desk))

    assert (job.state, job.error) == ("FAILED", job_files.FULL)
    assert left_on_disk() == []


def test_what_nobody_foresaw_ends_this_job_only(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = place(owner, desk), place(owner, desk)
    with monkeypatch.context() as broken:
        failing_at(broken, OSError(errno.EIO, "the disk is broken"))
        failed = ran(first)

    assert (failed.state, failed.error) == ("FAILED", UNEXPECTED)
    assert "the disk is broken" in caplog.text
    assert ran(second).state == "DONE"
    assert left_on_disk() == [folder().place_of(second).name]


def test_a_cancelled_job_leaves_nothing(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place(owner, desk)
    pieces = exports.csv_pieces

    def cancelled(*args: Any) -> Iterator[str]:
        for piece in pieces(*args):
            jobs.cancel(job, now=timezone.now())
            yield piece

    monkeypatch.setattr(exports, "csv_pieces", cancelled)

    assert ran(job).state == "CANCELLED"
    assert left_on_disk() == []


def test_a_file_holds_nothing_the_person_may_not_see_any_more(
    owner: User, colleague: User, desk: Account
) -> None:
    share = make_share(account=desk, person=colleague)
    job = place(colleague, desk)
    share.delete()

    assert (ran(job).state, job.error) == ("FAILED", NOT_ALL)


def test_a_file_of_an_account_that_is_gone_fails_and_is_not_empty(owner: User) -> None:
    account = make_account(owner=owner)
    job = place(owner, account)
    account.delete()

    assert (ran(job).state, job.error) == ("FAILED", NOT_ALL)


def test_sweeping_spares_a_job_that_is_placed_meanwhile(
    owner: User, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = jobs.kept_ids

    def ask_late() -> set[str]:
        """Another process places and begins one once the sweep has begun."""
        known = asked()
        job = place(owner, desk)
        (folder().path / f"{job.pk}.1.draft").write_text("half of it")
        return known

    ran(place(owner, desk))
    monkeypatch.setattr(jobs, "kept_ids", ask_late)

    tasks.expire_files()

    assert len(left_on_disk()) == 2


def test_expired_files_leave_the_disk(owner: User, desk: Account) -> None:
    old, young = ran(place(owner, desk)), ran(place(owner, desk))
    Job.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    for left in (f"{uuid4()}.3.draft", f"{uuid4()}.1.file", "somebody.elses"):
        (folder().path / left).write_text("x")
    (folder().path / f"{uuid4()}.parts").mkdir()

    tasks.expire_files()

    assert sorted(left_on_disk()) == sorted([folder().place_of(young).name, "somebody.elses"])
    old.refresh_from_db()
    assert old.state == "EXPIRED"
