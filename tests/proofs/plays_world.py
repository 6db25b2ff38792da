"""How the cells of the clock, listing and outside axes are played."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from loans.bitmart import money
from loans.bitmart.secret import Credentials
from loans.models import Account, State
from tests.paper_fixture import PaperKey
from tests.proofs.bench import SECOND, Bench, Case
from tests.proofs.cells import Cell
from tests.proofs.plays import place_and_work

MINUTE = timedelta(minutes=1)


def _lose_the_answer(bench: Bench, case: Case) -> None:
    order = {"kind": "borrow", "access_key": case.key.access_key, "count": 1}
    bench.exchange.paper.fault("execute_then_drop", **order)


# --- Clocks -------------------------------------------------------------------------------------


def play_clock(bench: Bench, cell: Cell) -> Case:
    """Our clock is wrong, or becomes wrong, or the exchange's cannot be learned."""
    case = bench.new_case()
    bench.exchange.tamper("")
    before = bench.clock.ahead
    CLOCKS[cell.first](bench, case)
    bench.rest(case)
    bench.exchange.tamper("")
    bench.clock.ahead = max(before, bench.clock.ahead)
    return case


def _off_by(seconds: int, fault: str = "") -> Callable[[Bench, Case], None]:
    def play(bench: Bench, case: Case) -> None:
        bench.clock.ahead += seconds * SECOND
        if fault:
            bench.exchange.paper.fault(fault, kind="borrow", count=1)
        place_and_work(bench, case)

    return play


def _jumps(by: timedelta) -> Callable[[Bench, Case], None]:
    def play(bench: Bench, case: Case) -> None:
        def step(name: str) -> None:
            if name == "signed":
                bench.clock.ahead += by

        place_and_work(bench, case, step)

    return play


def _no_date(bench: Bench, case: Case) -> None:
    bench.exchange.tamper("no_date")
    _lose_the_answer(bench, case)
    place_and_work(bench, case)


def _not_learned(bench: Bench, case: Case) -> None:
    """The clock's answer takes longer than it may: not sent, asked again."""
    case.read_seconds = Decimal("0.5")
    bench.exchange.paper.fault("delay", kind="time", seconds=1, count=1)
    place_and_work(bench, case)
    case.read_seconds = Decimal(8)
    assert case.instruction.state == State.QUEUED
    assert bench.requests(case) == 0


CLOCKS: dict[str, Callable[[Bench, Case], None]] = {
    "30 s ahead": _off_by(30),
    "30 s behind": _off_by(-30),
    "90 s ahead, answer lost": _off_by(90, "execute_then_drop"),
    "90 s behind, request lost": _off_by(-90, "drop"),
    "jumps ahead while sending": _jumps(10 * MINUTE),
    "jumps back while sending": _jumps(-10 * MINUTE),
    "no usable Date": _no_date,
    "offset cannot be learned at first": _not_learned,
}


# --- Listings that do not tell the whole truth --------------------------------------------------


def play_listing(bench: Bench, cell: Cell) -> Case:
    """It was executed and the answer lost; what is listed afterwards is odd."""
    case = bench.new_case()
    bench.exchange.tamper("")
    setting = LISTINGS[cell.first]
    if setting.get("earlier"):
        borrow_outside(bench, case, case.key, times=101, amount="0.001")
        bench.advance(10 * MINUTE)
    if setting.get("late"):
        bench.exchange.tamper("no_answer")
        bench.exchange.paper.fault("late_record", kind="borrow", count=1, seconds=300)
    else:
        _lose_the_answer(bench, case)
    place_and_work(bench, case)
    if setting.get("newer"):
        bench.exchange.paper.clear_faults()
        borrow_outside(bench, case, case.key, times=101, amount="0.001")
    bench.exchange.tamper(str(setting.get("tamper", "")))
    bench.exchange.paper.switch(**setting.get("switches", {}))
    _rest_or_a_day(bench, case)
    bench.exchange.tamper("")
    bench.exchange.paper.switch(query_unit=None, record_order=None)
    return case


