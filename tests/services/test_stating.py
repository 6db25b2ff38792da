"""Statements of a month: they add up, they rest on what was known, and later readings change
nothing of them.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User

from loans import periods
from loans.bitmart.readers import read_borrow_record
from loans.models import Account, BorrowRecord, Kind, Market, RecordTotal
from loans.services import record_store, rollups, stating
from loans.services.month_replay import Replayed
from loans.services.months import Month
from loans.services.position import Slot
from loans.services.spans import cut_up
from loans.services.statement import Entry, Line, Statement
from tests import factories
from tests.factories import HOUR, NOW

OCTOBER = Month(2026, 10)
NOVEMBER = Month(2026, 11)
START = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2026, 11, 1, tzinfo=UTC)
SECONDS = timedelta(seconds=8)
CHARGE = Decimal("0.00045833")
RATE = "0.00055"


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner)


@pytest.fixture
def market(db: None) -> Market:
    market = factories.make_market()
    factories.make_terms(market=market)
    return market


def lend(
    desk: Account, at: datetime, *, principal: str | None = "20", told: dict | None = None, **more
) -> BorrowRecord:
    """A loan with what was told of it and when; the record keeps the largest, as the sync does."""
    told = {at + SECONDS: "0.00045833"} if told is None else told
    figures = [Decimal(one) for one in told.values() if one is not None]
    largest = max(figures, default=None)
    loan = factories.make_borrow(
        account=desk,
        at=at,
        principal=principal,
        interest=None if largest is None else str(largest),
        first_seen_at=min(told, default=at + SECONDS),
        **more,
    )
    for seen_at, interest in told.items():
        factories.tell(loan, interest, at=seen_at)
    return loan


def state(desk: Account, month: Month = OCTOBER, **options) -> Statement:
    return stating.state(desk, month, **({"zone": UTC, "as_of": NOW} | options))


def only(statement: Statement) -> Entry:
    (entry,) = statement.entries
    return entry


def line(*figures: str) -> Line:
    return Line(*(Decimal(figure) for figure in figures))


def test_a_month_adds_up_from_what_was_owed_to_what_is_owed(desk: Account) -> None:
    lend(desk, START - HOUR, principal="10")
    lend(desk, START, principal="20")
    lend(desk, END, principal="40")
    factories.make_repay(account=desk, principal="5", interest="0.00000001", at=START + HOUR)
    factories.make_repay(account=desk, principal="7", interest="0", at=END)

    entry = only(state(desk))

    assert entry.principal == line("10", "20", "5", "25")
    assert entry.interest == line("0.00045833", "0.00045833", "0.00000001", "0.00091665")
    assert entry.principal.rest == entry.interest.rest == 0


def test_the_end_of_a_month_is_the_beginning_of_the_next(desk: Account) -> None:
    growing = {START + SECONDS: "0.1", END - HOUR: "0.7", END + HOUR: "0.9"}
    lend(desk, START, principal="150", told=growing)
    factories.make_repay(account=desk, principal="50", interest="0.2", at=END - HOUR)

    october, november = only(state(desk)), only(state(desk, NOVEMBER))

    assert october.interest == line("0", "0.7", "0.2", "0.5")
    assert november.interest == line("0.5", "0.2", "0", "0.7")
    assert november.principal.opening == october.principal.closing


def test_what_is_told_later_changes_no_month_that_has_ended(desk: Account) -> None:
    loan = lend(desk, START + HOUR, told={START + 2 * HOUR: "0.5", END - HOUR: "0.8"})
    before = state(desk)

    factories.tell(loan, "1.5", at=END + HOUR)
    factories.amend(loan, interest="1.5")

    assert state(desk).entries == before.entries
    assert only(state(desk)).interest.closing == Decimal("0.8")


def test_a_fixed_knowledge_gives_the_same_digits_after_everything_changed(
    desk: Account, market: Market
) -> None:
    known_at = datetime(2026, 11, 10, tzinfo=UTC)
    loan = lend(desk, START + HOUR, told={START + 2 * HOUR: "0.00045833"})
    silent = lend(desk, START + 3 * HOUR, principal=None, told={END + HOUR: None})
    factories.make_repay(account=desk, principal="3", interest="0.0001", at=START + 5 * HOUR)
    months = (OCTOBER, NOVEMBER)
    before = [state(desk, month, as_of=known_at) for month in months]

    factories.tell(loan, "2.5", at=known_at + HOUR)
    factories.tell(silent, "0.3", at=known_at + HOUR, principal="30")
    factories.amend(loan, interest="2.5")
    factories.amend(silent, interest="0.3", principal="30")
    lend(desk, START + 6 * HOUR, principal="99", told={known_at + HOUR: "0.1"})
    late = known_at + HOUR
    factories.make_repay(account=desk, principal="9", at=START + 7 * HOUR, first_seen_at=late)

    after = [state(desk, month, as_of=known_at) for month in months]
    assert [one.entries for one in after] == [one.entries for one in before]
    assert [one.late for one in after] == [one.late for one in before]
    assert [len(one.movements) for one in after] == [len(one.movements) for one in before]
    assert only(state(desk)).principal.added == 20 + 30 + 99


def test_a_record_that_was_missing_changes_the_month_and_is_named(desk: Account) -> None:
    lend(desk, START + HOUR)
    assert state(desk).late.records == 0

    lend(desk, START + 2 * HOUR, principal="7", told={END + HOUR: "0.1"})

    statement = state(desk)
    assert only(statement).principal.added == 27
    assert statement.late.records == 1
    assert statement.late.at == END + HOUR


def test_a_repaid_loan_read_later_counts_where_it_lived(desk: Account) -> None:
    lend(desk, START + HOUR, principal="20", told={NOW: "0.5"})
    factories.make_repay(
        account=desk, principal="20", interest="0.5", at=START + 9 * HOUR, first_seen_at=NOW
    )

    assert only(state(desk)).interest == line("0", "0.5", "0.5", "0")
    assert state(desk, NOVEMBER).entries == []


def test_only_the_first_telling_of_a_loan_read_later_counts_in_its_month(desk: Account) -> None:
    lend(desk, START + HOUR, told={END + HOUR: "0.5", END + 30 * HOUR: "0.9"})
    repaid = {"interest": "0.5", "first_seen_at": END + HOUR}
    factories.make_repay(account=desk, principal="20", at=START + 9 * HOUR, **repaid)

    assert only(state(desk)).interest == line("0", "0.5", "0.5", "0")
    assert only(state(desk, NOVEMBER)).interest == line("0", "0.4", "0", "0.4")


def test_an_open_loan_read_later_is_told_of_when_it_was_read(desk: Account) -> None:
    lend(desk, START + HOUR, principal="20", told={END + HOUR: "0.5"})

    october, november = only(state(desk)), only(state(desk, NOVEMBER))

    assert october.interest == line("0", "0", "0", "0")
    assert october.principal.closing == 20
    assert november.interest == line("0", "0.5", "0", "0.5")


def test_interest_repaid_on_an_open_loan_read_later_was_charged_by_then(desk: Account) -> None:
    lend(desk, START + HOUR, principal="20", told={END + HOUR: "0.5"})
    repaid = {"principal": "4", "interest": "0.3", "first_seen_at": END + HOUR}
    factories.make_repay(account=desk, at=START + 9 * HOUR, **repaid)

    assert only(state(desk)).interest == line("0", "0.3", "0.3", "0")
    assert only(state(desk, NOVEMBER)).interest == line("0", "0.2", "0", "0.2")
    assert state(desk).reconciles


def test_interest_repaid_of_no_loan_is_no_interest_told(desk: Account) -> None:
    lend(desk, START + HOUR, principal="20", told={END + HOUR: "0.5"})
    repaid = {"principal": "4", "interest": "0.7", "first_seen_at": END + HOUR}
    factories.make_repay(account=desk, at=START + 9 * HOUR, **repaid)

    assert only(state(desk)).interest == line("0", "0.5", "0.7", "-0.2")


def test_a_loan_with_no_known_principal_is_counted_and_told(desk: Account) -> None:
    lend(desk, START + HOUR, principal=None, told={START + 9 * HOUR: None})

    statement = state(desk)

    assert statement.unknown == 1
    assert only(statement).principal == line("0", "0", "0", "0")


def test_a_principal_told_after_the_month_is_named(desk: Account) -> None:
    at = START + HOUR
    loan = lend(desk, at, principal=None, told={START + 9 * HOUR: None})
    factories.amend(loan, principal="20", interest="0.1")
    factories.tell(loan, "0.1", at=END + HOUR)

    statement = state(desk)

    assert statement.late.principals == 1
    assert only(statement).principal.added == 20
    assert state(desk, as_of=END).unknown == 1


def test_totals_are_by_currency_over_all_pairs(desk: Account) -> None:
    lend(desk, START, principal="20")
    lend(desk, START, principal="1.5", symbol="ETH_USDT")
    lend(desk, START, principal="0.5", symbol="ETH_USDT", currency="ETH")

    totals = {currency: principal.closing for currency, principal, _ in state(desk).totals}

    assert totals == {"ETH": Decimal("0.5"), "USDT": Decimal("21.5")}


def weight(total: RecordTotal, until: datetime) -> int:
    """How often a total is added where what was before an instant is read: 1, 0 or -1."""
    return sum(
        sign * (first <= total.period <= last)
        for sign, first, last in cut_up(None, until, periods.DAY).periods
    )


def test_totals_that_are_not_what_the_records_say_leave_a_rest(desk: Account) -> None:
    lend(desk, START - HOUR, principal="7")
    lend(desk, START + HOUR, principal="20")
    assert state(desk).reconciles

    part = rollups.Part("BTC_USDT", periods.numbered(periods.DAY, START - HOUR), "USDT")
    before = {place.period for place in rollups.spread({part: rollups.Figures()})}
    of_pair = RecordTotal.objects.filter(symbol="BTC_USDT")
    for total in of_pair.filter(period__in=before):
        total.principal -= 1
        total.save()

    assert state(desk).reconciles  # wrong alike at both ends
    shifts = {one: weight(one, END) - weight(one, START) for one in of_pair}
    wrong, shift = next((one, shift) for one, shift in shifts.items() if shift)
    wrong.principal += 1
    wrong.save()
    assert only(state(desk)).principal.rest == shift


def test_a_line_that_does_not_add_up_shows_the_rest() -> None:
    odd = line("10", "5", "3", "12.00000001")

    assert odd.rest == Decimal("0.00000001")


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Pacific/Kiritimati", datetime(2026, 9, 30, 10, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 10, 1, 4, tzinfo=UTC)),
    ],
)
def test_a_month_is_cut_in_the_persons_zone(desk: Account, zone: str, first: datetime) -> None:
    lend(desk, first - timedelta(microseconds=1000), principal="1")
    lend(desk, first, principal="20")

    entry = only(state(desk, zone=ZoneInfo(zone)))

    assert entry.principal.opening == 1
    assert entry.principal.added == 20


def test_a_month_with_a_change_of_the_clock_is_an_hour_longer() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    length = OCTOBER.ends_at(berlin) - OCTOBER.starts_at(berlin)

    assert length == timedelta(days=31, hours=1)


def test_the_replay_cuts_the_charges_at_the_turn_of_the_month(
    desk: Account, market: Market
) -> None:
    at = END - timedelta(hours=2, minutes=30)
    lend(desk, at, told={END + timedelta(hours=1): str(4 * CHARGE)})

    october, november = only(state(desk)), only(state(desk, NOVEMBER))

    assert october.replay.charged == 3 * CHARGE
    assert november.replay.agreeing == november.replay.loans == 1
    assert november.replay.charged > 400 * CHARGE


def test_the_replay_gives_no_sum_where_a_loan_does_not_agree(desk: Account, market: Market) -> None:
    factories.make_rate_change(market=market, at=START, daily_rate=RATE)
    lend(desk, START + HOUR)
    lend(desk, START + HOUR, told={START + HOUR + SECONDS: "0.5"})

    replayed = only(state(desk)).replay

    assert (replayed.loans, replayed.agreeing, replayed.charged) == (2, 1, None)
    assert (replayed.untold, replayed.two_sums) == (0, 0)


def test_a_loan_that_agrees_by_both_readings_counts_as_agreeing_though_it_has_no_sum(
    desk: Account, market: Market
) -> None:
    at = END - timedelta(minutes=30)
    lend(desk, at, told={END + timedelta(minutes=40): str(2 * CHARGE)})

    past_the_clock_hour = END + timedelta(minutes=65)
    november = only(state(desk, NOVEMBER, as_of=past_the_clock_hour))

    assert only(state(desk)).replay == Replayed(1, 1, charged=CHARGE)
    assert november.replay == Replayed(1, 1, two_sums=1)


def test_no_loan_differs_whose_rates_were_not_seen_or_whose_repayments_may_be_others(
    desk: Account, market: Market
) -> None:
    """As on the page of the loan itself."""
    lend(desk, START + HOUR, told={START + HOUR + SECONDS: "0.5"})

    assert only(state(desk)).replay == Replayed(1, untold=1)

    factories.make_rate_change(market=market, at=START, daily_rate=RATE)
    assert only(state(desk)).replay == Replayed(1)
    lend(desk, START, principal=None)
    assert only(state(desk)).replay == Replayed(2, untold=2)
    BorrowRecord.objects.filter(principal=None).delete()
    factories.make_repay(account=desk, principal="1", at=START)
    assert only(state(desk)).replay == Replayed(1, untold=1)


def test_a_loan_of_which_the_exchange_tells_no_interest_counts_as_untold(
    desk: Account, market: Market
) -> None:
    lend(desk, START + HOUR, told={START + HOUR + SECONDS: None})

    assert only(state(desk)).replay == Replayed(1, untold=1)


def test_the_exchanges_own_figure_stands_beside_a_running_month_only(
    desk: Account, market: Market
) -> None:
    lend(desk, NOW - HOUR)
    margin = factories.make_margin_account(account=desk, market=market)
    factories.make_margin_side(margin_account=margin, borrow_unpaid="25", interest_unpaid="0.1")

    running = only(state(desk, NOVEMBER, with_now=True))

    assert running.principal.closing == 20
    assert running.principal_drift == 5
    assert only(state(desk, NOVEMBER)).exchange is None
    assert state(desk, OCTOBER, with_now=True).entries == []


def test_movements_are_in_order_with_what_was_owed_after_each(desk: Account) -> None:
    lend(desk, START - HOUR, principal="10")
    lend(desk, START + 2 * HOUR, principal="20")
    factories.make_repay(account=desk, principal="30", at=START + 3 * HOUR)
    lend(desk, START + HOUR, principal="1", symbol="ETH_USDT")

    moved = state(desk).movements

    found = [(one.kind, one.record.symbol, one.running) for one in moved]
    assert found == [
        (Kind.BORROW, "ETH_USDT", Decimal(1)),
        (Kind.BORROW, "BTC_USDT", Decimal(30)),
        (Kind.REPAY, "BTC_USDT", Decimal(0)),
    ]


def test_too_many_movements_are_counted_not_listed(
    desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stating, "MOST_MOVEMENTS", 1)
    lend(desk, START + HOUR)
    lend(desk, START + 2 * HOUR)

    statement = state(desk)

    assert statement.movement_count == 2
    assert statement.movements == ()


def test_months_reach_from_the_first_record_to_now(desk: Account) -> None:
    assert stating.months_of(desk, now=NOW, zone=UTC) == [NOVEMBER]
    factories.make_repay(account=desk, at=datetime(2026, 9, 30, 23, tzinfo=UTC))

    assert stating.months_of(desk, now=NOW, zone=UTC) == [NOVEMBER, OCTOBER, Month(2026, 9)]
    assert stating.months_of(desk, now=NOW, zone=ZoneInfo("Asia/Tokyo")) == [NOVEMBER, OCTOBER]


def test_another_account_is_left_out(desk: Account, owner: User) -> None:
    other = factories.make_account(owner=owner, label="Other")
    lend(other, START + HOUR)

    assert state(desk).entries == []
    assert only(state(other)).slot == Slot(other.pk, "BTC_USDT", "USDT")


def test_what_the_sync_refused_is_not_interest_told(desk: Account) -> None:
    loan = lend(desk, START + HOUR, told={START + 2 * HOUR: "0.5"})
    factories.tell(loan, "9", at=START + 3 * HOUR, principal="21")
    loan.currency = "BTC"
    factories.tell(loan, "8", at=START + 4 * HOUR)
    loan.currency = "USDT"
    factories.tell(loan, "0.5", at=END + HOUR)

    assert only(state(desk)).interest.closing == Decimal("0.5")


def test_no_digit_is_lost_in_large_figures(desk: Account) -> None:
    for _ in range(3):
        lend(desk, START + HOUR, principal="99999999999999999999.99999999")

    assert only(state(desk)).principal.closing == Decimal("299999999999999999999.99999997")


def test_the_store_gives_what_a_statement_rests_on(desk: Account) -> None:
    """Stored rows, not made ones: the first observation is of the time a record is first seen."""
    at = START + HOUR
    body = {
        "borrow_id": "1",
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "borrow_amount": "20",
        "daily_interest": "0.00055",
        "hourly_interest": "0.00002291",
        "create_time": int(at.timestamp() * 1000),
    }
    for seen_at, interest in ((at + SECONDS, "0.00045833"), (END + HOUR, "0.3")):
        row = read_borrow_record(body | {"interest_amount": interest})
        record_store.store(account=desk, kind=Kind.BORROW, rows=[row], clock=lambda at=seen_at: at)

    assert only(state(desk)).interest.closing == CHARGE
    assert only(state(desk, NOVEMBER)).interest.added == Decimal("0.3") - CHARGE
