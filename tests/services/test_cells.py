"""What a cell of a file says."""

import csv
import io

import pytest

from loans.services.cells import text_cell
from loans.services.csv_lines import csv_text

SIGNS = "=+-@＝＋－＠"


@pytest.mark.parametrize("text", ["", "Desk", "BTC_USDT", "a=b", "1-2", "x; y", "a\tb", "=", "-1"])
def test_a_text_stays_as_it_is_but_for_an_apostrophe(text: str) -> None:
    assert text_cell(text).replace("'", "") == text
    assert ("'" in text_cell(text)) == text.startswith(tuple(SIGNS))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text", [f"{before}{sign}1+1;x" for before in ("", "Desk;", ";", "a\t") for sign in SIGNS]
)
def test_no_reader_finds_a_formula(text: str, delimiter: str) -> None:
    line = f"{csv_text(text)},paper\r\n"

    for cell in next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter)):
        assert not cell.startswith(tuple(SIGNS))
