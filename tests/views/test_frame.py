"""The frame of every page: whose accounts it goes by, what it counts, and that it is drawn anew
when that changes.
"""

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls.base import set_script_prefix
from pytest_django import Settings

from loans.models import Account, SiteState, State
from loans.templatetags import navigation
from loans.views.who import accounts_of
from tests import factories


def seen_by(person: User) -> list[Account]:
    request = RequestFactory().get("/")
    request.user = person
    return accounts_of(request)


def page_for(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.get("/history/borrows/").text


def test_everybody_sees_the_accounts_that_are_visible_to_them(
    owner: User, colleague: User, stranger: User
) -> None:
    factories.make_account(owner=None, label="market data")
    shared = factories.make_account(owner=owner, label="Shared", venue="bitmart")
    factories.make_account(owner=owner, label="A")
    factories.make_account(owner=owner, label="Gone", status=Account.Status.REMOVED)
    factories.make_account(owner=stranger, label="Other")
    factories.make_share(account=shared, person=colleague)

    for person in (owner, colleague, stranger):
        assert seen_by(person) == list(Account.objects.visible_to(person))
    assert [account.label for account in seen_by(owner)] == ["Shared", "A", "Gone"]
    assert [account.label for account in seen_by(colleague)] == ["Shared"]


def test_an_end_of_sharing_holds_at_once(owner: User, colleague: User) -> None:
    share = factories.make_share(account=factories.make_account(owner=owner), person=colleague)
    assert len(seen_by(colleague)) == 1

    share.delete()

    assert seen_by(colleague) == []


def test_what_needs_the_person_is_counted_anew(owner: User, stranger: User) -> None:
    account = factories.make_account(owner=owner)
    assert 'class="count bad"' not in page_for(owner)

    factories.make_instruction(account=account, state=State.UNKNOWN, symbol="BTC_USDT")
    factories.make_instruction(account=account, state=State.NEEDS_HUMAN, symbol="ETH_USDT")

    assert 'class="count bad">2<' in page_for(owner)
    assert 'class="count bad"' not in page_for(stranger)


@pytest.mark.parametrize("is_staff", [True, False])
def test_the_rail_marks_where_one_is_and_shows_staff_alone_the_admin(
    owner: User, is_staff: bool
) -> None:
    owner.is_staff = is_staff
    owner.save()

    page = page_for(owner)

    assert '<a href="/history/" aria-current="page"' in page
    assert '<a href="/loans/" aria-current="page"' not in page
    assert ('href="/admin/"' in page) == is_staff


def test_what_was_drawn_below_one_prefix_is_shown_below_no_other(settings: Settings) -> None:
    settings.DEBUG = False  # so that it is drawn once
    navigation._drawn.cache_clear()
    links = "loans/partials/_account_links.html"

    set_script_prefix("/below/")
    try:
        below = navigation.draw_once(links)
    finally:
        set_script_prefix("/")

    assert 'href="/below/accounts/password/change/"' in below
    assert 'href="/accounts/password/change/"' in navigation.draw_once(links)


def test_a_stop_of_the_site_shows_on_the_next_page(owner: User) -> None:
    assert 'class="stopped"' not in page_for(owner)

    SiteState.load()
    SiteState.objects.update(stopped=True)

    assert 'class="stopped"' in page_for(owner)


def test_a_site_without_its_row_gets_it(owner: User) -> None:
    SiteState.objects.all().delete()

    assert "marginsite" in page_for(owner)
    assert SiteState.objects.count() == 1
