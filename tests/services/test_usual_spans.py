"""The spans that people ask for again and again, on days where their ends move."""

from datetime import date

import pytest

from loans.services.usual_spans import usual_spans

USUAL = ["Today", "7 days", "This month", "Last month", "This year", "Last year"]


@pytest.mark.parametrize(
    ("today", "ends"),
    [
        ("2026-11-27", "11-27 11-27, 11-21 11-27, 11-01 11-27, 10-01 10-31, 01-01 11-27"),
        ("2024-03-01", "03-01 03-01, 02-24 03-01, 03-01 03-01, 02-01 02-29, 01-01 03-01"),
        ("2027-01-03", "01-03 01-03, 12-28 01-03, 01-01 01-03, 12-01 12-31, 01-01 01-03"),
    ],
)
def test_each_ends_where_people_say_it_does(today: str, ends: str) -> None:
    day = date.fromisoformat(today)

    spans = usual_spans(day)

    assert [span.name for span in spans] == USUAL
    assert ", ".join(f"{span.first:%m-%d} {span.last:%m-%d}" for span in spans[:-1]) == ends
    assert all(span.first <= span.last <= day for span in spans)
    assert spans[1].first.year == (day.year if day.month > 1 else day.year - 1)
    assert spans[-1][1:] == (date(day.year - 1, 1, 1), date(day.year - 1, 12, 31))
