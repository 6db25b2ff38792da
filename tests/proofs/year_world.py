"""A busy account on a paper exchange of its own, lived through in driven time from one seed.

The exchange is reached over HTTP by the real client and the real sync; what the account does there
(borrow, repay) is done in its books directly, since the money path has proofs of its own. What the
exchange says of each loan's interest is noted on its side, for the oracle.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from django.contrib.auth.models import User

from loans import venues
from loans.bitmart.client import Client
from loans.bitmart.secret import Credentials
from loans.models import Account, Coverage, Kind
from loans.paper import catalogue
from loans.paper.accounts import Terms
from loans.paper.interest import Loan
from loans.paper.ledger import open_loans_of
from loans.paper.lending import Ask
from loans.paper.refusals import Refusal
from loans.paper.server import PaperExchange
from loans.services import figures, pairs, record_store, streams

START = datetime(2025, 11, 24, 5, 17, 23, 456000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
VISIBILITY = 120 * SECOND
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NULL_SECONDS = 178
NULL_MS = NULL_SECONDS * 1000
MOST_OPEN = 6
SLOTS = (
    *(("SOL_USDT", "SOL"), ("SOL_USDT", "USDT"), ("XRP_USDT", "XRP"), ("DOGE_USDT", "DOGE")),
    *(("1000SATS_USDT", "1000SATS"), ("1000SATS_USDT", "USDT")),
)
PAIRS = tuple(dict.fromkeys(symbol for symbol, _ in SLOTS))
PLENTY = Decimal(10) ** 13


@dataclass(frozen=True)
class Habits:
    """How one exchange behaves where the facts are not known; `switches` as its controls take."""

    name: str
    switches: Mapping[str, object] = field(default_factory=dict)

    @property
    def forgets(self) -> bool:
        """Whether a repaid loan reads zero (C10)."""
        return self.switches.get("repaid_records") == "zero"

    @property
    def hours(self) -> str:
        """How it counts hours."""
        return str(self.switches.get("interest_hours", "anniversary"))


HABITS = (
    Habits("the loan's hours, charged at once"),
    Habits(
        "the clock's hours, null at first, zero once repaid",
        {
            "interest_hours": "clock",
            "interest_null_seconds": NULL_SECONDS,
            "repaid_records": "zero",
            "ids": "same",
            "record_order": "shuffled",
        },
    ),
    Habits(
        "the loan's hours, null at first, zero once repaid, seconds",
        {
            "interest_null_seconds": NULL_SECONDS,
            "repaid_records": "zero",
            "record_time": "seconds",
            "repay_order": "loan_by_loan",
            "bounds": "exclusive",
        },
    ),
    Habits(
        "the clock's hours, at the rate of the borrow, seconds",
        {
            "interest_hours": "clock",
            "interest_rate": "at_borrow",
            "record_time": "seconds",
            "ids": "same",
            "repay_order": "principal_first",
            "record_order": "oldest",
            "amounts": "trimmed",
        },
    ),
)


def _coins() -> set[str]:
    return {code for symbol in PAIRS for code in symbol.split("_")}


def _wallets() -> dict[str, dict[str, Decimal]]:
    """So much collateral that prices play no part."""
    return {symbol: dict.fromkeys(symbol.split("_"), PLENTY) for symbol in PAIRS}


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


class World:
    """One exchange, one account there, and the same account in our books."""

    def __init__(self, folder: Path, habits: Habits, *, number: int, seed: int) -> None:
        self.habits = habits
        self.dice = Random(f"{seed}|{number}")
        self.now_ms = milliseconds(START)
        self.said: dict[str, Decimal] = {}
        self.done = {"borrow": 0, "repay": 0, "refused": 0}
        self.calls = 0
        self.server = PaperExchange(folder / f"year{number}.sqlite3", seed=seed).start()
        self.books = self.server.exchange.books
        self._pass_to(self.now_ms)
        self.books.change_switches(
            {"limits": "off", "pools": dict.fromkeys(_coins(), str(PLENTY)), **habits.switches},
            now_ms=self.now_ms,
        )
        self._listen()
        self.key = self.books.new_key(
            wallets=_wallets(), terms=Terms(), memo="year", now_ms=self.now_ms
        )
        self.account = self._account(number)
        credentials = Credentials.of(self.key.access_key, self.key.secret, self.key.memo)
        self.client = Client(self.server.base_url, credentials, total_seconds=Decimal(30))

    def close(self) -> None:
        """Stop the exchange."""
        self.client.close()
        self.server.stop()

    @property
    def now(self) -> datetime:
        """By both clocks."""
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.now_ms)

    # --- What the account does ------------------------------------------------------------------

    def act(self) -> None:
        """Borrow or repay on one of the slots, as much as the dice say."""
        symbol, currency = self.dice.choice(SLOTS)
        open_loans = [loan for loan in self._owed(symbol, currency) if loan.outstanding]
        dice = self.dice.random()
        with suppress(Refusal):
            if not open_loans or (dice < 0.5 and len(open_loans) < MOST_OPEN):
                self._borrow(symbol, currency)
            else:
                self._repay(symbol, currency, everything=dice > 0.85)
            return
        self.done["refused"] += 1

    def _borrow(self, symbol: str, currency: str) -> None:
        [entry] = self.books.standing(
            self.key.account, [catalogue.PAIRS[symbol]], now_ms=self.now_ms
        )
        _, largest = entry.pair.limits(currency)
        units = int(largest.scaleb(8)) // MOST_OPEN
        amount = Decimal(self.dice.randrange(units // 1000, units)).scaleb(-8)
        late_ms = 0
        if not self.habits.forgets and self.dice.random() < 0.1:
            late_ms = self.dice.randrange(100_000)
        ask = Ask(self.key.account, symbol, currency, amount, late_ms)
        self.books.borrow(ask, now_ms=self.now_ms)
        self.done["borrow"] += 1

    def _repay(self, symbol: str, currency: str, *, everything: bool) -> None:
        loans = self._owed(symbol, currency)
        if self.habits.forgets:
            if self.now_ms - loans[-1].opened_ms < NULL_MS:
                return  # what was never told before it reads zero, no records could tell
            # What reads zero afterwards was read a moment before, as a preflight does.
            self.read_again(symbol, loans[0].opened_ms)
        owed = sum((loan.debt for loan in loans), Decimal(0))
        amount = owed
        if not everything:
            amount = Decimal(self.dice.randrange(1, int(owed.scaleb(8)) + 1)).scaleb(-8)
        self.books.repay(Ask(self.key.account, symbol, currency, amount), now_ms=self.now_ms)
        self.done["repay"] += 1

    def _owed(self, symbol: str, currency: str) -> list[Loan]:
        """The slot's open loans, oldest first, with all that a repayment now would settle."""
        with self.server.exchange.store.reading() as db:
            loans = open_loans_of(db, self.key.account, symbol, currency)
        for loan in loans:
            self.books.rules.settle(loan, self.now_ms)
        return loans

    # --- What our workers do --------------------------------------------------------------------

    def read_rates(self) -> None:
        """The minute's rates."""
        listing = self.client.pairs(PAIRS)
        listed = pairs.PairList(listing.rows, is_whole=False)
        pairs.store_terms(venue=self.account.venue, listed=listed, now=self.now)
        self.calls += 1

    def read_busy(self) -> None:
        """The minute's figures, and the records of the pairs in use."""
        figures.refresh_figures(client=self.client, account=self.account, now=self.now)
        self._walk(streams.due_often(account=self.account, now=self.now))

    def read_all(self) -> None:
        """Every stream there is, due or not, every loan's interest anew, and the figures."""
        streams.foresee(account=self.account)
        self._walk(streams.due_seldom(account=self.account, now=self.now))
        ours = Coverage.objects.filter(account=self.account, symbol__in=PAIRS)
        self._walk(list(ours.exclude(checked_at=self.now)))
        for symbol in PAIRS:
            self.read_again(symbol, milliseconds(START))
        figures.refresh_figures(client=self.client, account=self.account, now=self.now)

    def read_again(self, symbol: str, since_ms: int) -> None:
        """A pair's loans once more: what the exchange says of known ones moves."""
        since = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=since_ms)
        self._read_span(symbol, since - SECOND, self.now + SECOND)

    def _read_span(self, symbol: str, start: datetime, end: datetime) -> None:
        page = self.client.borrow_records(symbol, start=start, end=end)
        self.calls += 1
        record_store.store(
            account=self.account, kind=Kind.BORROW, rows=page.rows, clock=lambda: self.now
        )
        if not page.is_short:
            middle = start + (end - start) / 2
            self._read_span(symbol, start, middle + SECOND)
            self._read_span(symbol, middle - SECOND, end)

    def _walk(self, due: list) -> None:
        done = streams.walk(
            due,
            client=self.client,
            now=self.now,
            visibility=VISIBILITY,
            is_over=lambda: False,
            most_windows=400,
        )
        self.calls += done.calls
        done.must_be_whole()

    # --- Time, and what the exchange's side sees ------------------------------------------------

    def pass_to(self, at_ms: int) -> None:
        """Let time pass everywhere."""
        if at_ms > self.now_ms:
            self._pass_to(at_ms)

    def _pass_to(self, at_ms: int) -> None:
        self.now_ms = at_ms
        self.server.exchange.clock.drive({"freeze": at_ms})

    def rate_moves(self, days: int) -> Iterator[int]:
        """Each full hour at which a rate of these slots moves."""
        first = milliseconds(START) // HOUR_MS + 1
        known = self._rates_at((first - 1) * HOUR_MS)
        for hour in range(first, first + days * 24):
            rates = self._rates_at(hour * HOUR_MS)
            if rates != known:
                yield hour * HOUR_MS
            known = rates

    def truth(self) -> dict[str, list[dict[str, object]]]:
        """The exchange's own books, interest charged up to now."""
        self.books.settle(self.now_ms)
        return self.books.truth(self.key.account)

    def _rates_at(self, at_ms: int) -> list[Decimal]:
        market = self.books.rules.market
        return [market.daily_rate(symbol, code, at_ms) for symbol, code in SLOTS]

    def _listen(self) -> None:
        """Note the largest interest that the exchange tells of each loan, as it tells it."""
        listing = self.books.borrow_records

        def noted(query: Any, *, now_ms: int) -> list[Loan]:
            loans = listing(query, now_ms=now_ms)
            for loan in loans:
                is_zero = self.habits.forgets and loan.closed_ms is not None
                if loan.is_booked and not is_zero:
                    self.said[loan.record_id] = loan.charged
            return loans

        self.books.borrow_records = noted

    def _account(self, number: int) -> Account:
        owner, _ = User.objects.get_or_create(username="year", email="year@example.org")
        account = Account(
            owner=owner,
            venue="paper",
            label=f"Year {number}",
            fingerprint=f"{number:016x}",
            created_at=self.now,
        )
        key = self.key
        account.seal(venues.keyring(), access_key=key.access_key, secret=key.secret, memo=key.memo)
        account.save(force_insert=True)
        return account
