"""The sync tasks against the paper exchange: all is current, and trouble is told, not met."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone

from loans import tasks, venues
from loans.bitmart import limits
from loans.bitmart.client import Client
from loans.bitmart.limits import Limiter, NoLimiter
from loans.models import (
    Account,
    AccountTerms,
    BorrowRecord,
    Coverage,
    Feed,
    Heartbeat,
    MarginAccount,
    Market,
    RepayRecord,
    Terms,
)
from loans.services import loading, market_data
from loans.services.certificates import certify
from loans.services.limiter import GiveWay
from loans.services.loading import loads
from loans.tasks import sync
from tests.factories import make_account, make_instruction
from tests.paper_fixture import Paper, PaperKey
from tests.services.reading import executed, kept, lend_long_ago

pytestmark = pytest.mark.django_db
DISABLED = "APE_USDT"
LONG_AGO_MS = 1_760_000_000_000  # in October 2025


@pytest.fixture(autouse=True)
def _quick(
    paper: Paper, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Call the test's own exchange, whose limits are off; nobody holds a turn; no bell is heard."""
    settings.PAPER_BASE_URL = paper.base_url
    paper.switch(limits="off")
    cache.clear()

    def unlimited(venue: str, *, key: str = "") -> Limiter:
        return NoLimiter()

    monkeypatch.setattr(venues, "limiter_for", unlimited)


@pytest.fixture
def account(paper: Paper, owner: User) -> Account:
    """A person's account with three months of history."""
    return connect(paper, owner, history=True)


def connect(paper: Paper, owner: User, **body: object) -> Account:
    return connect_with(paper.new_key(**body), owner)


def connect_with(key: PaperKey, owner: User) -> Account:
    account = make_account(owner=owner)
    texts = {"access_key": key.access_key, "secret": key.secret, "memo": key.memo}
    account.seal(venues.keyring(), **texts)
    account.save()
    return account


def feed(name: str, account: Account | None = None) -> Feed:
    return Feed.objects.get(name=name, account=account)


def test_rates_and_prices_are_there_before_anybody_added_a_key() -> None:
    tasks.refresh_venue("paper")

    assert Market.objects.filter(enabled=True).count() > 50
    assert Terms.objects.count() == 2 * Market.objects.count()
    assert Market.objects.exclude(last_price=None).count() > 40
    assert Account.objects.market_data().get().label == market_data.LABEL
    assert not feed("pairs").is_stale(timezone.now())
    assert not feed("prices").is_stale(timezone.now())


def test_the_market_data_key_is_made_once() -> None:
    tasks.refresh_venue("paper")
    tasks.refresh_venue("paper")

    assert Account.objects.count() == 1


def test_a_market_data_key_that_the_exchange_forgot_is_replaced(paper: Paper) -> None:
    tasks.refresh_venue("paper")
    account = Account.objects.get()
    account.seal(venues.keyring(), access_key="forgotten", secret="x", memo="")
    account.save()

    tasks.refresh_venue("paper")
    told = feed("pairs").error
    tasks.refresh_venue("paper")

    assert told == "The paper exchange does not know this key."
    assert feed("pairs").failures == 0
    account.refresh_from_db()
    assert account.status == Account.Status.FAILED


def test_an_account_is_read_whole_and_matches_the_books(account: Account, paper: Paper) -> None:
    tasks.refresh_venue("paper")

    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    executed = paper.control("GET", "books")["executed"]
    ours = {row["record_id"] for row in executed["loans"]}
    assert set(BorrowRecord.objects.values_list("record_id", flat=True)) == ours
    assert RepayRecord.objects.count() == len(executed["repayments"])
    assert Coverage.objects.count() == 2 * Market.objects.count()
    assert not Coverage.objects.filter(complete_to=None).exists()
    assert not Coverage.objects.exclude(complete_from=None).exists()
    assert MarginAccount.objects.filter(account=account).exists()
    assert AccountTerms.objects.filter(account=account).count() == Terms.objects.count()
    assert {f.failures for f in account.feeds.all()} == {0}


def test_the_first_key_of_a_venue_is_read_whole_without_waiting_for_the_clock(
    account: Account,
) -> None:
    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    assert Market.objects.filter(enabled=True).count() > 50
    assert Coverage.objects.count() == 2 * Market.objects.count()
    assert not Coverage.objects.filter(complete_to=None).exists()


