"""Every form read back by another program: the same rows, every digit, and nothing that runs."""

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from loans.models import Account, BorrowRecord, Kind
from loans.services import csv_lines, every_record, exports, file_forms, history, sheets
from loans.services.file_forms import FORMS
from tests.factories import NOW, amend, borrow_row, make_account, make_borrow, make_repay

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
PAYLOADS = (
    '=HYPERLINK("http://x","y")',
    "@SUM(A1)",
    "\tx",
    "-2+3",
    "+1",
    'say "a"\r\nb',
    "a\x07b",
    "#REF!",
    "＝1+1",
)
LONG = "99999999999999999999.12345678"


@pytest.fixture
def desk(owner: User) -> Account:
    return make_account(owner=owner)


def chosen(*accounts: Account, zone: Any = BERLIN, **query: str) -> Any:
    return history.read(query, accounts=accounts, zone=zone)


def made(slug: str, kind: str, wanted: Any) -> bytes:
    out = io.BytesIO()
    for _ in file_forms.write(FORMS[slug], kind, wanted, out, now=NOW):
        pass
    return out.getvalue()


def sheet_of(kind: str, wanted: Any) -> tuple[Worksheet, list[dict[str, Any]]]:
    book = load_workbook(io.BytesIO(made("xlsx", kind, wanted)))
    sheet = book.worksheets[1]
    lines = list(sheet.iter_rows(values_only=True))
    return book, [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def lines_of(slug: str, wanted: Any) -> list[dict[str, str]]:
    text = made(slug, Kind.BORROW, wanted).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def ids_in(slug: str, content: bytes) -> list[str]:
    if slug == "xlsx":
        sheet = load_workbook(io.BytesIO(content)).worksheets[1]
        return [line[2] for line in sheet.iter_rows(min_row=2, values_only=True)]
    if slug == "json":
        return [row["record_id"] for row in json.loads(content)["rows"]]
    return [row["record_id"] for row in csv.DictReader(io.StringIO(content.decode()))]


def exact(cell: Any) -> Decimal:
    return Decimal(repr(cell) if isinstance(cell, float) else str(cell))


@pytest.mark.parametrize(
    "amount", ["20", "0.00000001", "0.1", "1234567.12345678", "999999999999999", LONG, "1e-8"]
)
def test_a_spreadsheet_keeps_every_digit(desk: Account, amount: str) -> None:
    make_borrow(account=desk, principal=amount, daily_rate="0.0005123456789012")

    _, (row,) = sheet_of(Kind.BORROW, chosen(desk))

    assert exact(row["principal"]) == Decimal(amount)
    assert isinstance(row["principal"], str) == (amount == LONG)
    assert exact(row["daily_rate"]) == Decimal("0.0005123456789012")


def test_negative_numbers_stay_numbers_in_a_spreadsheet(desk: Account) -> None:
    make_repay(account=desk, principal="5", interest="-0.00000001")

    _, (row,) = sheet_of(Kind.REPAY, chosen(desk))

    assert row["interest"] == -1e-08
    assert exact(row["interest"]) == Decimal("-0.00000001")


@pytest.mark.parametrize("label", PAYLOADS)
def test_nothing_in_a_spreadsheet_runs(owner: User, label: str) -> None:
    account = make_account(owner=owner, label=label)
    make_borrow(account=account)

    book, (row,) = sheet_of(Kind.BORROW, chosen(account))

    cells = [cell for sheet in book.worksheets for line in sheet.iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
    # XML has one kind of line end, and no control characters.
    expected = label.replace("\r\n", "\n").replace("\x07", "\ufffd")
    runs = label.startswith(("=", "+", "-", "@", "\t", "＝"))
    assert row["account"] == (f"'{expected}" if runs else expected)


def test_a_spreadsheet_shows_what_looks_like_a_character_by_its_number(owner: User) -> None:
    account = make_account(owner=owner, label="_x003D_1+1")
    make_borrow(account=account)

    content = made("xlsx", Kind.BORROW, chosen(account))

    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sheet = parts.read("xl/worksheets/sheet2.xml").decode()
    assert "<t>_x005F_x003D_1+1</t>" in sheet


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_head_that_names_the_filter_runs_nothing(owner: User, delimiter: str) -> None:
    account = make_account(owner=owner, label="a;=1+1")
    wanted = chosen(account, account=str(account.pk), q='b;"=1+1;')

    head = next(exports.csv_pieces(Kind.BORROW, wanted))

    for line in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
        assert not any(cell.startswith("=") for cell in line)


def test_a_spreadsheet_says_which_rows_these_are(desk: Account) -> None:
    make_borrow(account=desk)

    book, (row,) = sheet_of(Kind.BORROW, chosen(desk, symbol="BTC_USDT"))

    about = {line[0].value: line[1].value for line in book.worksheets[0].iter_rows()}
    assert about["Rows"] == "all accounts, BTC_USDT"
    assert about["Times in"] == "Europe/Berlin"
    assert about["Numbers"] == sheets.RULE
    assert list(row)[-1] == "rows: all accounts, BTC_USDT; times in Europe/Berlin"


def test_a_spreadsheet_goes_on_on_another_sheet(
    desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "ROWS_A_SHEET", 2)
    for n in range(5):
        make_borrow(account=desk, record_id=f"L{n}", at=NOW - timedelta(minutes=n))

    book, _ = sheet_of(Kind.BORROW, chosen(desk))

    assert book.sheetnames == ["About", "Borrows", "Borrows 2", "Borrows 3"]
    ids = [line[2] for s in book.worksheets[1:] for line in s.iter_rows(2, values_only=True)]
    assert ids == ["L0", "L1", "L2", "L3", "L4"]


def test_json_is_the_same_rows_with_amounts_as_strings(owner: User) -> None:
    account = make_account(owner=owner, label='=1+1 "é"')
    loan = make_borrow(account=account, principal=LONG, interest=None)
    older = make_borrow(account=account, principal=None, at=NOW - timedelta(days=1))

    found = json.loads(made("json", Kind.BORROW, chosen(account, sort="at")))

    assert [row["record_id"] for row in found["rows"]] == [older.record_id, loan.record_id]
    assert found["rows"][1]["principal"] == LONG
    assert found["rows"][1]["interest"] is None
    assert found["rows"][0]["principal"] is None
    assert found["rows"][0]["account"] == '=1+1 "é"'
    assert datetime.fromisoformat(found["rows"][1]["borrowed_at"]) == loan.at
    assert (found["zone"], found["sort"]) == ("Europe/Berlin", "at")


def test_json_without_rows_is_still_whole(desk: Account) -> None:
    assert json.loads(made("json", Kind.REPAY, chosen(desk)))["rows"] == []


def loan_and_repayment(desk: Account) -> None:
    make_borrow(
        account=desk, record_id="B1", principal="20", interest="0.00045833", at=NOW - timedelta(2)
    )
    make_borrow(account=desk, record_id="B2", principal=None, interest=None, at=NOW - timedelta(2))
    make_repay(
        account=desk, record_id="R1", principal="20", interest="0.00091666", at=NOW - timedelta(1)
    )


@pytest.mark.parametrize(
    ("slug", "dated", "interest"),
    [("bittytax-paid", 1, "0.00091666"), ("bittytax-charged", 2, "0.00045833")],
)
def test_bittytax_gets_loans_repayments_and_one_interest(
    desk: Account, slug: str, dated: int, interest: str
) -> None:
    loan_and_repayment(desk)

    rows = lines_of(slug, chosen(desk))

    assert list(rows[0]) == [
        *("Type", "Buy Quantity", "Buy Asset", "Buy Value in GBP"),
        *("Sell Quantity", "Sell Asset", "Sell Value in GBP"),
        *("Fee Quantity", "Fee Asset", "Fee Value in GBP", "Wallet", "Timestamp", "Note"),
    ]
    found = {(r["Type"], r["Buy Quantity"], r["Sell Quantity"], r["Timestamp"]) for r in rows}
    day = {n: f"2026-11-{20 - n}T12:00:00.000000 UTC" for n in (1, 2)}
    assert found == {
        ("Loan", "20.00000000", "", day[2]),
        ("Loan-Repayment", "", "20.00000000", day[1]),
        ("Loan-Interest", "", interest, day[dated]),
    }
    assert {r["Wallet"] for r in rows} == {"Paper Desk BTC_USDT"}


def test_cointracking_gets_its_own_names(desk: Account) -> None:
    loan_and_repayment(desk)

    text = made("cointracking-paid", Kind.REPAY, chosen(desk)).decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)

    assert head == [
        *("Type", "Buy", "Cur.", "Sell", "Cur.", "Fee", "Cur.", "Exchange", "Group", "Comment"),
        *("Date", "Tx-ID"),
    ]
    assert [(r[0], *r[1:5], r[10], r[11]) for r in rows] == [
        ("Receive Loan", "20.00000000", "USDT", "", "", "2026-11-18 12:00:00", "B1-loan"),
        ("Repay Loan", "", "", "20.00000000", "USDT", "2026-11-19 12:00:00", "R1-repayment"),
        ("Borrowing Fee", "", "", "0.00091666", "USDT", "2026-11-19 12:00:00", "R1-interest"),
    ]


def test_a_preset_keeps_the_filter_and_names_it(desk: Account) -> None:
    loan_and_repayment(desk)
    wanted = chosen(desk, **{"from": "2026-11-19", "to": "2026-11-20"})

    rows = lines_of("bittytax-paid", wanted)

    assert {row["Type"] for row in rows} == {"Loan-Repayment", "Loan-Interest"}
    name = FORMS["bittytax-paid"].file_name(Kind.BORROW, wanted)
    assert name == (
        "BittyTax_interest-paid_from-2026-11-19_to-2026-11-20_Europe-Berlin_times-UTC.csv"
    )


def test_a_preset_defuses_names(owner: User) -> None:
    account = make_account(owner=owner, label="Desk")
    make_borrow(account=account, record_id="=cmd")

    text = made("cointracking-paid", Kind.BORROW, chosen(account)).decode()

    assert "'=cmd-loan" in text


def peak_of(action: Iterator[Any]) -> int:
    tracemalloc.start()
    for _ in action:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


class Nowhere(io.RawIOBase):
    """A file that keeps nothing, so that only what makes it takes memory."""

    def __init__(self) -> None:
        self.place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.place += len(data)
        return len(data)

    def tell(self) -> int:
        return self.place


@pytest.mark.parametrize(
    ("slug", "sort"),
    [
        *product(("csv", "xlsx", "json", "bittytax-charged"), ("-at",)),
        *product(("csv", "json"), ("-interest",)),
    ],
)
def test_memory_does_not_grow_with_the_rows(
    desk: Account, slug: str, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHUNK", 200)
    monkeypatch.setattr(csv_lines, "ROWS_A_RUN", 200)
    monkeypatch.setattr(every_record, "IDS_AT_ONCE", 200)

    def fill(first: int, last: int) -> None:
        BorrowRecord.objects.bulk_create(
            borrow_row(account=desk, record_id=f"L{n}", at=NOW - timedelta(seconds=n))
            for n in range(first, last)
        )

    def peak() -> int:
        wanted = chosen(desk, zone=UTC, sort=sort)
        return peak_of(
            file_forms.write(FORMS[slug], Kind.BORROW, wanted, Nowhere(), now=NOW)  # type: ignore[arg-type]
        )

    fill(0, 1_000)
    peak()  # what is loaded once
    small = peak()
    fill(1_000, 4_000)
    large = peak()

    assert large < small * 1.3


@pytest.mark.parametrize("sort", ["interest", "-interest"])
@pytest.mark.parametrize("slug", ["csv", "xlsx", "json"])
def test_a_file_has_each_loan_once_though_interest_rises_while_it_is_written(
    desk: Account, slug: str, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHUNK", 2)
    monkeypatch.setattr(csv_lines, "ROWS_A_RUN", 2)
    monkeypatch.setattr(exports, "LINES_A_PIECE", 1)
    loans = [make_borrow(account=desk, record_id=f"L{n}", interest=str(n)) for n in range(1, 9)]
    out = io.BytesIO()

    steps = file_forms.write(FORMS[slug], Kind.BORROW, chosen(desk, sort=sort), out, now=NOW)
    for _ in range(2):
        next(steps)  # the head and some rows, not yet the last ones
    amend(loans[0], interest="100")
    for _ in steps:
        pass

    wanted = [loan.record_id for loan in loans]
    assert ids_in(slug, out.getvalue()) == (wanted if sort == "interest" else wanted[::-1])


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_name_fits_its_job_and_any_disk(owner: User, form: file_forms.Form) -> None:
    account = make_account(owner=owner, label="L" * 60)
    zone = ZoneInfo("America/Argentina/ComodRivadavia")
    query = {
        **{"account": str(account.pk), "symbol": "S" * 40, "currency": "C" * 40, "q": "q" * 80},
        "from": "2026-11-01T00:00:00.123456+00:00",
        "to": "2026-11-30T00:00:00.123456+00:00",
    }

    chosen = history.read(query, accounts=[account], zone=zone)
    name = form.file_name(Kind.BORROW, chosen)

    assert not chosen.errors
    assert len(name) <= 200
    assert "America-Argentina-ComodRivadavia" in name
    assert name.endswith(f".{form.ending}")


@pytest.mark.parametrize("sign", ["\uffff", "\ufffe", "\x0b"])
def test_no_character_makes_a_spreadsheet_that_cannot_be_opened(owner: User, sign: str) -> None:
    account = make_account(owner=owner, label=f"Desk{sign}")
    make_borrow(account=account)

    _, (row,) = sheet_of(Kind.BORROW, chosen(account))

    assert row["account"] == "Desk\ufffd"
