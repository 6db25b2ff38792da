"""How pages look and feel in a browser: accessible, quiet, quick by keyboard, whole on phones."""

from datetime import timedelta
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from loans.models import Side, Venue
from tests.browser.conftest import OpenPage
from tests.factories import (
    make_account,
    make_account_terms,
    make_borrow,
    make_margin_account,
    make_margin_side,
    make_market,
    make_rate_change,
    make_terms,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SYMBOLS = ("BTC_USDT", "ETH_USDT", "1000SATS_USDT", "DOGE_USDT")
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
BUTTON = """
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "Max" });
    Object.assign(button.dataset, { fill: "id_amount", value: "99999999999.12345678" });
    document.querySelector("main").append(button);
"""
PAGES = (
    "/",
    "/loans/",
    "/history/borrows/",
    "/history/repays/",
    "/history/statement/",
    "/history/",
    "/files/",
    "/files/new/?form=xlsx&kind=borrow",
    "/instructions/",
    "/borrow/",
    "/repay/",
    "/keys/",
    "/keys/add/",
    "/alerts/",
    "/team/",
    "/audit/",
    "/status/",
    "/settings/",
    "/rates/",
    "/rates/?by=currency",
    "/rates/?currency=USDT&amount=1e5",
    "/rates/?q=nothing",
    "/rates/?venue=bitmart",
    "/rates/BTC_USDT/?span=30d",
    "/accounts/password/change/",
    "/accounts/sessions/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/logout/",
    "/nowhere/",
)


@pytest.fixture
def trader(owner: User) -> User:
    """The owner, with keys on both venues, rates that moved, and a debt."""
    now = timezone.now()
    desk = make_account(owner=owner)
    make_account(owner=owner, venue=Venue.BITMART, label="Main")
    for symbol in SYMBOLS:
        make_pair(symbol, venue=Venue.BITMART)
        market = make_pair(symbol, price="64000.5", enabled=symbol != "DOGE_USDT")
        make_account_terms(account=desk, market=market, borrowable="99999999999.12345678")
    margin = make_margin_account(account=desk, market=market, as_of=now)
    make_margin_side(margin_account=margin, borrow_unpaid="20", interest_unpaid="0.00045833")
    make_borrow(account=desk, symbol="BTC_USDT", at=now - timedelta(days=2))
    return owner


def make_pair(symbol: str, **fields: object):
    """A pair with both sides, read a minute and a half ago; one of its rates is not plausible."""
    market, now = make_market(symbol=symbol, **fields), timezone.now()
    for side, rate in ((Side.BASE, "0.05"), (Side.QUOTE, "0.00055")):
        make_terms(market=market, side=side, daily_rate=rate, as_of=now - timedelta(seconds=90))
        for days, share in ((20, "0.8"), (5, "1.1"), (0, "1")):
            make_rate_change(
                market=market,
                side=side,
                at=now - timedelta(days=days),
                daily_rate=str(Decimal(rate) * Decimal(share)),
            )
    return market


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def scrolls_sideways(page: Page) -> bool:
    page.wait_for_load_state()  # a document that has only begun has no root yet
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1024, "dark"), (390, "dark")])
def test_every_page_is_accessible_and_fits(
    open_page: OpenPage, trader: User, width: int, theme: str
) -> None:
    page = open_page("/rates/", person=trader, width=width, color_scheme=theme)

    found = {}
    for address in PAGES:
        page.goto(address)
        found[address] = violations(page) + ["scrolls sideways"] * scrolls_sideways(page)

    assert {address: faults for address, faults in found.items() if faults} == {}


def test_a_session_takes_two_lines_on_a_phone(open_page: OpenPage, owner: User) -> None:
    odd = "Odd/1.0 " * 20
    page = open_page("/settings/", person=owner, width=390, user_agent=odd)

    page.goto("/accounts/sessions/")

    row, chip = page.locator("tbody tr").bounding_box(), page.get_by_text("this one").bounding_box()
    assert row["height"] < 70
    assert chip["x"] + chip["width"] < 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(open_page: OpenPage, db: None, theme: str) -> None:
    page = open_page("/accounts/login/", color_scheme=theme)

    page.fill("#id_login", "nobody")
    page.fill("#id_password", "wrong password")
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("alert").first).to_be_visible()
    assert violations(page) == []


def test_the_theme_is_remembered(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/", person=trader)
    switch = page.locator("[data-theme-switch]")

    switch.click()
    switch.click()
    page.goto("/rates/BTC_USDT/")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 15, 20)"


def test_the_keyboard_searches_walks_and_opens(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/?venue=paper", person=trader)

    page.keyboard.press("/")
    page.keyboard.type("btc")
    expect(page.locator("#rate-rows tr[id]")).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="BTC_USDT")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/rates/")


