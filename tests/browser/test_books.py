"""Statement, loans and a loan in a browser: whole at every width with the longest figures, good for
screen readers, usable without script, and one clean page on paper.
"""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from loans.models import Account, BorrowRecord, Kind
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONGEST = "99999999999.12345678"
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
SECONDS = timedelta(seconds=8)
# What of the cells of debts meets another cell's, or stands outside the box that scrolls.
COVERED = """() => {
  const box = document.querySelector(".debts-scroll").getBoundingClientRect();
  const meet = (a, b) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return [...document.querySelectorAll(".debts tbody tr")].flatMap((row) => {
    const all = [...row.cells].filter((cell) => cell.checkVisibility());
    const held = all.map((cell) => cell.firstElementChild.getBoundingClientRect());
    return all.filter((_, at) =>
      held[at].left < box.left || held[at].right > box.right ||
      held.some((other, where) => where !== at && meet(held[at], other))
    ).map((cell) => cell.innerText);
  });
}"""


@pytest.fixture
def desk(owner: User) -> Account:
    return factories.make_account(owner=owner, label="A desk with quite a long name of its own")


@pytest.fixture
def loan(desk: Account) -> BorrowRecord:
    """The longest figures, a gap, an unknown principal, and a debt that does not agree."""
    now = timezone.now()
    market = factories.make_market(symbol="1000SATS_USDT", price="64000.5")
    factories.make_terms(market=market, side="base", as_of=now)
    margin = factories.make_margin_account(account=desk, market=market, as_of=now)
    factories.make_margin_side(
        margin_account=margin, side="base", borrow_unpaid=LONGEST, interest_unpaid=LONGEST
    )
    slot = {"symbol": "1000SATS_USDT", "currency": "1000SATS"}
    earlier = now.replace(day=1) - timedelta(days=3)
    for kind in Kind:
        coverage = factories.make_coverage(account=desk, symbol="1000SATS_USDT", kind=kind)
    factories.make_gap(coverage=coverage, starts_at=earlier, ends_at=earlier + SECONDS)
    factories.make_borrow(
        account=desk, principal=None, interest=None, at=earlier, first_seen_at=now, **slot
    )
    loan = factories.make_borrow(
        account=desk, principal=LONGEST, interest=LONGEST, at=earlier, story_changed=True, **slot
    )
    factories.tell(loan, LONGEST, at=earlier + SECONDS)
    factories.tell(loan, "0", at=now, principal="0")
    return loan


def faults(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG).response["violations"]
    said = [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return said + ["scrolls sideways"] * wide


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1024, "dark"), (390, "light")])
def test_the_longest_figures_fit(
    open_page: OpenPage, owner: User, loan: BorrowRecord, width: int, theme: str
) -> None:
    page = open_page("/loans/", person=owner, width=width, color_scheme=theme)

    found = {"/loans/": faults(page)}
    month = timezone.now().strftime("%Y-%m")
    for address in (
        f"/loans/{loan.uuid}/?until=3650",
        f"/loans/{loan.uuid}/?until=never",
        "/history/statement/",
        f"/history/statement/?month={month}",
        "/history/statement/?month=never",
    ):
        page.goto(address)
        found[address] = faults(page)

    assert {address: said for address, said in found.items() if said} == {}


def test_a_statement_is_chosen_without_script(
    open_page: OpenPage, owner: User, loan: BorrowRecord
) -> None:
    page = open_page("/history/statement/", person=owner, java_script_enabled=False)

    page.get_by_label("Month").select_option(timezone.now().strftime("%Y-%m"))
    page.get_by_role("button", name="Show").click()

    expect(page.get_by_text("The month is still running")).to_be_visible()


def test_paper_shows_the_statement_alone(
    open_page: OpenPage, owner: User, loan: BorrowRecord
) -> None:
    page = open_page("/history/statement/", person=owner, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 1000})

    for name in ("navigation", "banner", "button"):
        expect(page.get_by_role(name)).to_have_count(0)
    expect(page.get_by_role("region", name="Summary")).to_be_visible()
    style = page.evaluate("getComputedStyle(document.body)")
    assert style["backgroundColor"] == "rgb(255, 255, 255)"
    assert style["color"] == "rgb(0, 0, 0)"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_forecast_is_asked_for_on_the_page_of_the_loan(
    open_page: OpenPage, owner: User, loan: BorrowRecord
) -> None:
    page = open_page(f"/loans/{loan.uuid}/", person=owner)

    page.get_by_label("Until a date").fill("30")
    page.get_by_role("button", name="Forecast").click()

    expect(page.get_by_text("hours start until then")).to_be_visible()
    assert page.url.endswith("?until=30#forecast")


