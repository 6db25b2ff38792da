"""The tasks that keep pairs, prices, figures and records current.

One task an account walks its pairs: many small tasks cost six times as much. No account and no feed
stops another. On the threads pool no time limit is enforced, so each walk ends by its own deadline.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from loans import venues
from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.errors import ReadError, Refused
from loans.models import Account, Coverage, Feed, Venue
from loans.services import (
    feeds,
    figures,
    heartbeats,
    loading,
    market_data,
    open_interest,
    pairs,
    prices,
    refused,
    streams,
)
from loans.services.keys import Sealing
from loans.services.limiter import GiveWay
from loans.services.paper_keys import NoPaperKey, fetch
from loans.services.positions import loans_out_since
from loans.services.records import MOST_WINDOWS, Learned, read_stream
from loans.services.rereading import reread_stream
from loans.services.turns import one_of, turn
from loans.tasks.bell import ring
from loans.vault import VaultError

logger = logging.getLogger(__name__)

# A turn outlives the longest walk; a worker that was killed holds it no longer than this.
TURN_SECONDS = 180
MINUTE_SECONDS, HISTORY_SECONDS = 40, 20
# So many walks may load old history at once: the other threads stay free for what is new.
HISTORY_PLACES = 2
SOURCES_TRIED = 3
# Refusals of a key that may be about its figures alone; records and terms are asked all the same.
PERHAPS_FIGURES_ALONE = (30012, 30019, 30030, 30031)
ANSWERS_LATELY = timedelta(minutes=5)


@shared_task(name="loans.tasks.beat_tick", expires=20)
def beat_tick() -> None:
    """Show that the clock runs; whichever worker hears it."""
    heartbeats.beat(name="beat", now=timezone.now())


@shared_task(name="loans.tasks.sync_tick", expires=50)
def sync_tick() -> None:
    """Ring for every venue in use and for every connected account."""
    heartbeats.beat(name="sync", now=timezone.now())
    connected = Account.objects.connected()
    for venue in {Venue.PAPER.value, *connected.values_list("venue", flat=True)}:
        ring(refresh_venue, venue)
    for account_id in connected.kept().values_list("pk", flat=True):
        ring(refresh_account, str(account_id))


@shared_task(name="loans.tasks.daily_tick", expires=3600)
def daily_tick() -> None:
    """Forget what nobody needs any more."""
    refused.forget_old(timezone.now())


@shared_task(name="loans.tasks.refresh_venue", expires=50)
def refresh_venue(venue: str) -> None:
    """Bring a venue's pairs, rates and prices up to date."""
    with turn(f"venue:{venue}", seconds=TURN_SECONDS) as is_ours:
        if not is_ours:
            return
        if venue == Venue.PAPER and market_data.needs_paper_key():
            _make_market_data_key()
        _refresh_pairs(venue)
        now = timezone.now()
        with (
            feeds.watch(venue=venue, name=Feed.Name.PRICES, now=now),
            venues.public_client(venue) as client,
        ):
            prices.refresh_prices(client=client, venue=venue, now=now)


@shared_task(name="loans.tasks.refresh_account", expires=50)
def refresh_account(account_id: str) -> None:
    """Bring an account's figures, borrowable amounts and records up to date; then load old ones."""
    account = Account.objects.connected().kept().filter(pk=account_id).first()
    if account is None or not _is_due(account):
        return
    if not pairs.are_known(venue=account.venue):
        # The first key of a venue: without its pairs nothing could be walked, or be called open.
        refresh_venue(account.venue)
    is_more_left = False
    with turn(f"account:{account_id}", seconds=TURN_SECONDS) as is_ours:
        if is_ours and _refresh_figures(account):
            _refresh_account_terms(account)
            is_more_left = _refresh_records(account)
    if is_more_left:
        ring(refresh_account, account_id)


@shared_task(name="loans.tasks.refresh_pair", expires=50)
def refresh_pair(account_id: str, symbol: str) -> None:
    """Read one pair's figures at once, after money has moved there; the next minute forgives."""
    account = Account.objects.connected().kept().filter(pk=account_id).first()
    if account is None:
        return
    try:
        with venues.client_for(account, priority=limits.PERSON_WAITING) as client:
            figures.refresh_figures(
                client=client, account=account, now=timezone.now(), symbol=symbol
            )
    except (ReadError, VaultError) as exc:
        logger.warning("figures of account %s: %s", account_id, exc)


def _is_due(account: Account) -> bool:
    """A key that fails for long is asked less often, unless it is its figures alone that fail."""
    now = timezone.now()
    if feeds.is_due(venue=account.venue, account=account, name=Feed.Name.FIGURES, now=now):
        return True
    records = Feed.objects.filter(account=account, name=Feed.Name.RECORDS)
    return records.filter(last_success_at__gte=now - ANSWERS_LATELY).exists()


def _make_market_data_key() -> None:
    """Without one, people's own paper keys read the terms; the next minute tries again."""
    try:
        credentials = fetch(settings.PAPER_BASE_URL, with_history=False)
    except NoPaperKey as exc:
        logger.warning("no market-data key yet: %s", exc)
        return
    sealing = Sealing(venues.keyring(), settings.FINGERPRINT_PEPPER)
    market_data.add_paper_key(credentials=credentials, sealing=sealing, now=timezone.now())


