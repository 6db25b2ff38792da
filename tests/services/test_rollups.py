"""The totals that are kept: always exactly what adding up all records says, whatever is stored."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from loans import exact, periods
from loans.bitmart import responses
from loans.bitmart.readers import read_borrow_record, read_repay_record
from loans.models import Account, BorrowRecord, Kind, RecordTotal, RepayRecord
from loans.periods import DAY, HALF_HOUR
from loans.services import history, rollups
from loans.services.filters import HistoryFilter
from loans.services.position import Slot
from loans.services.positions import positions
from loans.services.record_store import store
from loans.services.spans import by_slot, cut_up
from loans.services.sql import engine
from tests.factories import NOW, make_account, make_borrow
from tests.services.canned import loan

PAIRS = ("BTC_USDT", "ETH_USDT", "PEPE_USDT")
START = datetime(2025, 11, 20, tzinfo=UTC)
SPAN = timedelta(days=100)
SECOND = timedelta(seconds=1)
Listed = responses.BorrowRecord | responses.RepayRecord


def instant(dice: random.Random) -> datetime:
    """Some instant of the history; often one at which an hour, a day or a month begins or ends."""
    at = START + SPAN * dice.random()
    if dice.random() < 0.5:
        hour = at.replace(minute=0, second=0, microsecond=0)
        begin = dice.choice([hour, hour.replace(hour=0), hour.replace(hour=0, day=1)])
        at = begin + timedelta(milliseconds=dice.choice([-1, 0, 0, 1]))
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def listed_loan(dice: random.Random, record_id: str, most_digits: int) -> Listed:
    symbol = dice.choice(PAIRS)
    digits = dice.choice([3, 12, most_digits])
    return read_borrow_record(
        loan(
            record_id,
            symbol,
            currency=dice.choice(symbol.split("_")),
            borrow_amount=str(Decimal(dice.randrange(10**digits)).scaleb(-8)),
            interest_amount=dice.choice([None, "0", "0.00045833"]),
            create_time=int(instant(dice).timestamp() * 1000),
        )
    )


def listed_repayment(dice: random.Random, record_id: str, most_digits: int) -> Listed:
    symbol = dice.choice(PAIRS)
    return read_repay_record(
        {
            "repay_id": record_id,
            "symbol": symbol,
            "currency": dice.choice(symbol.split("_")),
            "repaid_amount": str(Decimal(dice.randrange(10**12)).scaleb(-8)),
            "repaid_principal": str(Decimal(dice.randrange(10**most_digits)).scaleb(-8)),
            "repaid_interest": "0.00045833",
            "repay_time": int(instant(dice).timestamp() * 1000),
        }
    )


def told_later(dice: random.Random, row: Listed) -> Listed:
    """The same record as it may be listed another day: emptied, grown, or for the first time full.

    Some of it is impossible, and refused.
    """
    if isinstance(row, responses.RepayRecord):
        return row
    principal = dice.choice([row.principal, Decimal(0), row.principal * 2])
    interest = dice.choice([None, Decimal(0), row.interest, (row.interest or 0) + Decimal("1e-8")])
    raw = dict(row.raw) | {"borrow_amount": str(principal), "interest_amount": str(interest)}
    return replace(row, principal=principal, interest=interest, raw=raw)


def fill(
    account: Account, kind: str, seed: int, *, count: int = 120, most_digits: int = 28
) -> None:
    """Store a random history in random pages, some of it several times and told otherwise."""
    dice = random.Random(seed)
    listed = listed_loan if kind == Kind.BORROW else listed_repayment
    rows = [listed(dice, f"{kind}{seed}-{n}", most_digits) for n in range(count)]
    for _ in range(12):
        page = dice.sample(rows, dice.randrange(1, count // 2))
        some = [told_later(dice, row) for row in page]
        store(account=account, kind=kind, rows=some, clock=lambda: START + SPAN)
    store(account=account, kind=kind, rows=rows, clock=lambda: START + SPAN)


def scan(kind: str, chosen: HistoryFilter) -> list[history.Total]:
    """The totals by looking at every row."""
    rows = [row for row in rollups.MODELS[kind].objects.all() if is_meant(row, chosen)]
    found = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        found.append(
            history.Total(
                currency=currency,
                count=len(mine),
                principal=added(row.principal for row in mine),
                interest=added(row.interest for row in mine),
                amount=added(row.amount for row in mine) if kind == Kind.REPAY else None,
                unknown=sum(row.principal is None for row in mine),
            )
        )
    return found


def is_meant(row: BorrowRecord | RepayRecord, chosen: HistoryFilter) -> bool:
    """Whether a filter means a row, found without any statement."""
    by_text = chosen.matching is None or row.symbol in chosen.matching or row.record_id == chosen.q
    return (
        row.account_id in {account.pk for account in chosen.chosen}
        and by_text
        and chosen.symbol in ("", row.symbol)
        and chosen.currency in ("", row.currency)
        and (chosen.since is None or chosen.since <= row.at)
        and (chosen.until is None or row.at < chosen.until)
    )


def added(values: object) -> Decimal | None:
    known = [value for value in values if value is not None]
    return exact.total(known) if known else None


def some_filter(
    dice: random.Random, accounts: tuple[Account, ...], ids: list[str]
) -> HistoryFilter:
    """Any filter that a person could ask for."""
    since, until = sorted((instant(dice), instant(dice) + SECOND))
    words = dice.choice(["", "", "", "USDT", "eth", dice.choice(ids)])
    matching = tuple(pair for pair in PAIRS if words.upper() in pair) if words else None
    return HistoryFilter(
        accounts=accounts,
        account=dice.choice([None, None, *accounts]),
        q=words,
        matching=matching,
        symbol=dice.choice(["", "", *PAIRS]),
        currency=dice.choice(["", "", "USDT", "BTC"]),
        since=dice.choice([None, since]),
        until=dice.choice([None, until]),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("seed", "most_digits"), [(0, 28), (1, 28), (2, 28), (3, 21), (4, 22)])
def test_the_totals_of_any_filter_are_what_a_scan_says(
    owner: User, kind: str, seed: int, most_digits: int
) -> None:
    accounts = (make_account(owner=owner), make_account(owner=owner, label="Second"))
    for number, account in enumerate(accounts):
        fill(account, kind, seed * 10 + number, most_digits=most_digits)
    dice = random.Random(seed)
    ids = list(rollups.MODELS[kind].objects.values_list("record_id", flat=True))

    filters = [some_filter(dice, accounts, ids) for _ in range(80)]

    for chosen in filters:
        assert history.totals(kind, chosen) == scan(kind, chosen), chosen
    assert sum(bool(scan(kind, chosen)) for chosen in filters) > 40
    assert not [place for one in accounts for place in rollups.differing(one.pk, kind)]


@pytest.mark.django_db
def test_a_total_is_one_query_for_any_filter(
    owner: User, django_assert_num_queries: Callable
) -> None:
    account = make_account(owner=owner)
    fill(account, Kind.BORROW, 1, count=20, most_digits=21)
    dice = random.Random(1)

    for chosen in [some_filter(dice, (account,), ["borrow1-1"]) for _ in range(20)]:
        with django_assert_num_queries(1):
            history.totals(Kind.BORROW, replace(chosen, symbol=""))


@pytest.mark.django_db
def test_sqlite_adds_up_totals_without_finding_their_rows(owner: User) -> None:
    with connection.cursor() as cursor:
        indexes = connection.introspection.get_constraints(cursor, RecordTotal._meta.db_table)
    assert ("record_total_covered" in indexes) == (engine() == "sqlite")  # written with each change
    if engine() != "sqlite":
        return
    account = make_account(owner=owner)
    for kind in Kind:
        fill(account, kind, 1, count=20, most_digits=21)
        with CaptureQueriesContext(connection) as asked:
            history.totals(kind, HistoryFilter(accounts=(account,), since=START, until=NOW))
            by_slot(kind, account, until=NOW, known_at=NOW)
        assert len(asked) == 2
        for one in asked:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {one['sql']}")
                plan = "\n".join(step for *_, step in cursor.fetchall())
            assert "SEARCH loans_recordtotal USING COVERING INDEX record_total_covered" in plan, (
                plan
            )


@pytest.mark.django_db
def test_a_total_of_huge_figures_is_two_queries_on_sqlite(
    owner: User, django_assert_num_queries: Callable
) -> None:
    account = make_account(owner=owner)
    make_borrow(account=account, principal="100000000000000")

    with django_assert_num_queries(2 if engine() == "sqlite" else 1):
        history.totals(Kind.BORROW, HistoryFilter(accounts=(account,)))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "amounts",
    [
        ["99999999999999.99999999"],  # the largest that needs two parts
        ["99999999999999.99999999", "0.00000001"],  # its total needs three
        ["100000000000000"],
        ["100000000000000", "0.00000001", "99999999999999999999.99999999"],
    ],
)
def test_totals_keep_every_digit_where_another_part_is_needed(
    owner: User, amounts: list[str]
) -> None:
    account, early = make_account(owner=owner), timedelta(minutes=20)
    begin = NOW - timedelta(hours=2)
    for n, amount in enumerate(amounts):
        row = loan(f"L{n}", borrow_amount=amount, interest_amount="0.00000001")
        row["create_time"] = int((begin + early).timestamp() * 1000) + n
        store(account=account, kind=Kind.BORROW, rows=[read_borrow_record(row)], clock=lambda: NOW)

    for until in (None, begin + 2 * early, begin + timedelta(hours=1)):
        (total,) = history.totals(Kind.BORROW, HistoryFilter(accounts=(account,), until=until))
        assert total.principal == added(map(Decimal, amounts))
        assert total.interest == Decimal(len(amounts)).scaleb(-8)
        [(_, slot)] = by_slot(Kind.BORROW, account, until=until or NOW, known_at=NOW).items()
        assert slot.principal == total.principal


instants = st.integers(0, 2000 * 86_400).map(
    lambda n: START + timedelta(seconds=n if n % 3 else n // 86_400 * 86_400)
)


def kept_of(at: datetime, size: timedelta) -> set[int]:
    """The periods in whose totals a record of that instant is."""
    half_hour, day = (
        {rollups.Part("", periods.numbered(part, at), "USDT"): rollups.Figures(1)}
        for part in (HALF_HOUR, DAY)
    )
    of_half_hours = rollups.spread_half_hours(half_hour) if size == HALF_HOUR else {}
    found = rollups.spread(day) | of_half_hours
    return {place.period for place in found}


@given(st.none() | instants, st.none() | instants, instants, st.sampled_from([HALF_HOUR, DAY]))
def test_every_instant_of_a_span_counts_once_and_no_other(
    one: datetime | None, other: datetime | None, at: datetime, size: timedelta
) -> None:
    since, until = (one, other) if None in (one, other) else sorted((one, other))
    cut = cut_up(since, until, size)
    periods_of_it = kept_of(at, size)

    counted = sum(sign * (begin <= at < end) for sign, begin, end in cut.records)
    for sign, low, high in cut.periods:
        counted += sign * sum(low <= period <= high for period in periods_of_it)
    assert counted == ((since is None or since <= at) and (until is None or at < until))
    assert sum((end - begin for _, begin, end in cut.records), timedelta()) <= size
    runs = [one for one in cut.periods if one[1] >= periods.kept(periods.LONGEST, 0)]
    sizes = list(periods.RUNS)[list(periods.RUNS).index(size) :]
    beginnings = [one for one in cut.periods if one[1] == one[2]]
    assert len(beginnings) <= 2 * len(sizes) + 1
    assert len(cut.periods) - len(beginnings) <= len(runs)


@pytest.mark.django_db
def test_late_knowledge_moves_the_totals(owner: User) -> None:
    account = make_account(owner=owner)
    emptied = {"borrow_amount": "0", "interest_amount": None}

    seen = []
    for fields in (emptied, {}, {"interest_amount": "0.00091666"}, emptied):
        row = read_borrow_record(loan("L1", **fields))
        store(account=account, kind=Kind.BORROW, rows=[row], clock=lambda: NOW)
        (total,) = history.totals(Kind.BORROW, HistoryFilter(accounts=(account,)))
        seen.append((total.count, total.unknown, total.principal, total.interest))

    assert seen == [
        (1, 1, None, None),
        (1, 0, Decimal(20), Decimal("0.00045833")),
        (1, 0, Decimal(20), Decimal("0.00091666")),
        (1, 0, Decimal(20), Decimal("0.00091666")),
    ]


@pytest.mark.django_db
def test_positions_are_the_sums_of_the_records(owner: User) -> None:
    account = make_account(owner=owner)
    fill(account, Kind.BORROW, 5)
    fill(account, Kind.REPAY, 6)

    for position in positions([account], now=NOW):
        slot = {"symbol": position.symbol, "currency": position.currency}
        lent = list(account.borrow_records.filter(**slot))
        back = list(account.repay_records.filter(**slot))
        told = position.recorded
        assert told.borrowed == exact.total(row.principal for row in lent)
        assert told.told == exact.total(row.interest for row in lent)
        assert told.repaid == exact.total(row.principal for row in back)
        assert told.interest_repaid == exact.total(row.interest for row in back)
        assert (told.loans, told.repayments) == (len(lent), len(back))
        assert told.unknown == sum(row.principal is None for row in lent)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", Kind)
def test_the_totals_before_an_instant_are_what_a_scan_says_of_it(owner: User, kind: str) -> None:
    account, other = make_account(owner=owner), make_account(owner=owner, label="Second")
    fill(account, kind, 11)
    fill(other, kind, 12)
    dice, model = random.Random(4), rollups.MODELS[kind]
    for row in model.objects.all():
        model.objects.filter(pk=row.pk).update(first_seen_at=row.at + SPAN * dice.random() ** 4)
    rows = list(model.objects.filter(account=account))

    for _ in range(60):
        until, known_at = instant(dice), instant(dice) + timedelta(days=dice.choice([0, 50]))
        meant: dict[Slot, list[BorrowRecord | RepayRecord]] = {}
        for row in rows:
            if row.at < until and row.first_seen_at <= known_at:
                slot = Slot(account.pk, row.symbol, row.currency)
                meant.setdefault(slot, []).append(row)

        found = by_slot(kind, account, until=until, known_at=known_at)

        assert found.keys() == meant.keys()
        for slot, some in meant.items():
            amounts = [row.amount for row in some] if kind == Kind.REPAY else []
            principals, interests = zip(*((r.principal, r.interest) for r in some), strict=True)
            assert found[slot] == rollups.of_records(principals, interests, amounts)
    assert not by_slot(kind, account, until=START - SPAN, known_at=START + 9 * SPAN)
    assert by_slot(kind, account, until=START + 9 * SPAN, known_at=START + 9 * SPAN)


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_fails_leaves_neither_records_nor_totals(owner: User) -> None:
    account = make_account(owner=owner)
    good = read_borrow_record(loan("L1"))
    refused_by_the_database = replace(good, record_id="L2", principal=Decimal(-1))

    with pytest.raises(IntegrityError):
        store(
            account=account,
            kind=Kind.BORROW,
            rows=[good, refused_by_the_database],
            clock=lambda: NOW,
        )

    assert not BorrowRecord.objects.exists()
    assert not RecordTotal.objects.exists()


@pytest.mark.django_db
def test_totals_that_differ_are_named_and_put_right(
    owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    account = make_account(owner=owner)
    fill(account, Kind.BORROW, 7)
    true = rollups.kept(account.pk, Kind.BORROW)
    left = RecordTotal.objects.filter(symbol="BTC_USDT")[0]
    left.pk, left.period = None, 20261126  # a day as an older version wrote it
    left.save()
    RecordTotal.objects.filter(symbol="ETH_USDT", period=periods.ALL_TIME).update(
        principal=Decimal(5)
    )
    weeks = periods.kept(periods.WEEKS, 975)
    assert RecordTotal.objects.filter(symbol="BTC_USDT", period=weeks).delete()[0]

    named = "Desk borrow .*unknown period 20261126 .*2025-03-13 until 2026-01-22 .*ETH_USDT all"
    with pytest.raises(CommandError, match=named):
        call_command("verify_totals")
    call_command("verify_totals", repair=True)
    call_command("verify_totals")

    assert rollups.kept(account.pk, Kind.BORROW) == true
    assert capsys.readouterr().out.count("Every total is what its records add up to.") == 2


@pytest.mark.django_db
@pytest.mark.parametrize("had_totals", [False, True])
def test_an_upgrade_makes_the_totals_of_these_periods(owner: User, had_totals: bool) -> None:
    account = make_account(owner=owner)
    fill(account, Kind.BORROW, 8)
    fill(account, Kind.REPAY, 9)
    true = {kind: rollups.kept(account.pk, kind) for kind in Kind}
    all_time = RecordTotal.objects.filter(period=periods.ALL_TIME)
    RecordTotal.objects.exclude(pk__in=all_time if had_totals else ()).delete()
    for number, total in enumerate(RecordTotal.objects.all()):
        total.pk, total.period = None, periods.kept(DAY, number) - 500_000  # of an older version
        total.save()

    import_module("loans.migrations.0023_half_hours").fill(apps, None)

    assert {kind: rollups.kept(account.pk, kind) for kind in Kind} == true


@pytest.mark.django_db
def test_nobody_elses_records_are_in_a_total(owner: User, stranger: User) -> None:
    mine, other = make_account(owner=owner), make_account(owner=stranger)
    make_borrow(account=other)

    assert history.totals(Kind.BORROW, HistoryFilter(accounts=(mine,))) == []
    assert history.totals(Kind.BORROW, HistoryFilter(accounts=())) == []
