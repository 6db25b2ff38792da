"""Saving everything against the paper exchange: all of it, proven, and told when it is not."""

import csv
import hashlib
import io
import json
import re
import tracemalloc
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from loans import tasks, venues
from loans.bitmart.limits import Limiter, NoLimiter
from loans.models import (
    Account,
    BorrowRecord,
    Coverage,
    Job,
    Market,
    Observation,
    RepayRecord,
)
from loans.services import archive, archive_index, archive_parts, jobs
from loans.services.audit import By
from loans.services.turns import turn
from loans.tasks import jobs as job_tasks
from tests.factories import (
    NOW,
    make_account,
    make_borrow,
    make_coverage,
    make_gap,
    make_instruction,
    make_market,
    make_observation,
)
from tests.paper_fixture import Paper, PaperKey
from tests.services.reading import lend_long_ago

pytestmark = pytest.mark.django_db
MEMO = "canary-memo-71c4"
LONG_AGO_MS = 1_760_000_000_000  # in October 2025


@pytest.fixture(autouse=True)
def _quick(settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test's own folder; nobody holds a turn, nobody counts calls, no bell is heard."""
    settings.DATA_DIR = tmp_path
    cache.clear()

    def unlimited(venue: str, *, key: str = "") -> Limiter:
        return NoLimiter()

    monkeypatch.setattr(venues, "limiter_for", unlimited)


@pytest.fixture
def key(paper: Paper, settings: LazySettings) -> PaperKey:
    settings.PAPER_BASE_URL = paper.base_url
    paper.switch(limits="off")
    return paper.new_key(history=True, memo=MEMO)


@pytest.fixture
def desk(key: PaperKey, owner: User) -> Account:
    """An account with three months of history, of which nothing is read yet."""
    account = make_account(owner=owner)
    account.seal(venues.keyring(), access_key=key.access_key, secret=key.secret, memo=key.memo)
    account.save()
    tasks.refresh_venue("paper")
    return account


def place(account: Account) -> Job:
    by = By(account.owner, timezone.now())
    return jobs.place(kind=Job.Kind.ARCHIVE, accounts=[account], by=by, parameters={})


def go_on(job: Job, *, holds: int = 1) -> Job:
    """Some holds, one after another, as if each pause were over."""
    for _ in range(holds):
        Job.objects.filter(pk=job.pk, is_held=False).update(lease_until=timezone.now())
        tasks.run_job(str(job.pk))
        job.refresh_from_db()
        if not job.is_open:
            break
    return job


class Unpacked:
    """An archive read back, its checksums checked."""

    def __init__(self, job: Job) -> None:
        assert job.state == "DONE", job.error
        with ZipFile(job_tasks.folder().place_of(job)) as archive:
            assert archive.testzip() is None
            self.files = {n.split("/")[1]: archive.read(n) for n in archive.namelist()}
        for line in self.text("SHA256SUMS").splitlines():
            sha256, name = line.split("  ")
            assert hashlib.sha256(self.files[name]).hexdigest() == sha256, name

    def text(self, name: str) -> str:
        return self.files[name].decode()

    def csv(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(f"{name}.csv"), newline="")))

    def json(self, name: str) -> list[dict[str, Any]]:
        return json.loads(self.files[f"{name}.json"])["rows"]


def test_everything_of_every_pair_is_inside(desk: Account, paper: Paper) -> None:
    found = Unpacked(go_on(place(desk), holds=9))

    executed = paper.control("GET", "books")["executed"]
    assert {row["record_id"] for row in found.json("borrows")} == {
        row["record_id"] for row in executed["loans"]
    }
    assert len(found.csv("repayments")) == len(executed["repayments"]) > 0
    assert len(found.json("observations")) == Observation.objects.count() > 0
    assert len(found.csv("certificate")) == 2 * Market.objects.count()
    assert len(found.csv("rate_changes")) > 0
    for part in archive_parts.PARTS:
        assert len(found.csv(part.name)) == len(found.json(part.name)), part.name
    assert "<h2>Complete</h2>" in found.text("index.html")
    assert "Complete: all" in found.text("README.txt")


