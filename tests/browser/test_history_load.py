"""The first load of a history in a browser: it moves by itself, ends by itself, fits a phone."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from loans.models import Account, Coverage
from loans.services.windows import EARLIEST
from tests.browser.conftest import OpenPage
from tests.browser.test_looks import WCAG
from tests.factories import make_account, make_borrow, make_coverage, make_gap, make_market

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def account(owner: User) -> Account:
    """One list with a gap and a finding, one half loaded, one not asked for."""
    account = make_account(owner=owner, label="A desk with a rather long name of its own")
    now = timezone.now()
    for symbol in ("1000SATS_USDT", "ETH_USDT", "XRP_USDT"):
        make_market(symbol=symbol)
    for kind in ("borrow", "repay"):
        told = {"complete_to": now, "checked_at": now, "audited_at": now - timedelta(hours=3)}
        listed = make_coverage(account=account, symbol="1000SATS_USDT", kind=kind, **told)
        Coverage.objects.filter(pk=listed.pk).update(audit_rows=1412, audit_late=1, late_records=1)
    make_gap(
        coverage=listed,
        starts_at=now - timedelta(days=9),
        ends_at=now - timedelta(days=9, seconds=-1),
        reason="more records in one second than the exchange lists",
    )
    middle = EARLIEST + (now - EARLIEST) / 2
    told = {"complete_to": now, "checked_at": now, "complete_from": middle}
    make_coverage(account=account, symbol="ETH_USDT", **told, trusted=False, doubt="a test's own")
    make_coverage(
        account=account, symbol="XRP_USDT", complete_to=None, checked_at=None, has_rows=False
    )
    make_borrow(account=account, symbol="ETH_USDT")
    return account


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_load_is_shown_without_scrolling_sideways(
    open_page: OpenPage, account: Account, owner: User, width: int, scheme: str
) -> None:
    page = open_page("/history/", person=owner, width=width, color_scheme=scheme)

    expect(page.get_by_role("progressbar")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert Axe().run(page, options=WCAG).violations_count == 0


def test_the_page_follows_the_load_to_its_end(
    open_page: OpenPage, account: Account, owner: User
) -> None:
    page = open_page("/history/", person=owner)
    expect(page.locator("#history-now[hx-trigger]")).to_be_visible()

    Coverage.objects.update(
        complete_from=None, complete_to=timezone.now(), checked_at=timezone.now()
    )

    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=15_000)
    expect(page.locator("#history-now[hx-trigger]")).to_have_count(0)


def test_a_load_is_told_without_script(open_page: OpenPage, account: Account, owner: User) -> None:
    page = open_page("/history/", person=owner, java_script_enabled=False)

    expect(page.get_by_text("Lists read back to their start")).to_be_visible()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
