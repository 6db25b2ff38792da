"""Nothing that a browser can send makes a page fail: every such answer is one of ours."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.factories import make_account, make_instruction, make_market, make_share, make_terms
from tests.views.people import sign_in

pytestmark = pytest.mark.django_db

PAGES = (
    *(
        "/",
        "/rates/",
        "/rates.csv",
        "/rates/BTC_USDT/",
        "/loans/",
        "/history/",
        "/history/borrows/",
    ),
    *("/history/repays/", "/history/borrows.csv", "/history/repays.csv", "/keys/", "/keys/add/"),
    *("/team/", "/audit/", "/alerts/", "/status/", "/settings/", "/borrow/", "/repay/"),
    *("/instructions/", "/accounts/login/", "/admin/login/", "/files/", "/files/new/"),
    *("/history/borrows.xlsx", "/history/borrows.json", "/history/repays.cointracking-paid"),
)
NAMES = (
    *(
        "q",
        "account",
        "symbol",
        "currency",
        "from",
        "to",
        "sort",
        "after",
        "amount",
        "side",
        "view",
    ),
    *("before", "person", "action", "venue", "state", "group", "kind", "rows", "next", "enabled"),
    *("token", "label", "access_key", "secret", "memo", "time_zone", "role", "reason", "show"),
    *(
        "repay_all",
        "in_addition",
        "again",
        "max_rate",
        "range",
        "days",
        "seen",
        "page",
        "borrowable",
    ),
)
NASTY = (
    "\x00",
    "a\x00b",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "9" * 400,
    "-1e999999",
    "٣",
    "0001-01-01",
    "9999-12-31",
    "0001-01-01T00:00:00+23:00_00000000-0000-0000-0000-000000000000",
    "2026-02-30T99:99",
)
POSTS = (
    *("/keys/add/", "/team/", "/settings/", "/borrow/", "/repay/", "/borrow/confirm/"),
    *("/repay/confirm/", "/keys/all/stop/", "/accounts/login/", "/accounts/reauthenticate/"),
    *("/files/new/", "/files/archive/"),
)


@pytest.fixture
def browser() -> Client:
    """An administrator's browser: the one that may do most."""
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    account = make_account(owner=chief)
    market = make_market(price="60000")
    make_terms(market=market)
    make_instruction(account=account)
    make_share(account=account, person=User.objects.create_user("mate"))
    client = sign_in(chief)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("nasty", NASTY)
def test_no_query_makes_a_page_fail(browser: Client, nasty: str) -> None:
    query = dict.fromkeys(NAMES, nasty)
    failed = [path for path in PAGES if browser.get(path, query).status_code >= 500]

    assert failed == []


@pytest.mark.parametrize("nasty", NASTY)
def test_no_form_makes_a_page_fail(browser: Client, nasty: str) -> None:
    fields = dict.fromkeys(NAMES, nasty)
    failed = [path for path in POSTS if browser.post(path, fields).status_code >= 500]

    assert failed == []


@pytest.mark.parametrize("name", ["q", "account", "symbol", "sort", "after", "action", "group"])
def test_a_null_character_in_one_field_alone_is_refused_too(browser: Client, name: str) -> None:
    lists = ("/rates/", "/history/borrows/", "/instructions/", "/audit/", "/borrow/", "/team/")
    failed = [path for path in lists if browser.get(path, {name: "a\x00"}).status_code >= 500]

    assert failed == []


def test_a_large_body_is_refused(browser: Client) -> None:
    assert browser.post("/settings/", {"time_zone": "U" * 17_000}).status_code == 400
    upload = {"file": SimpleUploadedFile("x", b"u" * 17_000)}
    assert browser.post("/settings/", upload).status_code == 400


def test_more_fields_than_any_form_has_are_refused(browser: Client) -> None:
    allowed, refused = ({f"f{n}": "x" for n in range(count)} for count in (50, 51))

    assert browser.post("/settings/", allowed).status_code == 422
    assert browser.post("/settings/", refused).status_code == 400
    assert browser.get("/settings/", {"q": ["x"] * 51}).status_code == 400


def test_a_null_character_in_a_path_is_refused(browser: Client) -> None:
    assert browser.get("/rates/BTC%00_USDT/").status_code == 400


def test_an_administrator_may_still_give_a_group_every_right(browser: Client) -> None:
    rights = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]

    answer = browser.post("/admin/auth/group/add/", {"name": "all", "permissions": rights})

    assert len(rights) > 50
    assert answer.status_code == 302
    assert Group.objects.get(name="all").permissions.count() == len(rights)