def _rest_or_a_day(bench: Bench, case: Case) -> None:
    """Until it rests; where that takes a day, the day passes."""
    row = bench.rest(case, turns=12, must_rest=False)
    if row.state == State.UNKNOWN:
        bench.advance(timedelta(hours=25))
        bench.turn(case)


_FULL = {"earlier": True}
LISTINGS = MappingProxyType(
    {
        "bounds in seconds": {
            **_FULL,
            "switches": {"query_unit": "seconds", "record_order": "oldest"},
        },
        "filter ignored": {
            **_FULL,
            "tamper": "filter_ignored",
            "switches": {"record_order": "oldest"},
        },
        "oldest first": {**_FULL, "switches": {"record_order": "oldest"}},
        "random order": {**_FULL, "switches": {"record_order": "shuffled"}},
        "an id told twice, differently": {"tamper": "told_twice"},
        "full page of newer ones": {"newer": True},
        "record of another pair": {"tamper": "another_pair"},
        "negative amount": {"tamper": "negative"},
        "amount of a wrong type": {"tamper": "wrong_type"},
        "listed 300 s late": {"late": True},
    }
)


# --- Outside actors -----------------------------------------------------------------------------


def play_outside(bench: Bench, cell: Cell) -> Case:
    """Somebody borrows the same round amount on the same account; our own answer is lost."""
    tagged = cell.second == "tagged"
    case = bench.new_case(amount=Decimal("20.00000007" if tagged else "20"))
    bench.exchange.tamper("")
    if cell.second != "exclusive":
        Account.objects.filter(pk=case.account.pk).update(mode=Account.Mode.SHARED)
        case.account.refresh_from_db()
    other = bench.exchange.paper.new_key(same_account_as=case.key.access_key)
    if cell.first == "before":
        borrow_outside(bench, case, other)
        bench.advance(3 * SECOND)
    _lose_the_answer(bench, case)

    def step(name: str) -> None:
        if name == "signed" and cell.first == "during":
            borrow_outside(bench, case, other)

    place_and_work(bench, case, step)
    if cell.first == "after":
        borrow_outside(bench, case, other)
    _remember_strangers(bench, case, cell)
    bench.rest(case)
    _exclusive_is_withdrawn(case, cell)
    return case


def borrow_outside(
    bench: Bench,
    case: Case,
    key: PaperKey,
    *,
    times: int = 1,
    amount: str = "20",
) -> None:
    """Borrow with a key, past our books."""
    credentials = Credentials.of(key.access_key, key.secret, key.memo)
    for _ in range(times):
        order = money.sign_order(
            kind="borrow",
            symbol="BTC_USDT",
            currency="USDT",
            amount=Decimal(amount),
            signed_at_ms=bench.exchange.paper.clock(),
            credentials=credentials,
        )
        money.send(order, base_url=bench.exchange.base_url, connect_seconds=5, total_seconds=5)
    case.strange_requests += times
    case.strange_loans |= _small_ones(bench, case)


def _small_ones(bench: Bench, case: Case) -> set[int]:
    """Loans that cannot be ours, by their size."""
    loans = bench.executed(case)
    return {loan["id"] for loan in loans if Decimal(loan["principal"]) < 1}


def _remember_strangers(bench: Bench, case: Case, cell: Cell) -> None:
    """Which of the equal loans is not ours: the first, unless it came after."""
    loans = bench.executed(case)
    assert len(loans) == 2
    case.strange_loans = {loans[-1 if cell.first == "after" else 0]["id"]}
    case.strange_requests = 1


def _exclusive_is_withdrawn(case: Case, cell: Cell) -> None:
    """Two equal new records after one request: somebody else uses the account."""
    case.account.refresh_from_db()
    if cell.second == "exclusive" and cell.first != "before":
        assert case.account.mode == Account.Mode.SHARED, "it still counts as exclusive"
