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
    "text",
    [
        f"{before}{sign}1+1;x{after}"
        for before in ("", "Desk;", ";", "a\t", 'a;"', 'a;""', "a\n", "a\r\n", 'a\n"', '"')
        for after in ("", '"')
        for sign in SIGNS
    ],
)
def test_no_reader_finds_a_formula(text: str, delimiter: str) -> None:
    for line in (f"{csv_text(text)},paper\r\n", f"Desk,{csv_text(text)},paper\r\n"):
        for cells in csv.reader(io.StringIO(line, newline=""), delimiter=delimiter):
            assert not any(cell.startswith(tuple(SIGNS)) for cell in cells)
