"""What every loan cost: to the last digit, in a stream, by what is known at an instant."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loans import charging
from loans.models import Account, BorrowRecord, Kind, Market
from loans.replay import Basis, Hours, Label, Way
from loans.services import loan_costs, loan_story, record_store, slot_replay
from loans.services.loan_costs import Decision, LoanCost
from tests.factories import (
    make_account,
    make_borrow,
    make_market,
    make_observation,
    make_rate_change,
    make_repay,
    make_terms,
)
from tests.money import Desk
from tests.paper_fixture import Paper

START = datetime(2026, 3, 1, 6, 40, 12, 345000, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
HOURLY = Decimal("0.00045833")  # of 20 USDT at 0.055 % a day


@pytest.fixture
def account(owner: User) -> Account:
    market = make_market()
    make_terms(market=market)
    make_rate_change(market=market, at=START - 100 * HOUR, daily_rate="0.00055")
    return make_account(owner=owner)


def row_of(record: BorrowRecord, interest: str) -> dict[str, object]:
    """The loan as the exchange lists it."""
    return {
        "borrow_id": record.record_id,
        "symbol": record.symbol,
        "currency": record.currency,
        "borrow_amount": str(record.principal or 0),
        "daily_interest": str(record.daily_rate),
        "hourly_interest": str(record.hourly_rate),
        "interest_amount": interest,
        "create_time": charging.microseconds(record.at) // 1000,
    }


def borrow(account: Account, *told: tuple[timedelta, str], **fields: object) -> BorrowRecord:
    """A loan of 20 USDT, and the interest that was told of it after so long."""
    record = make_borrow(account=account, **({"at": START} | fields))
    for after, interest in told:
        make_observation(
            account=account,
            record_id=record.record_id,
            body=row_of(record, interest),
            seen_at=record.at + after,
        )
    return record


def costs(account: Account, now: datetime = START + 50 * HOUR, **asked: object) -> list[LoanCost]:
    return list(loan_costs.loan_costs(account=account, now=now, **asked))


def told(hours: int, after: timedelta) -> tuple[timedelta, str]:
    return after, str(hours * HOURLY)


@pytest.mark.django_db
def test_a_repaid_loan_tells_all_that_it_cost(account: Account) -> None:
    borrow(account, told(1, timedelta(seconds=8)), told(3, 3 * HOUR))
    make_repay(account=account, principal="5", at=START + HOUR + timedelta(minutes=1))
    make_repay(account=account, principal="15", at=START + 3 * HOUR - timedelta(seconds=5))

    [cost] = costs(account)

    assert (cost.principal, cost.repaid, cost.left) == (20, 20, 0)
    assert cost.closed_at == START + 3 * HOUR - timedelta(seconds=5)
    assert cost.hours == 3
    assert cost.replayed == 2 * HOURLY + Decimal("0.00034374")
    assert cost.verdict.label is Label.DIFFERS
    assert cost.verdict.difference == cost.told - cost.replayed


@pytest.mark.django_db
def test_a_loan_with_no_known_principal_cannot_be_told_nor_can_those_beside_it(
    account: Account,
) -> None:
    borrow(account, (HOUR, "7"), principal=None)
    borrow(account, (HOUR, "7"), at=START + timedelta(minutes=1))

    unknown, beside = costs(account)

    assert (unknown.left, unknown.replayed, unknown.hours) == (None, None, None)
    assert unknown.verdict.label is beside.verdict.label is Label.CANNOT_TELL
    assert beside.verdict.reason == slot_replay.UNKNOWN_BESIDE


@pytest.mark.django_db
def test_a_repayment_that_found_no_loan_casts_doubt_on_the_loans_before_it(
    account: Account,
) -> None:
    borrow(account, (5 * HOUR, "7"))
    make_repay(account=account, principal="21", at=START + 10 * HOUR)

    [cost] = costs(account)

    assert cost.verdict.label is Label.CANNOT_TELL
    assert cost.verdict.reason == slot_replay.LOAN_MISSING


@pytest.mark.django_db
def test_rates_that_nobody_saw_agree_only_to_the_last_digit(account: Account) -> None:
    borrow(account, (HOUR, str(2 * HOURLY)))
    borrow(account, (HOUR, str(2 * HOURLY + Decimal("1e-8"))), symbol="ETH_USDT")
    assert [one.verdict.label for one in costs(account)] == [Label.AGREES, Label.CANNOT_TELL]
    assert costs(account)[1].verdict.reason == slot_replay.RATES_UNSEEN

    market = make_market(symbol="ETH_USDT")
    make_terms(market=market)
    make_rate_change(market=market, at=START - HOUR, daily_rate="0.00055")

    assert [one.verdict.label for one in costs(account)] == [Label.AGREES, Label.AGREES]


@pytest.mark.django_db
def test_a_new_rate_counts_from_when_it_began_even_if_it_was_seen_later(account: Account) -> None:
    market = make_market(symbol="ETH_USDT")
    make_terms(market=market)
    full = datetime(2026, 3, 1, 8, tzinfo=UTC)
    make_rate_change(market=market, at=START - HOUR, daily_rate="0.00055")
    make_rate_change(market=market, at=full + timedelta(seconds=40), daily_rate="0.0011")
    # At the borrow, at 7:00, and at 8:00, when the rate was the new one and not yet seen.
    interest = str(2 * HOURLY + Decimal("0.00091666"))
    borrow(account, (2 * HOUR - timedelta(minutes=20), interest), symbol="ETH_USDT")

    [cost] = costs(account, now=START + 2 * HOUR - timedelta(minutes=20))

    assert cost.verdict.ways == (Way(Hours.CLOCK, Basis.EARLIER),)
    assert str(cost.replayed) == interest


@pytest.mark.django_db
def test_a_rate_that_was_never_seen_is_no_reason_to_blame_the_exchange(owner: User) -> None:
    account = make_account(owner=owner)
    borrow(account, (5 * HOUR, "7"))

    [cost] = costs(account)

    assert cost.verdict.label is Label.CANNOT_TELL
    assert cost.verdict.reason == slot_replay.RATES_UNSEEN


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hour", "label"), [(1, Label.CANNOT_TELL), (3, Label.DIFFERS)], ids=["open", "repaid"]
)
def test_a_rate_that_moved_close_to_a_charge_excuses_only_while_the_loan_was_out(
    account: Account, hour: int, label: Label
) -> None:
    moved_at = START + hour * HOUR + timedelta(seconds=30)
    market = Market.objects.get()
    make_rate_change(market=market, at=moved_at, daily_rate="0.00056")
    borrow(account, (2 * HOUR + MINUTE, "7"))
    make_repay(account=account, principal="20", at=START + 2 * HOUR + MINUTE)

    [cost] = costs(account)

    assert cost.verdict.label is label


@pytest.mark.django_db
def test_a_loan_of_a_moment_ahead_of_our_clock_has_a_page(account: Account) -> None:
    borrow(account, principal=None)
    record = borrow(account, at=START + 2 * timedelta(seconds=1))

    story = loan_story.tell(record, now=START + timedelta(seconds=1))

    assert (story.left, len(story.charges)) == (20, 0)


@pytest.mark.django_db
def test_whole_seconds_may_turn_a_charge_and_a_repayment_around(account: Account) -> None:
    at = START.replace(microsecond=0)
    borrow(account, told(2, 6 * HOUR), at=at)
    make_repay(account=account, principal="20", at=at + 2 * HOUR)

    [cost] = costs(account)

    assert cost.hours == 3
    assert cost.verdict.label is Label.CANNOT_TELL
    assert cost.verdict.reason == slot_replay.REPAID_CLOSE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tellings", "label"),
    [
        ([(2, 90)], Label.CANNOT_TELL),
        ([(2, 90), (3, 124)], Label.CANNOT_TELL),
        ([(2, 90), (3, 126)], Label.AGREES),
    ],
    ids=["before", "too soon", "after"],
)
def test_only_what_was_told_after_a_doubtful_charge_speaks_for_it(
    account: Account, tellings: list[tuple[int, int]], label: Label
) -> None:
    at = START.replace(microsecond=0)
    borrow(account, *(told(hours, minutes * MINUTE) for hours, minutes in tellings), at=at)
    make_repay(account=account, principal="20", at=at + 2 * HOUR)

    [cost] = costs(account)

    assert (cost.hours, cost.verdict.label) == (3, label)


@pytest.mark.django_db
def test_the_page_of_a_loan_says_the_same(account: Account) -> None:
    for number in range(5):
        borrow(account, told(number, (number + 1) * HOUR), at=START + number * HOUR)
        make_repay(account=account, principal="13", at=START + (number + 2) * HOUR)
    now = START + 20 * HOUR

    for cost in costs(account, now):
        story = loan_story.tell(BorrowRecord.objects.get(uuid=cost.uuid), now=now)
        assert (story.verdict, story.left, story.replayed) == (
            cost.verdict,
            cost.left,
            cost.replayed,
        )
        assert story.closed_at == cost.closed_at
        assert len(story.charges) == cost.hours


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_one_loan_is_found_as_in_the_stream(account: Account, seed: int) -> None:
    dice, at, out = Random(seed), START, 0
    for _ in range(30):  # often several things in one instant
        at += dice.randrange(2) * HOUR
        amount = dice.randrange(1, 9)
        if dice.random() < 0.5 or amount > out:
            borrow(account, at=at, principal=str(amount))
            out += amount
        else:
            make_repay(account=account, principal=str(amount), at=at)
            out -= amount
    [slot] = slot_replay.slots_of(account.pk, now=START + 50 * HOUR)
    books = slot_replay.open_slot(slot, venue=account.venue, now=START + 50 * HOUR)

    assert books.doubt == ""
    for paid in books.paid():
        found = books.one(BorrowRecord.objects.get(record_id=paid.loan.key))
        assert (found.loan, found.parts) == (paid.loan, paid.parts)


@pytest.mark.django_db
def test_an_instant_gives_the_same_digits_for_ever(account: Account) -> None:
    now = START + 4 * HOUR
    borrow(account, told(1, HOUR))
    before = costs(account, now)

    borrow(account, told(1, HOUR), at=now + HOUR)
    make_repay(account=account, principal="20", at=now + HOUR)
    market = make_market(symbol="X_USDT")
    make_rate_change(market=market, at=now + HOUR, daily_rate="0.5")
    record = BorrowRecord.objects.order_by("at").first()
    body = row_of(record, "9")
    make_observation(account=account, record_id=record.record_id, body=body, seen_at=now + HOUR)

    assert costs(account, now) == before


@pytest.mark.django_db
def test_runs_of_rows_give_what_all_rows_at_once_give(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(11):  # several in one instant, so that runs end among them
        borrow(account, told(1, HOUR), at=START + number // 4 * HOUR)
        make_repay(account=account, principal="17", at=START + (number // 3 + 2) * HOUR)
    at_once = costs(account)

    monkeypatch.setattr(slot_replay, "CHUNK", 2)
    monkeypatch.setattr(loan_costs, "CHUNK", 3)

    assert costs(account) == at_once
    assert len(at_once) == 11


@pytest.mark.django_db
@pytest.mark.parametrize("changed", [False, True])
def test_the_queries_do_not_grow_with_the_loans(account: Account, changed: bool) -> None:
    def queries() -> int:
        BorrowRecord.objects.update(story_changed=changed)
        with CaptureQueriesContext(connection) as found:
            costs(account)
        return len(found)

    borrow(account, told(1, HOUR))
    make_repay(account=account, principal="17", at=START + HOUR)
    few = queries()
    for number in range(40):
        borrow(account, told(1, HOUR), at=START + number * HOUR)
        make_repay(account=account, principal="17", at=START + number * HOUR)

    assert queries() == few


@pytest.mark.django_db
def test_only_the_slots_asked_for_are_told(account: Account) -> None:
    borrow(account, told(1, HOUR))
    borrow(account, told(1, HOUR), currency="BTC", principal="1")
    slots = slot_replay.slots_of(account.pk, now=START + HOUR)

    assert [slot.currency for slot in slots] == ["BTC", "USDT"]
    assert [cost.slot for cost in costs(account, slots=slots[1:])] == slots[1:]


@pytest.mark.django_db
def test_a_file_is_told_every_digit(account: Account) -> None:
    borrow(account, told(1, 3 * HOUR), principal="1234567890123456.12345678")

    [row] = map(loan_costs.told, costs(account, START + 3 * HOUR))

    assert row["principal"] == row["open_principal"] == "1234567890123456.12345678"
    assert row["verdict"] == "differs"
    assert str(row["difference"]).startswith("-")
    assert row["interest_replayed"] == "113168394043.21277836"
    assert row["repaid_in_full_at"] is None


@pytest.mark.django_db
def test_the_loans_decide_how_hours_are_counted(account: Account) -> None:
    borrow(account, told(1, 10 * MINUTE))  # both: neither hour was full yet
    for number in range(1, 4):
        borrow(account, told(1, 30 * MINUTE), at=START + number * HOUR)  # not yet a second charge
    borrow(account, (HOUR, "7"), at=START + 8 * HOUR)
    borrow(account, at=START + 9 * HOUR)

    decision = loan_costs.decide(costs(account))

    assert decision == Decision(anniversary=3, both=1, neither=1, untold=1)
    assert decision.hours is Hours.ANNIVERSARY
    assert decision.words == (
        "Of 5 loans with told interest 3 fit only the loan's anniversary, 1 fit both, "
        "1 fit neither by the rates that were seen."
    )


def test_loans_that_contradict_each_other_decide_nothing() -> None:
    assert Decision(clock=2, anniversary=1).hours is None
    assert Decision(both=4).hours is None
    assert Decision(untold=4).words == "No loan with told interest is there to compare."


@pytest.mark.django_db
def test_a_page_is_told_in_a_moment_and_for_an_hour(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loan_costs, "MOST_DECIDING", 2)
    for number in range(3):  # too long to be replayed
        borrow(account, told(1, 30 * MINUTE), at=START + number * HOUR, symbol="ETH_USDT")
    borrow(account, told(1, 30 * MINUTE))
    now = START + 50 * HOUR

    decision = loan_costs.decide_quickly(account=account, now=now)
    borrow(account, told(1, 30 * MINUTE), at=START + HOUR)

    assert decision == Decision(anniversary=1)
    assert loan_costs.decide_quickly(account=account, now=now) == decision


@pytest.mark.django_db
def test_what_fits_both_is_charged_by_what_the_others_decided(account: Account) -> None:
    borrow(account, told(1, timedelta(minutes=10)))
    now = START + timedelta(minutes=30)

    [by_loan], [by_clock] = costs(account, now), costs(account, now, prefer=Hours.CLOCK)

    assert set(by_loan.verdict.fits) == set(Hours)
    assert (by_loan.hours, by_clock.hours) == (1, 2)


def all_of(listing: Callable, symbol: str) -> list:
    """Every row of a pair, a week at a time."""
    found = {}
    for week in range(15):
        end = datetime.now(UTC) + timedelta(days=1) - week * timedelta(days=7)
        for row in listing(symbol, start=end - timedelta(days=7), end=end).rows:
            found[row.record_id] = row
    return list(found.values())


@pytest.mark.django_db(transaction=True)
def test_three_months_of_the_paper_exchange_cost_what_its_books_say(
    paper: Paper, owner: User, tmp_path: Path
) -> None:
    paper.switch(limits="off")
    desk = Desk(paper, owner, tmp_path)
    desk.use(paper.new_key(history=True))
    desk.advance(1)  # the books charge every hour up to now
    true = {row["record_id"]: row for row in paper.books(desk.key)["executed"]["loans"]}
    pairs = {row["symbol"] for row in true.values()}
    now = desk.now() + timedelta(seconds=5)
    with desk.client() as client:
        for symbol in pairs:
            for kind, ask in (
                (Kind.BORROW, client.borrow_records),
                (Kind.REPAY, client.repay_records),
            ):
                rows = all_of(ask, symbol)
                record_store.store(account=desk.account, kind=kind, rows=rows, clock=lambda: now)

    found = {cost.record_id: cost for cost in costs(desk.account, now)}

    assert found.keys() == true.keys()
    for key, row in true.items():
        assert found[key].left == Decimal(row["outstanding"])
        assert found[key].verdict.label is not Label.DIFFERS
        if found[key].verdict.label is Label.AGREES:
            assert found[key].replayed == Decimal(row["charged"])
    assert sum(one.verdict.label is Label.AGREES for one in found.values()) > len(true) / 2
