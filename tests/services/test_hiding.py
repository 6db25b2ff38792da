"""An exchange whose lists without bounds show only what is not old: nothing is called complete."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from loans.models import Account, BorrowRecord, Coverage, Kind, Probe
from loans.services import hiding, streams, windows
from loans.services.certificates import certify
from loans.services.records import read_stream
from loans.services.windows import EARLIEST, UNREADABLE, is_in
from tests.factories import NOW, make_account, make_coverage, make_market
from tests.paper_fixture import Paper, PaperKey
from tests.proofs.histories_played import MemoryShelf
from tests.proofs.random_exchange import DAY_MS, EPOCH, MS, RandomExchange
from tests.services.reading import VISIBILITY, executed, kept, lend_days_ago, reread, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


@pytest.fixture
def key(paper: Paper) -> PaperKey:
    paper.switch(limits="off", default_span_days=30)
    return paper.new_key()


def is_hiding_known() -> bool:
    return Probe.objects.filter(name=Probe.Name.DEFAULT_RANGE, state=Probe.State.RED).exists()


@pytest.mark.parametrize("days", [(200,), (3, 200), (3, 40)])
def test_what_a_listing_without_bounds_hides_is_found_and_noted(
    paper: Paper, account: Account, key: PaperKey, days: tuple[int, ...]
) -> None:
    lend_days_ago(paper, key, *days)

    learned = sync(paper, key, account)

    coverage = Coverage.objects.get()
    assert kept(account, "BTC_USDT") == executed(paper, key, "loans", "BTC_USDT")
    assert BorrowRecord.objects.count() == len(days)
    assert (coverage.has_rows, coverage.in_windows, coverage.complete_from) == (True, True, None)
    assert learned.is_loaded
    assert is_hiding_known()


def test_where_nothing_is_hidden_nothing_is_noted(
    paper: Paper, account: Account, key: PaperKey
) -> None:
    lend_days_ago(paper, key, 3, 20)

    sync(paper, key, account)

    assert not is_hiding_known()
    assert not Coverage.objects.get().in_windows


def test_an_empty_list_is_read_in_windows_once_another_one_hid_something(
    paper: Paper,
    account: Account,
    key: PaperKey,
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "AUDITED_PERCENT", 0)  # or a page might be asked for once more
    hiding.note(account=make_account(owner=owner), now=timezone.now())

    first = sync(paper, key, account, most_windows=2)
    reached = Coverage.objects.get().complete_from
    second = sync(paper, key, account)
    third = sync(paper, key, account)

    assert (first.is_loaded, second.is_loaded, third.is_loaded) == (False, True, True)
    assert EARLIEST < reached < timezone.now() - timedelta(days=13)
    assert third.calls == 2  # without bounds, and what is new


def test_lists_that_were_proven_by_one_listing_are_not_complete_any_more(account: Account) -> None:
    make_market()
    make_coverage(account=account, has_rows=False)
    make_coverage(account=account, kind=Kind.REPAY, in_windows=True)
    assert certify([account]).is_whole
    hiding.note(account=account, now=NOW)

    streams.foresee(account=account)

    assert certify([account]).is_loading
    by_listing, in_windows = (Coverage.objects.get(kind=kind) for kind in Kind.values)
    assert (by_listing.complete_from, in_windows.complete_from) == (NOW, None)
    assert streams.due_seldom(account=account, now=NOW) == [by_listing]


@pytest.mark.parametrize("is_known", [True, False])
def test_an_audit_does_not_rest_on_a_listing_that_hides_something(
    paper: Paper, account: Account, key: PaperKey, is_known: bool
) -> None:
    lend_days_ago(paper, key, 3, 200)
    sync(paper, key, account)
    if not is_known:
        Probe.objects.all().delete()
    BorrowRecord.objects.get(at__lt=timezone.now() - timedelta(days=99)).delete()
    Coverage.objects.update(whole_audit_due_at=timezone.now())

    reread(paper, key)

    assert kept(account, "BTC_USDT") == executed(paper, key, "loans", "BTC_USDT")


class Unreadable(RandomExchange):
    """An exchange that lists nothing of more than a day ago unless asked to, and garbles it."""

    def __init__(self) -> None:
        super().__init__(next(n for n in range(999) if RandomExchange(n).is_plain))
        self.span_ms = DAY_MS
        self.now_ms += 60 * DAY_MS
        for entry in self.entries:
            object.__setattr__(entry, "row", None)


def test_older_rows_that_cannot_be_read_are_something_all_the_same() -> None:
    exchange, shelf = Unreadable(), MemoryShelf()
    coverage = Coverage(symbol="BTC_USDT", kind=exchange.kind)

    read_stream(
        coverage,
        client=exchange,
        now=EPOCH + exchange.now_ms * MS,
        visibility=VISIBILITY,
        shelf=shelf,
    )

    assert not shelf.hides  # of the exchange that is said only for a record
    assert UNREADABLE in {gap.reason for gap in shelf.named}
    assert all(is_in(shelf.named, entry.at) for entry in exchange.entries)