@pytest.mark.parametrize(
    "fault",
    [{"fault": "code", "code": 50001}, {"fault": "code", "code": 53004}, {"fault": "html_502"}],
)
def test_a_pair_in_use_that_cannot_be_read_keeps_nothing_else_from_being_read(
    account: Account, owner: User, paper: Paper, fault: dict
) -> None:
    tasks.refresh_venue("paper")
    symbol = Market.objects.filter(enabled=True).first().symbol
    make_instruction(account=account, requested_by=owner, symbol=symbol, state="UNKNOWN")
    others = Coverage.objects.exclude(symbol=symbol)

    for _ in range(5):
        paper.fault(**fault, kind="borrow_record")
        tasks.refresh_account(str(account.pk))
        records = feed("records", account)
        assert f"The records of {symbol} could not be read" in records.error
        Coverage.objects.filter(symbol=symbol).update(asked_at=None)

    assert records.failures == 5
    assert not others.filter(complete_to=None).exists()
    assert not others.exclude(complete_from=None).exists()
    assert Coverage.objects.filter(symbol=symbol, kind="borrow", complete_to=None).exists()


def test_a_first_load_with_a_garbled_page_is_not_over_before_that_was_read_again(
    account: Account, paper: Paper
) -> None:
    tasks.refresh_venue("paper")
    paper.fault("html_502", kind="borrow_record", skip=3)
    for _ in range(9):
        tasks.refresh_account(str(account.pk))
    [garbled] = Coverage.objects.filter(complete_to=None)
    [load] = loads([account], now=timezone.now())
    assert (load.streams - load.loaded, garbled.checked_at) == (1, None)

    Coverage.objects.filter(pk=garbled.pk).update(asked_at=timezone.now() - timedelta(minutes=3))
    tasks.refresh_account(str(account.pk))

    assert loads([account], now=timezone.now()) == []
    assert not Coverage.objects.filter(complete_to=None).exists()


def test_interest_that_cannot_be_read_keeps_no_history_from_being_loaded(
    account: Account, paper: Paper
) -> None:
    tasks.refresh_venue("paper")
    for _ in range(9):
        tasks.refresh_account(str(account.pk))
    with_rows = Coverage.objects.filter(has_rows=True)
    waiting = timezone.now() - timedelta(hours=2)
    Coverage.objects.update(interest_read_at=waiting)
    with_rows.update(whole_audited_at=None, whole_audit_due_at=timezone.now())
    paper.fault("code", kind="borrow_record", code=50001)

    tasks.refresh_account(str(account.pk))

    assert feed("records", account).failures == 1
    assert with_rows.filter(kind="borrow", interest_read_at=waiting).exists()
    assert with_rows.exclude(whole_audited_at=None).exists()


def test_repaid_loans_of_a_pair_that_is_disabled_when_the_key_is_added_are_found(
    paper: Paper, owner: User
) -> None:
    key = paper.new_key()
    account = connect_with(key, owner)
    lend_long_ago(paper, key, [LONG_AGO_MS], symbol=DISABLED)

    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    assert not Market.objects.get(symbol=DISABLED).enabled
    assert kept(account, DISABLED) == executed(paper, key, "loans", DISABLED) != set()
    assert certify([account], symbols=[DISABLED])[2:4] == (2, 1)
    assert certify([account]).is_whole


def test_where_every_pair_is_disabled_a_history_is_loaded_all_the_same(
    account: Account, paper: Paper
) -> None:
    """At the end of an exchange."""
    paper.switch(limits="off", lending="ended")

    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    assert not Market.objects.filter(enabled=True).exists()
    ours = {row["record_id"] for row in paper.control("GET", "books")["executed"]["loans"]}
    assert set(BorrowRecord.objects.values_list("record_id", flat=True)) == ours
    assert certify([account]).is_whole
    assert not loading.is_awaited([account])
    assert loading.loads([account], now=timezone.now()) == []


@pytest.mark.parametrize(("code", "status"), [(30000, 404), (30012, 403), (30031, 200)])
def test_an_exchange_without_account_figures_still_tells_records_and_terms(
    account: Account, paper: Paper, code: int, status: int
) -> None:
    paper.fault("code", kind="account", code=code, status=status, count=None)
    tasks.refresh_venue("paper")
    feeds = Feed.objects.filter(account=account)

    for _ in range(12):
        tasks.refresh_account(str(account.pk))

    assert feeds.get(name="figures").failures == 12
    assert BorrowRecord.objects.exists()
    assert AccountTerms.objects.filter(account=account).count() == Terms.objects.count()
    assert feeds.get(name="records").failures == 0


