"""One field at a time: exact, or refused with a reason."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loans.bitmart import rows
from loans.bitmart.rows import BadRow

LARGEST = "99999999999999999999.99999999"


@pytest.mark.parametrize(
    ("sent", "amount"),
    [("10.20000000", "10.2"), ("1.1", "1.1"), ("1", "1"), (1, "1"), (Decimal("0.1"), "0.1"),
     (0, "0"),
     ("1e-8", "0.00000001"), ("-0.00000000", "0"), (LARGEST, LARGEST),
     ("0.001000000000000000000000000000", "0.001")],
)  # fmt: skip
def test_an_amount_is_exact_with_eight_places(sent, amount):
    value = rows.amount({"x": sent}, "x")

    assert value == Decimal(amount)
    assert value.as_tuple().exponent == -8
    assert value.is_zero() or not value.is_signed()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [("0.000000001", "more than 8 places"), ("-1", "negative"), ("NaN", "not a number"),
     (Decimal("NaN"), "not a finite number"), (Decimal("Infinity"), "not a finite number"),
     ("1e31", "out of range"), (Decimal("1e-400"), "out of range"), ("1e20", "20 integer digits"),
     ("1" * 21, "20 integer digits"), ("1" * 65, "not a number"), (None, "not a number"),
     (True, "not a number"), ("", "not a number"), ("1,5", "not a number"), (" 1", "not a number"),
     ("+1", "not a number"), ("0x1", "not a number"), ("١", "not a number"), ([], "not a number"),
     ("1_0", "not a number"), ("1e99999", "not a number")],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_a_reason(sent, reason):
    with pytest.raises(BadRow, match=reason):
        rows.amount({"x": sent}, "x")


def test_only_a_net_figure_may_be_negative():
    assert rows.amount({"x": "-1.5"}, "x", may_be_negative=True) == Decimal("-1.5")


def test_a_rate_keeps_as_many_places_as_were_sent():
    """Contradiction C9: the hourly rate is shown rounded in three ways; none is changed here."""
    sent = ["0.00002291", "0.00208334", "0.002083333333333333"]

    assert [str(rows.rate({"x": text}, "x")) for text in sent] == sent


@pytest.mark.parametrize(
    ("sent", "moment"),
    [(1655345808, datetime(2022, 6, 16, 2, 16, 48, tzinfo=UTC)),
     (1731481319634, datetime(2024, 11, 13, 7, 1, 59, 634000, tzinfo=UTC)),
     ("1731481319634", datetime(2024, 11, 13, 7, 1, 59, 634000, tzinfo=UTC)),
     (1659045284000, datetime(2022, 7, 28, 21, 54, 44, tzinfo=UTC)),
     (Decimal("1.731481319634E12"), datetime(2024, 11, 13, 7, 1, 59, 634000, tzinfo=UTC))],
)  # fmt: skip
def test_a_time_is_seconds_or_milliseconds_by_its_magnitude(sent, moment):
    """Contradiction C8."""
    assert rows.instant({"x": sent}, "x") == moment


@pytest.mark.parametrize(
    "sent",
    [0, -1, "", None, True, "soon", 10**16, "1655345808.5", 10**30, 99999999999],
)
def test_what_is_no_plausible_time_is_refused(sent):
    with pytest.raises(BadRow):
        rows.instant({"x": sent}, "x")


@pytest.mark.parametrize(
    ("sent", "record_id"),
    [("133425", "133425"), (133425, "133425"), ("17314813190079LvqkGNtHZ0QSBPT",) * 2,
     ("be7e0117-5bc9-8475-8e27-567cfa567af7",) * 2, ("0cea00c3b27447809b170dc109f203f2",) * 2,
     ("x" * 64,) * 2],
)  # fmt: skip
def test_every_seen_shape_of_id_is_text(sent, record_id):
    """Contradiction C11."""
    assert rows.identifier({"x": sent}, "x") == record_id


@pytest.mark.parametrize("sent", ["", "x" * 65, None, True, 1.5, -1, "a b", "a\nb", "a\x00", []])
def test_what_is_no_id_is_refused(sent):
    with pytest.raises(BadRow):
        rows.identifier({"x": sent}, "x")


@pytest.mark.parametrize("sent", ["true", 1, 0, None, "TRUE"])
def test_only_a_json_boolean_is_a_flag(sent):
    with pytest.raises(BadRow):
        rows.flag({"x": sent}, "x")


@pytest.mark.parametrize(
    "sent", ["BTC", "_USDT", "BTC_", "BTC/USDT", "<b>_USDT", "BTC _USDT", 5, ""]
)
def test_what_is_no_pair_is_refused(sent):
    with pytest.raises(BadRow):
        rows.symbol({"symbol": sent})


@pytest.mark.parametrize("sent", ["0e-999999999", "0e999999999", "1e30", "1e-30"])
def test_a_whole_number_with_a_huge_exponent_is_not_written_out(sent):
    with pytest.raises(BadRow):
        rows.whole({"x": Decimal(sent)}, "x")


def test_blanks_around_a_pair_are_none_of_it():
    assert rows.symbol({"symbol": " BTC_USDT "}) == "BTC_USDT"


def test_a_missing_field_is_named():
    with pytest.raises(BadRow, match="amount is missing"):
        rows.amount({}, "amount")


def test_a_row_is_kept_ready_for_a_json_column():
    kept = rows.storable({"a": Decimal("1.50"), "b": None, "c": {"d": [1, True]}, "e": "ключ"})

    assert kept == {"a": "1.50", "b": None, "c": {"d": [1, True]}, "e": "ключ"}


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "x" * 9000])
def test_a_row_that_a_database_would_refuse_is_refused_here(text):
    with pytest.raises(BadRow):
        rows.storable({"note": text})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = [rows.amount, rows.amount_or_none, rows.rate,
          rows.number_or_none, rows.instant, rows.whole,
          rows.identifier, rows.word, rows.symbol, rows.flag, rows.nested]  # fmt: skip


@given(JSON)
def test_any_value_is_read_or_refused_by_every_reader(value):
    for read in FIELDS:
        with contextlib.suppress(BadRow):
            read({"x": value}, "x")
    assert rows.excerpt(value).isprintable()


NUMBERS = st.integers(0, 10**14) | st.decimals("0", "1e14") | st.decimals("0", "1e14", places=1)


@given(JSON | NUMBERS | NUMBERS.map(str))
@example(Decimal("1763640000000.0"))
@example(Decimal("1.76364E+12"))
def test_a_row_reads_alike_before_and_after_it_was_kept(value):
    for read in FIELDS:
        with contextlib.suppress(BadRow):
            was = read({"x": value}, "x")
            assert read is rows.nested or read(rows.storable({"x": value}), "x") == was


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_row_is_storable_or_refused(row):
    try:
        kept = rows.storable(row)
    except BadRow:
        return
    assert json.loads(json.dumps(kept)) == kept