def test_the_row_that_is_walked_to_stands_above_the_bottom_bar(
    open_page: OpenPage, trader: User
) -> None:
    page = open_page("/rates/?venue=paper", person=trader, width=390)

    for _ in range(12):
        page.keyboard.press("j")

    row, bar = (page.locator(one).bounding_box() for one in ("tr.selected", ".bottombar"))
    assert row["y"] + row["height"] <= bar["y"]
    assert page.evaluate("scrollY") > 0


@pytest.mark.parametrize(
    ("address", "name"),
    [("/history/statement/", "More"), ("/files/", "More"), ("/loans/", "Loans")],
)
def test_the_bottom_bar_marks_where_one_is_behind_more_as_well(
    open_page: OpenPage, trader: User, address: str, name: str
) -> None:
    page = open_page(address, person=trader, width=390)

    marked = page.locator(".bottombar > a[aria-current], .bottombar summary[aria-current]")

    expect(marked).to_have_count(1)
    expect(marked).to_contain_text(name)
    expect(marked).to_have_css("font-weight", "600")


def test_a_click_beside_the_link_of_a_row_opens_it(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/?venue=paper&q=btc", person=trader)
    row = page.locator("#rate-rows tr[id]").first
    address = row.locator("th a").get_attribute("href")

    row.locator("td.n").first.click()

    page.wait_for_url(f"**{address}")


def test_the_help_opens_and_closes(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/", person=trader)

    page.keyboard.press("?")
    expect(page.locator("#keyboard-help")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")

    expect(page.locator("#keyboard-help")).to_be_hidden()


def test_filters_change_the_table_and_the_address_in_place(
    open_page: OpenPage, trader: User
) -> None:
    page = open_page("/rates/?venue=paper", person=trader)
    page.evaluate("window.stayed = true")

    page.select_option("#id_currency", "ETH")
    expect(page.locator("#rate-rows tr[id]")).to_have_count(1)

    assert page.url.endswith("/rates/?venue=paper&currency=ETH&amount=1000&hours=24")
    assert page.evaluate("window.stayed")


def test_sorting_keeps_the_focus_where_it_was(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/?venue=paper", person=trader)

    page.locator("#sort-daily").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=ascending] #sort-daily")).to_be_visible()

    assert page.evaluate("document.activeElement.id") == "sort-daily"
    assert "sort=daily" in page.url


def test_more_rows_come_when_the_end_is_reached(open_page: OpenPage, owner: User) -> None:
    for number in range(60):
        make_terms(market=make_market(symbol=f"C{number:02d}_USDT"))
    page = open_page("/rates/", person=owner)
    expect(page.locator("#rate-rows tr[id]")).to_have_count(50)

    page.locator("#more-rates").scroll_into_view_if_needed()

    expect(page.locator("#rate-rows tr[id]")).to_have_count(60)


def test_without_script_everything_still_works(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/?venue=paper", person=trader, java_script_enabled=False)

    page.get_by_role("link", name="Daily").click()
    page.fill("#id_q", "eth")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="ETH_USDT").first.click()

    expect(page.get_by_role("heading", name="ETH_USDT")).to_be_visible()
    expect(page.locator("#rate-chart svg").first).to_be_visible()


def test_ages_tick_and_turn_amber(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/BTC_USDT/?venue=paper", person=trader)
    chip = page.locator("section.card time.age").first
    expect(chip).to_have_text("1 min")

    page.clock.install(time=timezone.now())
    page.reload()
    page.clock.run_for(60_000)

    expect(chip).to_have_text("2 min")
    expect(chip).to_have_class("chip age age-late")


def test_the_chart_is_drawn_and_redrawn_in_the_other_theme(
    open_page: OpenPage, trader: User
) -> None:
    page = open_page("/rates/BTC_USDT/?venue=paper", person=trader)
    expect(page.locator("#rate-chart canvas")).to_be_visible()

    page.locator("[data-theme-switch]").click()

    expect(page.locator("#rate-chart canvas")).to_have_count(1)
    expect(page.locator("#chart-readout")).to_contain_text("USDT (quote) 0.055 %")


def test_an_amount_button_fills_in_the_exact_text(open_page: OpenPage, trader: User) -> None:
    page = open_page("/rates/?venue=paper", person=trader)
    page.evaluate(BUTTON)

    page.get_by_role("button", name="Max").click()

    expect(page.locator("#id_amount")).to_have_value("99999999999.12345678")


def test_a_lost_line_is_said_calmly_and_the_page_stays(open_page: OpenPage, trader: User) -> None:
    said = "Response Status Error Code 500"
    page = open_page("/rates/?venue=paper", person=trader, meant=said)
    page.route("**/rates/**", lambda route: route.fulfill(status=500, body="broken"))

    page.select_option("#id_currency", "ETH")

    expect(page.locator("#offline")).to_contain_text("The server could not do this")
    expect(page.locator("#rate-rows tr[id]")).to_have_count(8)
