"""Figures that stood stay: what is told later, wrongly or of another pair moves none of them, and
every page counts the same loans in the same order.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from loans import interest, replay
from loans.bitmart.readers import read_borrow_record, read_repay_record
from loans.bitmart.responses import Heard, Listing
from loans.models import (
    Account,
    BorrowRecord,
    Coverage,
    CoverageGap,
    Kind,
    Market,
    Observation,
    RecordTotal,
    RefusedRow,
)
from loans.services import (
    loan_costs,
    loan_story,
    open_interest,
    positions,
    record_store,
    stating,
    streams,
)
from loans.services.certificates import certify
from loans.services.months import Month
from tests import factories
from tests.factories import HOUR, NOW
from tests.services.reading import sync_stream

pytestmark = pytest.mark.django_db
JUNE, OCTOBER, NOVEMBER = (Month(2026, number) for number in (6, 10, 11))
START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
SECOND, VISIBILITY = timedelta(seconds=1), timedelta(seconds=120)
RATE, FIRST_CHARGE = "0.00055", "0.00045833"


class Venue:
    """Lists loans of 20 USDT, charged on their anniversary; each answer takes as long as `took`."""

    def __init__(self, loans: list[tuple[str, str, datetime]], *, now: datetime) -> None:
        self.loans, self.now, self.took = loans, now, timedelta()

    def borrow_records(
        self, symbol: str, *, start: datetime | None, end: datetime | None, size: int
    ) -> Listing:
        self.now += self.took
        charge = interest.hourly_charge(Decimal(20), Decimal(RATE))
        found = [
            read_borrow_record(
                body(
                    key,
                    at,
                    symbol=pair,
                    interest_amount=str(charge * ((self.now - at) // HOUR + 1)),
                )
            )
            for pair, key, at in self.loans
            if pair == symbol and (start is None or start <= at <= end)
        ]
        return self._listing(found, size)

    def repay_records(self, symbol: str, *, size: int, **_: object) -> Listing:
        self.now += self.took
        return self._listing([], size)

    def clock(self) -> datetime:
        return self.now

    def _listing(self, rows: list[Any], size: int) -> Listing:
        heard = Heard(self.now, self.now, timedelta(), self.now)
        return Listing(tuple(rows), (), len(rows), size, heard)


@pytest.fixture
def desk(owner: User) -> Account:
    account = factories.make_account(owner=owner)
    market = factories.make_market()
    factories.make_terms(market=market)
    factories.make_rate_change(market=market, at=START - 365 * 24 * HOUR, daily_rate=RATE)
    return account


def body(key: str, at: datetime, **fields: object) -> dict[str, object]:
    return {
        "borrow_id": key,
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "borrow_amount": "20",
        "daily_interest": RATE,
        "hourly_interest": "0.00002291",
        "interest_amount": FIRST_CHARGE,
        "create_time": int(at.timestamp() * 1000),
        **fields,
    }


def tell(desk: Account, now: datetime, *bodies: dict[str, object]) -> None:
    rows = [read_borrow_record(one) for one in bodies]
    record_store.store(account=desk, kind=Kind.BORROW, rows=rows, clock=lambda: now)


def repay(desk: Account, at: datetime, principal: str) -> None:
    row = {
        "repay_id": f"R{at:%d-%H}",
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "repaid_amount": principal,
        "repaid_principal": principal,
        "repaid_interest": "0",
        "repay_time": int(at.timestamp() * 1000),
    }
    rows = [read_repay_record(row)]
    record_store.store(account=desk, kind=Kind.REPAY, rows=rows, clock=lambda: at + SECOND)


def digits(desk: Account, month: Month, as_of: datetime) -> list[tuple]:
    made = stating.state(desk, month, zone=UTC, as_of=as_of)
    return [(e.slot, e.principal, e.interest, e.unknown, e.replay) for e in made.entries]


def stories() -> list[loan_story.Story]:
    loans = BorrowRecord.objects.select_related("account").order_by("symbol", "record_id")
    return [loan_story.tell(loan, now=NOW) for loan in loans]


def test_a_principal_told_later_changes_no_statement_of_before(desk: Account) -> None:
    at = START + HOUR
    tell(desk, at + SECOND, body("1", at, borrow_amount="0"))
    before = digits(desk, OCTOBER, END)

    tell(desk, END + HOUR, body("1", at))

    assert BorrowRecord.objects.get().principal == 20
    assert digits(desk, OCTOBER, END) == before
    assert digits(desk, OCTOBER, END + 2 * HOUR) != before


def test_an_unread_loan_whose_principal_is_told_later_stays_as_it_was(desk: Account) -> None:
    taken, read = datetime(2026, 5, 20, tzinfo=UTC), datetime(2026, 6, 22, tzinfo=UTC)
    tell(desk, read, body("1", taken, borrow_amount="0"))
    as_of = datetime(2026, 7, 2, tzinfo=UTC)
    before = digits(desk, JUNE, as_of)

    tell(desk, as_of + HOUR, body("1", taken))

    assert digits(desk, JUNE, as_of) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"create_time": int((NOW - 2 * HOUR).timestamp() * 1000)},
        {"currency": "BTC"},
        {"symbol": "ETH_USDT"},
        {"borrow_amount": "21"},
    ],
)
def test_what_was_refused_counts_in_no_figure(desk: Account, wrong: dict[str, object]) -> None:
    at = NOW - 3 * HOUR
    tell(desk, at + SECOND, body("1", at))
    as_of, [label] = at + HOUR, [story.verdict.label for story in stories()]
    before = digits(desk, NOVEMBER, as_of)
    assert label is replay.Label.AGREES

    tell(desk, as_of, body("1", at, interest_amount="99", **wrong))

    assert RefusedRow.objects.count() == 1
    assert digits(desk, NOVEMBER, as_of) == before
    tell(desk, NOW, body("1", at, interest_amount="0.0005"))  # a telling that counts, later
    assert digits(desk, NOVEMBER, as_of) == before
    [cost] = loan_costs.loan_costs(account=desk, now=as_of)
    assert (cost.told, cost.verdict.label) == (Decimal(FIRST_CHARGE), replay.Label.AGREES)
    [story] = stories()
    assert [bool(one.refused) for one in story.said] == [False, True, False]
    assert story.verdict.difference < 1


def test_a_debt_whose_totals_are_missing_is_stated_all_the_same(desk: Account) -> None:
    at = NOW - 3 * HOUR
    tell(desk, at + SECOND, body("1", at))
    side = factories.make_margin_account(account=desk, market=Market.objects.get())
    factories.make_margin_side(margin_account=side)
    RecordTotal.objects.all().delete()

    made = stating.state(desk, NOVEMBER, zone=UTC, as_of=NOW, with_now=True)

    assert [entry.slot.currency for entry in made.entries] == ["USDT"]


def test_loans_of_one_second_are_paid_in_the_same_order_everywhere(desk: Account) -> None:
    at = NOW - 5 * HOUR
    # As they are listed, the newest first.
    tell(
        desk, at + SECOND, body("102", at, borrow_amount="30"), body("101", at, borrow_amount="10")
    )
    repay(desk, at + HOUR, "10")

    [position] = positions.positions([desk], now=NOW)

    told = {loan.uuid: loan.left for loan in position.open_loans}
    assert told == {story.record.uuid: story.left for story in stories() if story.left}
    costs = loan_costs.loan_costs(account=desk, now=NOW)
    assert told == {cost.uuid: cost.left for cost in costs if cost.left}


def test_a_loan_under_the_id_of_another_pairs_stays_a_gap(desk: Account) -> None:
    taken = NOW - 50 * HOUR
    venue = Venue([("A_USDT", "1", taken), ("B_USDT", "1", taken + 10 * HOUR)], now=NOW)

    def read(symbol: str, now: datetime) -> None:
        sync_stream(
            client=venue,
            account=desk,
            symbol=symbol,
            kind=Kind.BORROW,
            now=now,
            visibility=VISIBILITY,
        )

    read("A_USDT", NOW)
    for minute in range(3):
        read("B_USDT", NOW + timedelta(minutes=minute))
        seen = Observation.objects.count()

        assert BorrowRecord.objects.get().symbol == "A_USDT"
        assert CoverageGap.objects.filter(coverage__symbol="B_USDT").count() == 1
        assert not certify([desk], kinds=[Kind.BORROW]).is_whole
    read("B_USDT", NOW + timedelta(hours=1))
    assert Observation.objects.count() == seen


def test_what_a_long_walk_hears_is_dated_when_it_was_heard(desk: Account) -> None:
    pairs = [f"C{n:02d}_USDT" for n in range(50)]
    begins = NOW + timedelta(minutes=20)
    taken = begins + timedelta(seconds=13) - 5 * HOUR  # an hour is charged while the walk goes on
    for pair in pairs:
        market = factories.make_market(symbol=pair)
        factories.make_rate_change(market=market, at=taken - HOUR, daily_rate=RATE)
    venue = Venue([(pair, pair, taken) for pair in pairs], now=begins - timedelta(seconds=100))
    streams.foresee(account=desk)
    walk = partial(
        streams.walk, client=venue, visibility=VISIBILITY, is_over=lambda: False, clock=venue.clock
    )
    walk(list(Coverage.objects.filter(account=desk)), now=venue.now)
    venue.now, venue.took = begins, timedelta(seconds=0.3)
    since = positions.loans_out_since(desk)
    due = open_interest.due(account=desk, since=since, now=begins)

    walk(due, now=begins, step=partial(open_interest.read_interest, since=since))

    told = Observation.objects.filter(seen_at__gt=begins)
    assert min(told.values_list("seen_at", flat=True)) >= begins + timedelta(seconds=13)
    labels = {story.verdict.label for story in stories()}
    assert labels == {replay.Label.AGREES}


def test_a_link_made_during_a_walk_keeps_its_digits(desk: Account) -> None:
    at = START + HOUR
    venue = Venue([("A_USDT", "1", at), ("B_USDT", "2", at)], now=NOW)
    venue.took = timedelta(seconds=5)
    for pair in ("A_USDT", "B_USDT"):
        factories.make_market(symbol=pair)
    streams.foresee(account=desk)
    stated: dict[datetime, list[tuple]] = {}

    def look() -> bool:
        as_of = venue.now - SECOND
        stated[as_of] = digits(desk, OCTOBER, as_of) if as_of > NOW else []
        return False

    lists = Coverage.objects.filter(account=desk, symbol__in=["A_USDT", "B_USDT"])
    streams.walk(
        list(lists.order_by("symbol", "kind")),
        client=venue,
        now=NOW,
        visibility=VISIBILITY,
        is_over=look,
        clock=venue.clock,
    )

    looked = {as_of: before for as_of, before in stated.items() if as_of > NOW}
    assert 1 in {len(before) for before in looked.values()}
    assert looked == {as_of: digits(desk, OCTOBER, as_of) for as_of in looked}
