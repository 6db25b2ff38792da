"""How figures, instants and ages read."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.html import strip_tags

from loans import formatting

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00000000"),
        ("12431.2", "12,431.20000000"),
        ("0.000000001", "0.000000001"),
        ("1E+3", "1,000.00000000"),
        ("99999999999999999999.12345678", "99,999,999,999,999,999,999.12345678"),
    ],
)
def test_an_amount_is_written_in_full_and_exactly(value: str, text: str) -> None:
    assert formatting.digits(Decimal(value)) == text


def test_trailing_zeros_are_dimmed_but_kept() -> None:
    html = formatting.amount(Decimal("20.50"), "USDT")

    assert '20.5<span class="z">000000</span><span class="z">0</span>' not in html
    assert '20.5<span class="z">0000000</span>' in html
    assert strip_tags(html) == "20.50000000USDT"


def test_whole_numbers_dim_their_point_too() -> None:
    assert '>100<span class="z">.00000000</span>' in formatting.amount(Decimal(100))


def test_an_unknown_figure_says_so() -> None:
    assert "not known" in formatting.amount(None)
    assert "not known" in formatting.percent(None)


def test_a_currency_cannot_smuggle_markup() -> None:
    assert "<script>" not in formatting.amount(Decimal(1), "<script>")


def test_a_fraction_becomes_percent_exactly() -> None:
    assert formatting.percent_text(Decimal("0.00055")) == "0.055000 %"
    assert formatting.percent_text(Decimal("0.20075"), places=2) == "20.08 %"


def test_a_typed_number_has_no_grouping_and_no_exponent() -> None:
    assert formatting.plain(Decimal("1E+5")) == "100000"
    assert formatting.plain(Decimal("0.10000000")) == "0.1"
    assert formatting.plain(Decimal("100")) == "100"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (40, "40 s"), (180, "3 min"), (7200, "2 h"), (5 * 86400, "5 d")],
)
def test_an_age_reads_in_its_largest_unit(seconds: int, words: str) -> None:
    assert formatting.duration_words(seconds) == words


@pytest.mark.parametrize(("age", "tone"), [(120, ""), (121, "late"), (600, "late"), (601, "stale")])
def test_an_age_turns_amber_past_two_periods_and_red_past_ten(age: int, tone: str) -> None:
    assert formatting.age_tone(age, 60) == tone


@pytest.mark.parametrize(
    ("sentence", "within"),
    [
        ("The paper exchange does not answer.", "the paper exchange does not answer"),
        ("BitMart does not answer.", "BitMart does not answer"),
        ("USDT is off.", "USDT is off"),
        ("", ""),
    ],
)
def test_a_sentence_within_another_is_small_unless_it_begins_with_a_name(
    sentence: str, within: str
) -> None:
    late = formatting.age(NOW - timedelta(hours=2), now=NOW, problem=sentence)

    assert strip_tags(late) == ", ".join(filter(None, ("2 h", within)))


def test_a_problem_is_named_once_a_figure_is_late() -> None:
    late = formatting.age(NOW - timedelta(hours=2), now=NOW, problem="exchange unreachable")
    fresh = formatting.age(NOW, now=NOW, problem="exchange unreachable")

    assert strip_tags(late) == "2 h, exchange unreachable"
    assert strip_tags(fresh) == "now"


def test_an_age_tells_instant_zone_and_source_on_hover() -> None:
    chip = formatting.age(NOW, now=NOW, source="pairs of paper")

    assert 'title="2026-11-20 12:00:00 UTC · pairs of paper"' in chip


def test_local_time_shows_the_zone_and_keeps_utc_on_hover() -> None:
    html = formatting.instant(NOW, zone=ZoneInfo("Europe/Berlin"))

    assert strip_tags(html) == "2026-11-20 13:00:00 CET"
    assert 'title="2026-11-20 12:00:00 UTC"' in html
    assert 'datetime="2026-11-20 12:00:00Z"' in html


def test_an_instant_keeps_its_thousandths_and_shows_them_where_they_matter() -> None:
    at = NOW + timedelta(milliseconds=250)

    assert 'datetime="2026-11-20 12:00:00.250Z"' in formatting.instant(at, zone=UTC)
    assert strip_tags(formatting.instant(at, zone=UTC)) == "2026-11-20 12:00:00 UTC"
    shown = formatting.instant(at, zone=UTC, milliseconds=True)
    assert strip_tags(shown) == "2026-11-20 12:00:00.250 UTC"


def test_a_change_carries_a_sign_and_a_word_not_only_a_colour() -> None:
    assert strip_tags(formatting.change(Decimal("0.032"))) == "▲ +3.2 %"
    assert strip_tags(formatting.change(Decimal("-0.01"))) == "▼ −1.0 %"


def test_a_sparkline_steps_and_speaks() -> None:
    svg = formatting.sparkline([Decimal(1), Decimal(2), Decimal(1)], label="Up and down", width=80)

    assert 'aria-label="Up and down"' in svg
    assert 'd="M1 18H39V2H77V18"' in svg


def test_a_flat_sparkline_does_not_divide_by_zero() -> None:
    assert "V10" in formatting.sparkline([Decimal(1), Decimal(1)], label="flat")


def test_every_amount_is_written_as_python_writes_it_with_its_zeros_dimmed() -> None:
    rng = random.Random(8)
    values = [
        Decimal(rng.randint(-(10**n), 10**n)).scaleb(-8) for n in range(31) for _ in range(40)
    ]
    values += [value.quantize(Decimal(1)) for value in values] + [Decimal("-0.00000001")]

    for value in values:
        text = f"{value:,.8f}".replace("-", "−")
        kept = text.rstrip("0").removesuffix(".")
        zeros = f'<span class="z">{text[len(kept) :]}</span>' if kept != text else ""
        assert formatting.amount(value) == f'<span class="num">{kept}{zeros}</span>'
        whole, behind = f"{value:.8f}".split(".")
        assert formatting.numbers_html([(whole, behind)], [""]) == [formatting.amount(value)]
        assert formatting.digits(value).replace("-", "−") == text
