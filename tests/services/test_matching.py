"""The matching rule alone: which listed records may be ours, and which listings prove anything."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loans.bitmart.responses import BorrowRecord, Heard, Listing, RefusedRow
from loans.services.bounds import Bounds
from loans.services.matching import Found, Listed, Sought, Verdict, is_whole, judge, search

SIGNED = datetime(2026, 11, 20, 12, 0, 0, 700_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BOUNDS = Bounds(
    expiry=60 * SECOND,
    processing=600 * SECOND,
    visibility=120 * SECOND,
    queue=60 * SECOND,
    deadline=20 * SECOND,
    lease=30 * SECOND,
)


def row(number: int, *, amount: str = "20", after: float = 1, **fields: str) -> BorrowRecord:
    return BorrowRecord(
        record_id=f"r{number}",
        symbol=fields.get("symbol", "BTC_USDT"),
        currency=fields.get("currency", "USDT"),
        principal=Decimal(amount),
        daily_rate=Decimal("0.00055"),
        hourly_rate=Decimal("0.00002291"),
        interest=None,
        created_at=SIGNED + timedelta(seconds=after),
        raw={},
    )


def sought(**fields: object) -> Sought:
    defaults = {
        "symbol": "BTC_USDT",
        "currency": "USDT",
        "amount": Decimal(20),
        "signed_at": SIGNED,
        "answer_id": "",
        "known_ids": frozenset(),
    }
    return Sought(**(defaults | fields))


def found(*rows: BorrowRecord, **fields: object) -> Found:
    return search([Listed.of(r) for r in rows], sought(**fields), BOUNDS)


def test_one_new_equal_record_is_the_match() -> None:
    assert judge(found(row(1))) == Verdict.MATCH
    assert judge(found(row(1), row(2))) == Verdict.AMBIGUOUS
    assert judge(found()) == Verdict.NONE
    assert judge(found(row(1, amount="19.99999999"))) == Verdict.OTHER_ONLY


@pytest.mark.parametrize(
    "other",
    [
        row(1, symbol="ETH_USDT"),
        row(1, currency="BTC"),
        row(1, after=-6),
        row(1, after=60 + 600 + 6),
    ],
)
def test_another_pair_currency_or_time_is_not_ours(other: BorrowRecord) -> None:
    assert judge(found(other)) == Verdict.NONE


def test_a_record_on_whole_seconds_is_inside_the_window() -> None:
    assert judge(found(row(1, after=-0.7))) == Verdict.MATCH


def test_known_records_are_not_new() -> None:
    assert judge(found(row(1), known_ids=frozenset({"r1"}))) == Verdict.NONE


def test_an_equal_id_wins_over_equal_amounts() -> None:
    assert found(row(1), row(2), answer_id="r2").equal == (Listed.of(row(2)),)


def test_what_another_instruction_waits_for_is_explained() -> None:
    told = found(row(1, amount="21"), explained=[Decimal(21)])

    assert judge(told) == Verdict.NONE


def test_a_new_record_that_reads_zero_is_noticed() -> None:
    assert found(row(1, amount="0")).emptied


def listing(*rows: BorrowRecord, limit: int = 3, refused: int = 0) -> Listing:
    heard = Heard(SIGNED, SIGNED, SECOND, SIGNED)
    bad = tuple(RefusedRow("bad", "{}") for _ in range(refused))
    return Listing(rows, bad, len(rows) + refused, limit, heard)


def test_a_short_list_is_whole_and_a_full_one_only_if_it_reaches_back_in_order() -> None:
    ordered = [row(3, after=3), row(2, after=2), row(1, after=1)]

    assert is_whole(listing(*ordered[:2]), since=SIGNED)
    assert not is_whole(listing(*ordered), since=SIGNED)
    assert is_whole(listing(*ordered), since=SIGNED + 2 * SECOND)
    assert not is_whole(listing(*reversed(ordered)), since=SIGNED + 2 * SECOND)


def test_an_unreadable_row_or_a_changing_one_proves_nothing() -> None:
    assert not is_whole(listing(row(1), refused=1), since=SIGNED)
    assert not is_whole(listing(row(1), row(1, amount="3")), since=SIGNED)