def test_of_an_exchange_that_lends_no_more_everything_is_inside(
    desk: Account, key: PaperKey, paper: Paper
) -> None:
    paper.switch(limits="off", lending="ended")
    tasks.refresh_venue("paper")
    lend_long_ago(paper, key, [LONG_AGO_MS], symbol="APE_USDT")
    found = Unpacked(go_on(place(desk), holds=9))

    assert not Market.objects.filter(enabled=True).exists()
    executed = paper.control("GET", "books")["executed"]
    assert {row["record_id"] for row in found.json("borrows")} == {
        row["record_id"] for row in executed["loans"]
    }
    words = f"All {2 * Market.objects.count()} lists of this account, two for each pair"
    assert words in found.text("index.html")
    assert "Complete: all" in found.text("README.txt")


def test_lists_with_records_are_read_before_those_that_may_be_refused(
    desk: Account, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, asked_before = place(desk), timezone.now() - timedelta(days=1)
    make_coverage(account=desk, symbol="BTC_USDT", checked_at=asked_before)
    monkeypatch.setattr(archive, "PAIRS_AT_A_TIME", 1)
    paper.fault("drop", kind="borrow_record", skip=9, count=1000)

    go_on(job)

    assert Coverage.objects.get(symbol="BTC_USDT", kind="borrow").checked_at > job.created_at


def test_no_secret_is_inside(desk: Account, key: PaperKey) -> None:
    make_instruction(account=desk, nonce="canary-nonce")

    found = Unpacked(go_on(place(desk), holds=9))

    sealed = [getattr(desk, name) for name in Account.SEALED_FIELDS]
    secrets = [key.access_key, key.secret, MEMO, desk.fingerprint, "canary-nonce", *sealed]
    for name, body in found.files.items():
        assert not [secret for secret in secrets if secret.encode() in body], name
    assert len(found.csv("instructions")) == 1


def test_every_digit_and_every_formula_survives(owner: User) -> None:
    account = make_account(owner=owner, label="=Desk", disabled=True)
    make_market()
    make_coverage(account=account)
    loan = make_borrow(account=account, principal="99999999999999999999.12345678", interest=None)
    body = {"borrow_amount": "99999999999999999999.12345678", "note": '=1+1 "a"\r\nb'}
    make_observation(account=account, record_id=loan.record_id, body=body)

    found = Unpacked(go_on(place(account), holds=2))

    assert found.csv("borrows")[0]["principal"] == "99999999999999999999.12345678"
    assert found.csv("borrows")[0]["account"] == "'=Desk"
    assert found.csv("borrows")[0]["interest"] == ""
    assert found.json("borrows")[0]["interest"] is None
    assert found.json("observations")[0]["body"] == body
    assert json.loads(found.csv("observations")[0]["body"]) == body


def test_an_exchange_that_fails_in_the_middle_is_asked_again(desk: Account, paper: Paper) -> None:
    job = place(desk)
    paper.fault("drop", kind="borrow_record", skip=40, count=1000)
    go_on(job)

    seen = Coverage.objects.exclude(checked_at=None).count()
    assert seen > 0
    assert (job.state, job.is_held) == ("RUNNING", False)
    assert job.lease_until > timezone.now()
    assert "What was read is saved" in job.note
    assert 0 < job.done < job.total

    paper.clear_faults()
    found = Unpacked(go_on(job, holds=9))
    assert "<h2>Complete</h2>" in found.text("index.html")


def test_nobody_must_wait_for_an_exchange_that_is_gone(
    desk: Account, owner: User, paper: Paper
) -> None:
    browser = Client()
    browser.force_login(owner)
    job = place(desk)
    address = f"/files/{job.pk}/hand-out/"
    early = browser.post(address, follow=True)
    paper.fault("drop", kind="borrow_record", skip=40, count=1000)
    go_on(job)

    offered = browser.get("/files/")
    late = browser.post(address, follow=True)
    found = Unpacked(go_on(job))

    assert b"nothing was changed" in early.content
    assert address in offered.content.decode()
    assert b"made of what is there" in late.content
    assert "A person asked for what was there" in found.text("index.html")
    assert "<h2>Not proven complete</h2>" in found.text("README.txt") + found.text("index.html")


def test_an_exchange_that_stays_away_is_not_waited_for_for_ever(
    desk: Account, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "PATIENCE", timedelta(0))
    paper.fault("drop", kind="borrow_record", skip=40, count=1000)

    found = Unpacked(go_on(place(desk), holds=9))

    index = found.text("index.html")
    assert "<h2>Not proven complete</h2>" in index
    assert "The reading was given up" in index
    assert "never read to its end" in index
    assert len(found.json("borrows")) == BorrowRecord.objects.count()


def test_a_pair_that_cannot_be_read_is_named_and_stops_no_other(
    desk: Account, paper: Paper, caplog: pytest.LogCaptureFixture
) -> None:
    paper.fault("unknown_code", kind="repay_record", skip=10, count=1)
    found = Unpacked(go_on(place(desk), holds=9))

    assert "Something nobody has documented" in caplog.text, "the first try failed"
    assert "<h2>Complete</h2>" in found.text("index.html"), "the second did not"

    unreadable = Market.objects.filter(enabled=True).first().symbol
    again = place(desk)
    again.memory = {"failed": {unreadable: [archive.MOST_TRIES, "an answer nobody can read"]}}
    again.save()
    index = Unpacked(go_on(again, holds=9)).text("index.html")
    assert "<h2>Not proven complete</h2>" in index
    assert re.search(rf"{unreadable}, asked 3 times</th><td>an answer nobody can read", index)


def test_what_somebody_else_could_not_read_is_asked_for_again(desk: Account, paper: Paper) -> None:
    job = place(desk)
    Coverage.objects.create(
        account=desk, symbol="BTC_USDT", kind="borrow", asked_at=timezone.now(), failures=1
    )

    found = Unpacked(go_on(job, holds=9))

    assert Coverage.objects.get(symbol="BTC_USDT", kind="borrow").failures == 0
    assert "<h2>Complete</h2>" in found.text("index.html")


def test_a_worker_killed_between_pages_loses_nothing(
    desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, batches = place(desk), []
    with monkeypatch.context() as broken:
        learn = archive._learn

        def killed(*args: Any) -> None:
            learn(*args)
            batches.append(1)
            if len(batches) == 2:
                raise KeyboardInterrupt

        broken.setattr(archive, "_learn", killed)
        with pytest.raises(KeyboardInterrupt):
            tasks.run_job(str(job.pk))
    before = Coverage.objects.exclude(checked_at=None).count()
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    assert job.is_held, "its lease still runs"

    Job.objects.update(lease_until=timezone.now())
    found = Unpacked(go_on(job, holds=9))

    assert before > 0
    assert "<h2>Complete</h2>" in found.text("index.html")


def test_a_part_that_is_written_is_not_written_again(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(owner=owner, disabled=True)
    make_borrow(account=account, record_id="L1")
    job = go_on(place(account))  # the key is off: nothing to load
    write = archive._write_part

    def killed(hold: Any, part: Any, twin: Any) -> Any:
        if part.name == "observations":
            raise KeyboardInterrupt
        return write(hold, part, twin)

    with monkeypatch.context() as broken, suppress(KeyboardInterrupt):
        broken.setattr(archive, "_write_part", killed)
        tasks.run_job(str(job.pk))
    make_borrow(account=account, record_id="L2")
    Job.objects.update(lease_until=timezone.now())
    found = Unpacked(go_on(job))

    assert [row["record_id"] for row in found.json("borrows")] == ["L1"]
    assert list(job_tasks.folder().path.glob("*.parts")) == []


def test_gaps_and_doubts_are_named(owner: User) -> None:
    account = make_account(owner=owner, disabled=True)
    make_coverage(account=account, symbol="ETH_USDT", trusted=False)
    late = make_coverage(account=account, symbol="BTC_USDT", complete_from=NOW - timedelta(days=9))
    make_gap(coverage=late, starts_at=NOW - timedelta(days=2), ends_at=NOW - timedelta(days=1))

    index = Unpacked(go_on(place(account), holds=2)).text("index.html")

    for words in (
        "one listing contradicted another",
        "not read back beyond 2026-11-11",
        "page stayed full",
        "The key of this account is not connected",
    ):
        assert words in index


def test_the_certificate_claims_no_more_than_the_rows(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is learned while the rows are written belongs to the next archive."""
    account = make_account(owner=owner, disabled=True)
    coverage = make_coverage(account=account, complete_to=NOW)
    job, write = go_on(place(account)), archive._write_part

    def learned_meanwhile(hold: Any, part: Any, twin: Any) -> Any:
        if part.name == "observations":
            Coverage.objects.filter(pk=coverage.pk).update(complete_to=NOW + timedelta(days=1))
            make_borrow(account=account, at=NOW + timedelta(hours=1))
        return write(hold, part, twin)

    monkeypatch.setattr(archive, "_write_part", learned_meanwhile)
    found = Unpacked(go_on(job))

    assert found.json("certificate")[0]["complete_to"].startswith("2026-11-20T12:00:00")
    assert "2026-11-21" not in found.text("index.html")
    assert found.json("borrows") == []


def test_while_others_read_the_account_it_waits_and_then_reads_all_the_same(desk: Account) -> None:
    job = place(desk)
    with turn(f"account:{desk.pk}", seconds=60):
        go_on(job)
        waiting = (job.is_held, job.memory["turned_away"], Coverage.objects.count() > 0)
        go_on(job, holds=archive.MOST_TURNED_AWAY + 1)

    assert waiting == (False, 1, False)
    assert Coverage.objects.exclude(checked_at=None).exists()


def test_a_key_that_does_not_open_is_told(desk: Account) -> None:
    Account.objects.filter(pk=desk.pk).update(secret_sealed="broken")

    index = Unpacked(go_on(place(desk), holds=3)).text("index.html")

    assert "The stored key does not open." in index
    assert "<h2>Not proven complete</h2>" in index


def test_it_can_be_asked_for_again(desk: Account) -> None:
    first, second = (go_on(place(desk), holds=9) for _ in range(2))

    assert first.pk != second.pk
    one, other = Unpacked(first), Unpacked(second)
    assert one.json("borrows") == other.json("borrows")
    assert RepayRecord.objects.count() == len(other.json("repayments"))


def test_memory_does_not_grow_with_the_observations(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_parts, "RUN", 200)
    account = make_account(owner=owner, disabled=True)

    def fill(first: int, last: int) -> None:
        Observation.objects.bulk_create(
            Observation(
                account=account,
                kind="borrow",
                record_id=f"L{n}",
                body={"borrow_amount": "20", "n": str(n)},
                seen_at=NOW,
            )
            for n in range(first, last)
        )

    def peak() -> int:
        job = go_on(place(account))
        tracemalloc.start()
        go_on(job)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert job.state == "DONE"
        return top

    fill(0, 8_000)  # so many that no buffer is filled in part only
    peak()  # what is loaded once
    small = peak()
    fill(8_000, 16_000)

    assert peak() < small * 1.2


def test_the_totals_of_the_index_are_those_of_the_rows_inside(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books go on while the archive is written."""
    account = make_account(owner=owner, disabled=True)
    for amount in ("99999999999999999999.12345678", "0.00000001", None):
        make_borrow(account=account, principal=amount, interest=None)
    pack = archive_index.pack

    def pack_late(*args: Any) -> None:
        make_borrow(account=account, principal="5")
        pack(*args)

    monkeypatch.setattr(archive_index, "pack", pack_late)

    found = Unpacked(go_on(place(account), holds=2))

    assert len(found.csv("borrows")) == 3
    row = re.search("<th>borrows</th>(.*?)</tr>", found.text("index.html"))
    cells = re.findall("<td[^>]*>(.*?)</td>", row[1] if row else "")
    principal = "99999999999999999999.12345679 <small>and 1 not known</small>"
    assert cells == ["USDT", "3", principal, " <small>and 3 not known</small>"]


def test_parts_that_a_backup_did_not_hold_are_written_anew(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(owner=owner, disabled=True)
    make_borrow(account=account)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    job = place(account)
    with monkeypatch.context() as broken, suppress(KeyboardInterrupt):
        broken.setattr(archive_index, "pack", killed)
        go_on(job, holds=2)
    for part in job_tasks.folder().workshop(job).iterdir():
        part.unlink()
    Job.objects.update(is_held=False)

    assert len(Unpacked(go_on(job)).csv("borrows")) == 1
