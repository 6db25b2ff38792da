"""Reading one stream from the paper exchange, and giving the exchange a past of a test's own."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from django.utils import timezone

from loans.bitmart.client import Client
from loans.bitmart.limits import KEEPING_UP, Limiter, NoLimiter
from loans.bitmart.money import send, sign_order
from loans.bitmart.secret import Credentials
from loans.models import Account, BorrowRecord, Coverage, Kind
from loans.paper.interest import Loan
from loans.paper.ledger import add_loan
from loans.services import record_store
from loans.services.figures import refresh_figures
from loans.services.pairs import read_pairs, store_terms
from loans.services.records import MOST_WINDOWS, Learned, read_stream
from loans.services.rereading import reread_stream
from tests.money import Desk
from tests.paper_fixture import Paper, PaperKey

VISIBILITY = timedelta(seconds=2)
BORROW_RECORDS = "/spot/v1/margin/isolated/borrow_record"
_numbers = count(1)


def credentials_of(key: PaperKey) -> Credentials:
    """What signs for a paper key."""
    return Credentials.of(key.access_key, key.secret, key.memo)


def sync_stream(
    *,
    client: Client,
    account: Account,
    symbol: str,
    kind: str,
    now: datetime,
    visibility: timedelta,
    most_windows: int = MOST_WINDOWS,
) -> Learned:
    """Read one stream, and keep what is proven of it.

    Raises: ReadError; what was proven until then is kept.
    """
    coverage, _ = Coverage.objects.get_or_create(account=account, symbol=symbol, kind=kind)
    try:
        return read_stream(
            coverage,
            client=client,
            now=now,
            visibility=visibility,
            most_windows=most_windows,
        )
    finally:
        coverage.save()


def sync(
    paper: Paper,
    key: PaperKey,
    account: Account,
    *,
    symbol: str = "BTC_USDT",
    kind: str = Kind.BORROW,
    visibility: timedelta = VISIBILITY,
    most_windows: int = 300,
    limiter: Limiter | None = None,
    priority: int = KEEPING_UP,
    now: datetime | None = None,
) -> Learned:
    """One run over one stream; `now` is by our clock."""
    with Client(
        paper.base_url, credentials_of(key), limiter=limiter or NoLimiter(), priority=priority
    ) as client:
        return sync_stream(
            client=client,
            account=account,
            symbol=symbol,
            kind=kind,
            now=now or timezone.now(),
            visibility=visibility,
            most_windows=most_windows,
        )


def reread(
    paper: Paper, key: PaperKey, *, now: datetime | None = None, most_windows: int = 300
) -> Coverage:
    """One run of the audit of the one stream there is."""
    coverage = Coverage.objects.get()
    with Client(paper.base_url, credentials_of(key)) as client:
        reread_stream(
            coverage,
            client=client,
            now=now or timezone.now(),
            visibility=VISIBILITY,
            most_windows=most_windows,
        )
    coverage.save()
    return coverage


def read(desk: Desk) -> None:
    """One round of what the workers read of BTC_USDT: rates, records, figures."""
    now, account = desk.now(), desk.account
    with desk.client() as client:
        listed = read_pairs(client=client, venue=account.venue, now=now)
        store_terms(venue=account.venue, listed=listed, now=now)
        for kind, listing in (
            (Kind.BORROW, client.borrow_records("BTC_USDT")),
            (Kind.REPAY, client.repay_records("BTC_USDT")),
        ):
            record_store.store(account=account, kind=kind, rows=listing.rows, clock=lambda: now)
        refresh_figures(client=client, account=account, now=now, symbol="BTC_USDT")


def lend_long_ago(
    paper: Paper, key: PaperKey, instants_ms: list[int], *, symbol: str = "BTC_USDT"
) -> None:
    """Loans of 20 USDT on a pair that were repaid at once, at these times."""
    books = paper.server.exchange.books
    account = books.find_key(key.access_key).account
    with paper.server.exchange.store.writing() as db:
        for at_ms in instants_ms:
            number = next(_numbers)
            add_loan(
                db,
                Loan(
                    id=0,
                    account=account,
                    symbol=symbol,
                    currency="USDT",
                    answer_id=f"answer{number}",
                    record_id=f"old{number}",
                    principal=Decimal(20),
                    outstanding=Decimal(0),
                    charged=Decimal(0),
                    paid=Decimal(0),
                    daily_rate=Decimal("0.00055"),
                    opened_ms=at_ms,
                    charged_until_ms=at_ms,
                    closed_ms=at_ms,
                    visible_ms=at_ms,
                ),
            )


def lend_days_ago(paper: Paper, key: PaperKey, *days: int) -> None:
    """The same by days."""
    lend_long_ago(paper, key, [paper.clock() - day * 86_400_000 for day in days])


def borrow(paper: Paper, key: PaperKey, amount: str = "20") -> None:
    """One loan now."""
    order = sign_order(
        kind="borrow",
        symbol="BTC_USDT",
        currency="USDT",
        amount=Decimal(amount),
        signed_at_ms=paper.clock(),
        credentials=credentials_of(key),
    )
    send(order, base_url=paper.base_url, connect_seconds=5, total_seconds=10)


def executed(paper: Paper, key: PaperKey, table: str, symbol: str) -> set[str]:
    """The ids that the exchange has of a pair: "loans" or "repayments"."""
    rows = paper.books(key)["executed"][table]
    return {row["record_id"] for row in rows if row["symbol"] == symbol}


def busiest(paper: Paper, key: PaperKey) -> str:
    """The pair with the most loans in a believable past: more than a page of them."""
    symbols = [row["symbol"] for row in paper.books(key)["executed"]["loans"]]
    return max(set(symbols), key=symbols.count)


def kept(account: Account, symbol: str, model: type = BorrowRecord) -> set[str]:
    """The ids that we have of a pair."""
    return set(
        model.objects.filter(account=account, symbol=symbol).values_list("record_id", flat=True)
    )
