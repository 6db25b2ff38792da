"""What an hour costs, when hours start, and how a repayment is split."""

from decimal import Decimal

import pytest

from loans.paper.interest import Loan, accrue, charge, charge_times, hourly_rate, split

HOUR_MS = 3_600_000
OPENED_MS = 1_700_000_123_456


def loan(
    *, id: int = 1, principal: str = "100", charged: str = "0", opened_ms: int = OPENED_MS
) -> Loan:
    return Loan(
        id=id,
        account=1,
        symbol="BTC_USDT",
        currency="USDT",
        answer_id=f"a{id}",
        record_id=f"r{id}",
        principal=Decimal(principal),
        outstanding=Decimal(principal),
        charged=Decimal(charged),
        paid=Decimal(0),
        daily_rate=Decimal("0.00055"),
        opened_ms=opened_ms,
        charged_until_ms=opened_ms - 1,
        closed_ms=None,
        visible_ms=opened_ms,
    )


@pytest.mark.parametrize(
    ("principal", "charged"), [("15", "0.00034374"), ("20", "0.00045833"), ("100", "0.00229166")]
)
def test_an_hour_costs_what_was_captured_live(principal: str, charged: str) -> None:
    assert charge(Decimal(principal), Decimal("0.00055")) == Decimal(charged)


def test_the_hourly_rate_is_cut_at_the_tenth_place() -> None:
    assert hourly_rate(Decimal("0.00055")) == Decimal("0.0000229166")


def test_large_amounts_keep_every_digit() -> None:
    assert charge(Decimal("12345678901234567890.12345678"), Decimal("0.024")) == Decimal(
        "12345678901234567.89012345"
    )


def test_the_first_hour_is_charged_at_the_borrow_and_the_next_on_its_anniversary() -> None:
    until = OPENED_MS + 2 * HOUR_MS

    times = list(charge_times(loan(), until))

    assert times == [OPENED_MS, OPENED_MS + HOUR_MS, until]
    assert list(charge_times(loan(), until - 1)) == times[:2]


def test_by_the_clock_an_hour_starts_at_the_full_hour() -> None:
    midnight = OPENED_MS // HOUR_MS * HOUR_MS + HOUR_MS

    times = list(charge_times(loan(), midnight + HOUR_MS, hours="clock"))

    assert times == [OPENED_MS, midnight, midnight + HOUR_MS]


def test_a_loan_opened_on_the_full_hour_is_not_charged_twice_for_it() -> None:
    full = OPENED_MS // HOUR_MS * HOUR_MS

    times = list(charge_times(loan(opened_ms=full), full + HOUR_MS - 1, hours="clock"))

    assert times == [full]


def test_asynchronous_booking_charges_the_first_hour_later_and_the_second_on_time() -> None:
    booked_ms = OPENED_MS + 240_000

    assert list(charge_times(loan(), booked_ms - 1, delay_ms=240_000)) == []
    assert list(charge_times(loan(), booked_ms, delay_ms=240_000)) == [OPENED_MS]
    assert list(charge_times(loan(), OPENED_MS + HOUR_MS, delay_ms=240_000)) == [
        OPENED_MS,
        OPENED_MS + HOUR_MS,
    ]


@pytest.mark.parametrize("first_look_ms", [0, 30_000, 60_000, 100_000, 178_000, 500_000])
def test_a_full_hour_before_the_first_booking_is_charged_once(first_look_ms: int) -> None:
    opened_ms = OPENED_MS // HOUR_MS * HOUR_MS - 60_000
    late = {"rate_at": lambda *_: Decimal("0.00055"), "hours": "clock", "delay_ms": 178_000}
    looked_at = loan(opened_ms=opened_ms)

    accrue(looked_at, opened_ms + first_look_ms, **late)
    accrue(looked_at, opened_ms + 600_000, **late)

    assert looked_at.charged == 2 * charge(Decimal(100), Decimal("0.00055"))


def test_charging_in_steps_and_at_once_gives_the_same() -> None:
    def rate_at(symbol: str, currency: str, at_ms: int) -> Decimal:
        return Decimal("0.00055") + Decimal(at_ms // HOUR_MS % 7).scaleb(-5)

    at_once, in_steps = loan(principal="1234.56789"), loan(principal="1234.56789")
    end = OPENED_MS + 100 * HOUR_MS + 17
    accrue(at_once, end, rate_at=rate_at)
    for step in range(OPENED_MS - HOUR_MS, end + 1, 1_234_567):
        accrue(in_steps, step, rate_at=rate_at)
    accrue(in_steps, end, rate_at=rate_at)

    assert at_once.charged == in_steps.charged > 0
    assert at_once.charged_until_ms == in_steps.charged_until_ms


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("interest_first", [(1, "2", "7"), (2, "1", "0")]),
        ("loan_by_loan", [(1, "2", "8")]),
        ("principal_first", [(1, "0", "10")]),
    ],
)
def test_a_repayment_is_split_in_the_order_asked_for(
    order: str, expected: list[tuple[int, str, str]]
) -> None:
    loans = [loan(id=1, principal="10", charged="2"), loan(id=2, principal="10", charged="1")]

    parts = split(Decimal(10), loans, order=order)

    found = [(part.loan.id, str(part.interest), str(part.principal)) for part in parts]
    assert found == expected