def test_what_is_loaded_is_audited_with_the_time_that_is_left(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.refresh_venue("paper")
    for _ in range(9):
        tasks.refresh_account(str(account.pk))
    with_rows = Coverage.objects.filter(has_rows=True)
    assert not with_rows.exclude(audited_at=None).exists()
    with_rows.update(audit_due_at=timezone.now(), whole_audit_due_at=timezone.now())
    priorities = []
    make_client = venues.client_for

    def client_for(account: Account, **options: object) -> Client:
        priorities.append(options["priority"])
        return make_client(account, **options)

    monkeypatch.setattr(venues, "client_for", client_for)

    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    assert not with_rows.filter(whole_audited_at=None).exists()
    assert not with_rows.exclude(trusted=True, audit_missing=0, audit_late=0, doubt="").exists()
    rows = sum(with_rows.values_list("audit_rows", flat=True))
    assert rows >= BorrowRecord.objects.count() + RepayRecord.objects.count()
    assert set(priorities) == {limits.KEEPING_UP, limits.BACK_FILL}


def test_an_unchanged_account_writes_almost_nothing(
    account: Account, django_assert_max_num_queries: contextlib.AbstractContextManager
) -> None:
    tasks.refresh_venue("paper")
    for _ in range(9):
        tasks.refresh_account(str(account.pk))

    with django_assert_max_num_queries(80) as queries:
        tasks.refresh_account(str(account.pk))

    writes = [q for q in queries if q["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len(writes) <= 8


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refuse", "could not be asked"),
        ("cloudflare_403", "web page instead of data"),
        ("html_502", "web page instead of data"),
        ("truncated", ""),
        ("huge", ""),
        ("banned", "has blocked this address"),
        ("too_many", "held back"),
    ],
)
def test_trouble_is_told_on_the_feed_and_keeps_what_was_there(
    account: Account, paper: Paper, fault: str, words: str
) -> None:
    tasks.refresh_venue("paper")
    tasks.refresh_account(str(account.pk))
    kept = (Terms.objects.count(), MarginAccount.objects.count(), BorrowRecord.objects.count())
    before = feed("figures", account).last_success_at
    paper.fault(fault, count=None)

    tasks.refresh_venue("paper")
    tasks.refresh_account(str(account.pk))

    for told in (feed("pairs"), feed("figures", account)):
        assert told.failures == 1
        assert words in told.error
    assert feed("figures", account).last_success_at == before
    assert kept == (
        Terms.objects.count(),
        MarginAccount.objects.count(),
        BorrowRecord.objects.count(),
    )


def test_an_exchange_that_is_down_is_told_and_recovers(account: Account, paper: Paper) -> None:
    tasks.refresh_venue("paper")
    paper.fault("refuse", count=None)
    tasks.refresh_venue("paper")
    paper.clear_faults()

    tasks.refresh_venue("paper")

    assert (feed("pairs").failures, feed("pairs").error) == (0, "")


def test_an_account_whose_key_does_not_open_stops_no_other(
    account: Account, paper: Paper, owner: User
) -> None:
    other = connect(paper, owner)
    Account.objects.filter(pk=account.pk).update(access_key_sealed=other.access_key_sealed)
    tasks.refresh_venue("paper")

    tasks.refresh_account(str(account.pk))
    tasks.refresh_account(str(other.pk))

    assert "cannot be opened" in feed("figures", account).error
    assert feed("figures", other).failures == 0


def test_nothing_is_read_with_a_key_that_is_disabled_or_removed(
    account: Account, paper: Paper
) -> None:
    Account.objects.filter(pk=account.pk).update(disabled=True)

    tasks.refresh_account(str(account.pk))

    assert not Feed.objects.filter(account=account).exists()


def test_an_account_is_walked_by_one_task_at_a_time(account: Account) -> None:
    with sync.turn(f"account:{account.pk}", seconds=60):
        tasks.refresh_account(str(account.pk))

    assert not Feed.objects.filter(account=account).exists()


def test_background_calls_give_way_to_an_instruction_that_is_being_sent(
    account: Account, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_instruction(account=account, requested_by=owner, state="SENDING")
    monkeypatch.setattr(sync, "GiveWay", lambda limiter, is_busy: _at_once(limiter, is_busy))

    tasks.refresh_account(str(account.pk))

    assert "being sent" in feed("figures", account).error


def _at_once(limiter: Limiter, is_busy: Callable[[], bool]) -> GiveWay:
    return GiveWay(limiter, is_busy=is_busy, seconds=0)


def test_the_tick_shows_life_and_rings_for_every_account(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(sync, "ring", lambda task, *args: rung.append((task.name, *args)))

    tasks.sync_tick()
    tasks.beat_tick()

    assert ("loans.tasks.refresh_venue", "paper") in rung
    assert ("loans.tasks.refresh_account", str(account.pk)) in rung
    assert len(rung) == 2
    alive = Heartbeat.objects.filter(at__gt=timezone.now() - timedelta(minutes=1))
    assert set(alive.values_list("name", flat=True)) == {"beat", "sync"}