@pytest.mark.parametrize("width", [1440, 1024, 721])
def test_the_heads_of_a_statement_stay_below_the_frame_and_its_figures_whole(
    open_page: OpenPage, owner: User, desk: Account, loan: BorrowRecord, width: int
) -> None:
    page = open_page("/history/statement/", person=owner, width=width)
    page.set_viewport_size({"width": width, "height": 400})
    cut = page.locator(".statement .table-scroll").evaluate_all(
        "all => all.filter(box => box.scrollWidth > box.clientWidth).length"
    )

    page.get_by_text("Total 1000SATS").evaluate("line => line.scrollIntoView({block: 'center'})")

    assert cut == 0
    head = page.locator(".statement-table thead th").nth(1).bounding_box()
    band = page.locator(".band").bounding_box()
    assert head
    assert band
    assert head["y"] == pytest.approx(band["y"] + band["height"], abs=1)


def test_a_phone_names_every_figure_of_a_statement_and_rules_off_each_debt(
    open_page: OpenPage, owner: User, desk: Account, loan: BorrowRecord
) -> None:
    factories.make_borrow(account=desk, at=loan.at, principal="20")
    page = open_page("/history/statement/", person=owner, width=390)
    words = ["opening", "+ borrowed", "− repaid", "closing"]
    names = """
        line => [...line.querySelectorAll("td.n")].map(cell =>
            getComputedStyle(cell, "::before").content.replaceAll('"', ""))
    """
    lines = page.locator(".statement-table tbody:first-of-type tr:has(td.n)")
    groups = page.locator(".statement-table tr.group")

    assert lines.nth(0).evaluate(names) == words
    assert lines.nth(1).evaluate(names) == [words[0], "+ charged", *words[2:]]
    ruled = "all => all.map(one => getComputedStyle(one).borderTopWidth)"
    assert groups.evaluate_all(ruled) == ["0px", "1px", "2px", "2px"]
    assert groups.locator("th").evaluate_all(ruled) == ["0px"] * 4


def test_paper_tells_instants_for_ages(
    open_page: OpenPage, owner: User, desk: Account, loan: BorrowRecord
) -> None:
    month = timezone.now().strftime("%Y-%m")
    page = open_page(f"/history/statement/?month={month}", person=owner)
    page.emulate_media(media="print")

    ages = page.locator(".statement time.age")
    shown = ages.evaluate_all(
        "all => all.map(age => [getComputedStyle(age).fontSize, age.getAttribute('title'),"
        " getComputedStyle(age, '::after').content])"
    )

    assert shown
    for size, title, content in shown:
        assert size == "0px"
        assert title.startswith(content.strip('"'))
    foot = page.locator(".statement-foot a")
    printed = foot.evaluate("link => getComputedStyle(link, '::after').content")
    assert printed == f'" at {foot.evaluate("link => link.href")}"'


def test_paper_tells_where_the_lists_of_a_large_month_are(
    open_page: OpenPage,
    owner: User,
    desk: Account,
    loan: BorrowRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loans.services.stating.MOST_MOVEMENTS", 0)
    page = open_page("/history/statement/", person=owner)
    page.emulate_media(media="print")

    for words in ("Borrows of this month", "Repayments of this month"):
        link = page.get_by_role("link", name=words)
        printed = link.evaluate("link => getComputedStyle(link, '::after').content")
        assert printed == f'" at {link.evaluate("link => link.href")}"'
    closing, adds_up = page.locator(".statement-table tbody td").all()[3:5]
    figure = closing.locator(".num").bounding_box()
    assert adds_up.locator("span").bounding_box()["x"] >= figure["x"] + figure["width"] + 12


@pytest.mark.parametrize("width", [721, 1024, 1180, 1280, 1440, 1600])
def test_nothing_of_a_debt_is_behind_its_buttons_or_outside_its_table(
    open_page: OpenPage, owner: User, width: int
) -> None:
    now = timezone.now()
    market = factories.make_market(price="64000.5")
    factories.make_terms(market=market, as_of=now)
    for label in ("Another desk", "A desk of sixty characters: " + "x" * 32):
        desk = factories.make_account(owner=owner, label=label)
        margin = factories.make_margin_account(account=desk, market=market, as_of=now)
        factories.make_margin_side(margin_account=margin, borrow_unpaid="20")
        factories.make_borrow(account=desk, principal="80410", at=now - timedelta(days=2))
    page = open_page("/loans/", person=owner, width=width)

    expect(page.get_by_text("−80,390.00000000")).to_have_count(2)
    assert page.evaluate(COVERED) == []


def test_the_ways_on_from_a_loan_stand_side_by_side_on_a_phone(
    open_page: OpenPage, owner: User, desk: Account
) -> None:
    loan = factories.make_borrow(account=desk, principal="20", at=timezone.now() - SECONDS)
    page = open_page(f"/loans/{loan.uuid}/", person=owner, width=390)

    ways = page.locator(".page-head .button")

    assert ways.count() == 2
    first, second = (way.bounding_box() for way in ways.all())
    assert first
    assert second
    assert first["y"] == second["y"]
