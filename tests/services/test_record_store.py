"""Keeping what is listed: nothing is written for what is known, and two readers write it once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event
from time import sleep

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loans.bitmart.readers import read_borrow_record
from loans.bitmart.responses import BorrowRecord as Loan
from loans.models import Account, BorrowRecord, Kind, Observation, RefusedRow
from loans.services import record_store, rollups
from loans.services.record_store import store
from tests.factories import NOW, make_account
from tests.services.canned import loan


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


def listed(count: int) -> list[Loan]:
    begin = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    return [
        read_borrow_record(loan(f"L{n}", create_time=begin + n * 3_600_000)) for n in range(count)
    ]


@contextmanager
def writing_nothing() -> Iterator[None]:
    """Fails if a statement writes, or the database itself knows of a change."""
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        before = changes()
        yield
        assert changes() == before
    assert all(query["sql"].lstrip().startswith(("SELECT", "WITH")) for query in seen)


def changes() -> int | None:
    """SQLite's count of changed rows; on PostgreSQL the number that a transaction is given by its
    first write or lock of a row.
    """
    if connection.vendor == "sqlite":
        return connection.connection.total_changes
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned()::text::bigint")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_reading_an_unchanged_window_again_writes_nothing(account: Account) -> None:
    rows = listed(250)
    store(account=account, kind=Kind.BORROW, rows=rows, clock=lambda: NOW)

    with writing_nothing():
        told = store(
            account=account, kind=Kind.BORROW, rows=rows, clock=lambda: NOW + timedelta(days=1)
        )

    assert (told.new, told.changed, told.refused) == ([], [], [])


@pytest.mark.django_db
def test_many_rows_are_kept_as_a_page_at_a_time_would(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, paged = make_account(owner=owner), make_account(owner=owner, venue="bitmart")
    monkeypatch.setattr(record_store, "MOST_AT_ONCE", 30)
    rows = [*listed(100), *listed(40)]

    told = store(account=at_once, kind=Kind.BORROW, rows=rows, clock=lambda: NOW)
    for first in range(0, len(rows), 7):
        store(account=paged, kind=Kind.BORROW, rows=rows[first : first + 7], clock=lambda: NOW)

    assert told.new == [f"L{n}" for n in range(100)]
    assert Observation.objects.filter(account=at_once).count() == 100
    assert rollups.kept(at_once.pk, Kind.BORROW) == rollups.kept(paged.pk, Kind.BORROW)
    assert kept(at_once) == kept(paged)


def kept(account: Account) -> list[tuple]:
    names = ("record_id", "symbol", "currency", "principal", "interest", "daily_rate", "at")
    return list(account.borrow_records.order_by("record_id").values_list(*names))


@pytest.mark.django_db
def test_what_is_kept_is_what_was_listed(account: Account) -> None:
    (row,) = listed(1)

    store(account=account, kind=Kind.BORROW, rows=[row], clock=lambda: NOW)

    record = BorrowRecord.objects.get()
    assert (record.principal, record.interest) == (row.principal, row.interest)
    assert (record.daily_rate, record.hourly_rate) == (row.daily_rate, row.hourly_rate)
    assert (record.at, record.first_seen_at, record.story_changed) == (row.created_at, NOW, False)
    assert Observation.objects.get().body == row.raw


@pytest.mark.django_db
def test_one_row_that_does_not_fit_is_refused_alone(account: Account) -> None:
    rows = listed(3)
    rows[1] = replace(rows[1], daily_rate=Decimal("1e-17"))

    told = store(account=account, kind=Kind.BORROW, rows=rows, clock=lambda: NOW)

    assert told.new == ["L0", "L2"]
    assert [reason for _, reason in told.refused] == ["daily_rate does not fit"]


@pytest.mark.django_db(transaction=True)
def test_readers_of_one_account_at_once_keep_each_record_once(account: Account) -> None:
    rows = listed(60)

    def read(first: int) -> None:
        try:
            for begin in (first, 20, 0):
                page = rows[begin : begin + 40]
                store(account=account, kind=Kind.BORROW, rows=page, clock=lambda: NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as readers:
        list(readers.map(read, (0, 10, 15, 20)))

    assert BorrowRecord.objects.count() == Observation.objects.count() == 60
    assert rollups.differing(account.pk, Kind.BORROW) == []


def one_of(key: str, **fields: object) -> Loan:
    return read_borrow_record(loan(key) | fields)


@pytest.mark.django_db
@pytest.mark.parametrize("principals", [("20", "0"), ("0", "20")])
def test_a_record_listed_in_two_ways_keeps_its_principal_and_both_tellings(
    account: Account, principals: tuple[str, str]
) -> None:
    rows = [one_of("1", borrow_amount=principal) for principal in principals]

    told = store(account=account, kind=Kind.BORROW, rows=[*rows, rows[0]], clock=lambda: NOW)

    record = BorrowRecord.objects.get()
    assert record.principal == 20
    assert (told.new, told.changed, told.refused) == (["1"], ["1"], [])
    observations = Observation.objects.order_by("seen_at")
    assert [one.body["borrow_amount"] for one in observations] == list(principals)
    assert not rollups.differing(account.pk, Kind.BORROW)


@pytest.mark.django_db
def test_of_a_record_listed_with_two_principals_the_later_larger_one_is_refused(
    account: Account,
) -> None:
    rows = [one_of("1", borrow_amount=principal) for principal in ("20", "500")]

    told = store(account=account, kind=Kind.BORROW, rows=rows, clock=lambda: NOW)

    assert BorrowRecord.objects.get().principal == 20
    assert told.refused == [(rows[1].raw, "a known loan's principal grew")]
    assert RefusedRow.objects.get().reason == "a known loan's principal grew"


@pytest.mark.django_db
@pytest.mark.parametrize("step", [timedelta(0), -timedelta(hours=1)])
def test_what_is_told_later_is_dated_later_though_the_clock_was_set_back(
    account: Account, step: timedelta
) -> None:
    times = [NOW, NOW + step, NOW + step]
    for at, interest in zip(times, ("0.1", "0.2", "0.3"), strict=True):
        rows = [one_of("1", interest_amount=interest)]
        store(account=account, kind=Kind.BORROW, rows=rows, clock=lambda at=at: at)

    observations = Observation.objects.order_by("seen_at")
    seen = [(one.seen_at, one.body["interest_amount"]) for one in observations]
    microsecond = timedelta(microseconds=1)
    assert seen == [(NOW + n * microsecond, f"0.{n + 1}") for n in range(3)]
    assert BorrowRecord.objects.get().told_again_at == NOW + 2 * microsecond


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_its_turn_is_dated_when_it_has_it(account: Account) -> None:
    held_until: list[datetime] = []

    def hold() -> None:
        with transaction.atomic():
            Account.objects.select_for_update().get(pk=account.pk)
            holding.set()
            begun.wait(5)
            sleep(0.3)
            held_until.append(timezone.now())
        connections.close_all()

    holding, begun = Event(), Event()
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(hold)
        holding.wait(5)
        begun.set()
        store(account=account, kind=Kind.BORROW, rows=listed(1), clock=timezone.now)
        holder.result()

    assert BorrowRecord.objects.get().first_seen_at >= held_until[0]