def _refresh_pairs(venue: str) -> None:
    """Ask with the first key that the venue answers; a dead key without an owner is replaced."""
    now = timezone.now()
    with feeds.watch(venue=venue, name=Feed.Name.PAIRS, now=now):
        account, listed = _read_pairs(market_data.sources(venue)[:SOURCES_TRIED], now)
        pairs.store_terms(venue=venue, listed=listed, now=now)
        market_data.note_use(account=account, now=now)
        if account.owner_id is not None:
            pairs.store_account_terms(account=account, pairs=listed.pairs, now=now)


def _read_pairs(sources: list[Account], now: datetime) -> tuple[Account, pairs.PairList]:
    """The pairs, and with whose key. Raises ReadError of the last key that was tried."""
    failure: Exception = market_data.NoSource("No key is there to read the rates with.")
    for account in sources:
        try:
            with _client(account) as client:
                return account, pairs.read_pairs(client=client, venue=account.venue, now=now)
        except Refused as exc:
            failure = exc
            if exc.code in market_data.DEAD_KEY_CODES:
                market_data.give_up(account=account, reason=exc.detail)
        except VaultError as exc:
            failure = exc
    raise failure


def _refresh_figures(account: Account) -> bool:
    """Whether the exchange answers this key; otherwise nothing else of it is asked now.

    A venue need not serve figures: then what is owed comes from the records.
    """
    now = timezone.now()
    feed = feeds.watch(venue=account.venue, account=account, name=Feed.Name.FIGURES, now=now)
    with feed as attempt, _client(account) as client:
        figures.refresh_figures(client=client, account=account, now=now)
    return attempt.succeeded or _may_be_figures_alone(attempt.failure)


def _may_be_figures_alone(failure: Exception | None) -> bool:
    if not isinstance(failure, Refused):
        return False
    return failure.code not in streams.KEY_CODES or failure.code in PERHAPS_FIGURES_ALONE


def _refresh_account_terms(account: Account) -> None:
    now = timezone.now()
    if pairs.account_terms_are_fresh(account=account, now=now):
        return
    feed = feeds.watch(venue=account.venue, account=account, name=Feed.Name.PAIRS, now=now)
    with feed, _client(account) as client:
        listed = pairs.read_account_pairs(client=client, account=account, now=now)
        pairs.store_account_terms(account=account, pairs=listed, now=now)


def _refresh_records(account: Account) -> bool:
    """Whether old history is left to load. What failed of some pairs alone is told at the end."""
    now = timezone.now()
    left = 0
    with feeds.watch(venue=account.venue, account=account, name=Feed.Name.RECORDS, now=now):
        streams.foresee(account=account)
        walks = _read_pairs_in_use(account, now)
        with one_of("history", places=HISTORY_PLACES, seconds=TURN_SECONDS) as is_free:
            if is_free:
                loaded, audited = _load_and_audit(account, now)
                walks += [loaded, audited]
                left = loaded.left
        streams.must_be_whole(walks)
    return left > 0


def _read_pairs_in_use(account: Account, now: datetime) -> list[streams.Walk]:
    """What is new of them, and the interest of the loans that are out."""
    is_over = _ends_in(MINUTE_SECONDS)
    with _client(account) as client:
        due = streams.due_often(account=account, now=now)
        new = _walk(client, due, is_over, most_windows=0)
        since = loans_out_since(account)
        due = open_interest.due(account=account, since=since, now=now)
        step = partial(open_interest.read_interest, since=since)
        return [new, _walk(client, due, is_over, step=step)]


def _load_and_audit(account: Account, now: datetime) -> tuple[streams.Walk, streams.Walk]:
    """Load old history; audits take what time that leaves, without hurry."""
    is_over = _ends_in(HISTORY_SECONDS)
    with _client(account, priority=limits.BACK_FILL) as client:
        done = _walk(client, streams.due_seldom(account=account, now=now), is_over)
        loading.note_pace(account=account, now=timezone.now())
        due = streams.due_for_audit(account=account, now=now)
        return done, _walk(client, due, is_over, step=reread_stream)


def _ends_in(seconds: int) -> Callable[[], bool]:
    end_ns = time.monotonic_ns() + seconds * 10**9
    return lambda: time.monotonic_ns() > end_ns


def _walk(
    client: Client,
    due: Sequence[Coverage],
    is_over: Callable[[], bool],
    *,
    most_windows: int = MOST_WINDOWS,
    step: Callable[..., Learned] = read_stream,
) -> streams.Walk:
    return streams.walk(
        due,
        client=client,
        now=timezone.now(),
        visibility=venues.money_bounds().visibility,
        is_over=is_over,
        most_windows=most_windows,
        step=step,
        clock=timezone.now,
    )


def _client(account: Account, *, priority: int = limits.KEEPING_UP) -> Client:
    """A client that gives way while an instruction of this account is being sent."""
    limiter = GiveWay(
        venues.limiter_for(account.venue, key=account.fingerprint),
        is_busy=lambda: streams.is_money_moving(account=account),
    )
    return venues.client_for(account, limiter=limiter, priority=priority)
