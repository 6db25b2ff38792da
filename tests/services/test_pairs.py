"""Pairs and terms: what changed is written, rates keep their past, strange lists are doubted."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loans.models import Account, AccountTerms, Feed, Market, RateChange, RefusedRow, Terms
from loans.services import pairs
from loans.services.feeds import Doubtful
from tests.factories import NOW, make_account
from tests.services.canned import PAIRS, Canned, canned_venue, pair

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def venue() -> Iterator[Canned]:
    with canned_venue() as canned:
        canned.say(PAIRS, {"symbols": [pair()]})
        yield canned


@pytest.fixture
def account(owner: User) -> Account:
    return make_account(owner=owner)


def refresh(venue: Canned, *rows: dict, now=NOW) -> pairs.Refreshed:
    """One refresh of the venue's terms with these rows."""
    if rows:
        venue.say(PAIRS, {"symbols": list(rows)})
    with venue.client() as client:
        listed = pairs.read_pairs(client=client, venue="paper", now=now)
    return pairs.store_terms(venue="paper", listed=listed, now=now)


def refresh_for(account: Account, venue: Canned, *rows: dict, now=NOW) -> pairs.Refreshed:
    """One refresh of what an account is told."""
    venue.say(PAIRS, {"symbols": list(rows)})
    with venue.client() as client:
        listed = pairs.read_account_pairs(client=client, account=account, now=now)
    return pairs.store_account_terms(account=account, pairs=listed, now=now)


def quote_terms() -> Terms:
    return Terms.objects.get(market__symbol="BTC_USDT", side="quote")


def test_a_first_refresh_keeps_pairs_terms_and_the_first_rates(venue: Canned) -> None:
    refresh(venue)

    market = Market.objects.get()
    assert (market.base, market.quote, market.max_leverage) == ("BTC", "USDT", 5)
    assert quote_terms().daily_rate == Decimal("0.00055")
    assert quote_terms().hourly_rate == Decimal("0.00002291")
    assert quote_terms().max_borrow == 50000
    assert RateChange.objects.count() == 2


def test_an_unchanged_refresh_only_moves_the_age(venue: Canned) -> None:
    refresh(venue)

    written = refresh(venue, now=NOW + MINUTE)

    assert written == pairs.Refreshed()
    assert quote_terms().as_of == NOW + MINUTE
    assert quote_terms().changed_at == NOW
    assert Market.objects.get().as_of == NOW + MINUTE
    assert RateChange.objects.count() == 2


def test_an_unchanged_refresh_of_many_pairs_takes_few_statements(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(60)]
    refresh(venue, *rows)

    with CaptureQueriesContext(connection) as queries:
        refresh(venue, now=NOW + MINUTE)

    writes = [q["sql"] for q in queries if q["sql"].startswith(("UPDATE", "INSERT"))]
    assert len(writes) == 2


def test_a_rate_that_moves_is_kept_with_its_time(venue: Canned) -> None:
    refresh(venue)

    refresh(venue, pair(quote={"daily_interest": "0.0006"}), now=NOW + MINUTE)

    assert quote_terms().daily_rate == Decimal("0.0006")
    assert quote_terms().changed_at == NOW + MINUTE
    change = RateChange.objects.get(at=NOW + MINUTE)
    assert (change.side, change.daily_rate) == ("quote", Decimal("0.0006"))


def test_another_limit_is_no_change_of_the_rate(venue: Canned) -> None:
    refresh(venue)

    refresh(venue, pair(quote={"max_borrow_amount": "60000"}), now=NOW + MINUTE)

    assert quote_terms().max_borrow == 60000
    assert quote_terms().changed_at == NOW
    assert RateChange.objects.count() == 2


def test_a_row_that_cannot_be_read_does_not_stop_the_others(venue: Canned) -> None:
    refresh(venue, pair("BAD_USDT", quote={"daily_interest": "NaN"}), pair())

    assert list(Market.objects.values_list("symbol", flat=True)) == ["BTC_USDT"]
    assert "daily_interest" in RefusedRow.objects.get().reason


def test_a_pair_whose_row_cannot_be_read_is_not_called_disabled(venue: Canned) -> None:
    others = [pair(f"C{n}_USDT") for n in range(5)]
    refresh(venue, pair(), *others)

    refresh(venue, pair(max_leverage=None), *others, now=NOW + MINUTE)

    assert Market.objects.get(symbol="BTC_USDT").enabled


def test_a_list_of_which_nothing_can_be_read_is_never_believed(venue: Canned) -> None:
    refresh(venue)

    for _ in range(3):
        with pytest.raises(Doubtful, match="cannot be read"):
            refresh(venue, pair(max_leverage=None), now=NOW + MINUTE)

    assert Market.objects.get().enabled


def test_a_row_that_does_not_fit_the_tables_does_not_stop_the_others(venue: Canned) -> None:
    long_name = "X" * 21
    refresh(venue, pair(f"{long_name}_USDT"), pair())

    assert list(Market.objects.values_list("symbol", flat=True)) == ["BTC_USDT"]
    assert "longer than 20" in RefusedRow.objects.get().reason


def test_a_rate_with_too_many_places_is_refused_not_rounded(venue: Canned) -> None:
    refresh(venue, pair("A_USDT", quote={"daily_interest": "0.00000000000000001"}), pair())

    assert Market.objects.filter(symbol="A_USDT").count() == 0
    assert "daily_rate" in RefusedRow.objects.get().reason


def test_a_list_that_lost_many_pairs_is_believed_only_the_second_time(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(10)]
    refresh(venue, *rows)

    with pytest.raises(Doubtful, match="listed 7 pairs where 10 were known"):
        refresh(venue, *rows[:7], now=NOW + MINUTE)
    assert Market.objects.filter(enabled=True).count() == 10
    refresh(venue, *rows[:7], now=NOW + 2 * MINUTE)

    assert Market.objects.filter(enabled=True).count() == 7
    assert Market.objects.count() == 10


def test_another_shrunken_list_is_doubted_again(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(10)]
    refresh(venue, *rows)

    for few in (rows[:5], rows[5:], rows[2:7]):
        with pytest.raises(Doubtful):
            refresh(venue, *few)


def test_an_empty_list_is_doubted(venue: Canned) -> None:
    refresh(venue)
    venue.say(PAIRS, {"symbols": []})

    with pytest.raises(Doubtful):
        refresh(venue)


def test_a_pair_listed_twice_is_doubted_and_then_kept_once(venue: Canned) -> None:
    twice = (pair(), pair(quote={"daily_interest": "0.9"}))

    with pytest.raises(Doubtful, match="BTC_USDT more than once"):
        refresh(venue, *twice)
    refresh(venue, *twice)

    assert quote_terms().daily_rate == Decimal("0.00055")
    assert "twice" in RefusedRow.objects.get().reason


def test_a_good_list_ends_a_doubt(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(10)]
    refresh(venue, *rows)
    with pytest.raises(Doubtful):
        refresh(venue, *rows[:2])

    refresh(venue, *rows)

    assert Feed.objects.get(name="pairs").doubt == ""
    with pytest.raises(Doubtful):
        refresh(venue, *rows[:2])


def test_a_pair_that_vanished_is_not_enabled_and_not_deleted(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(10)]
    refresh(venue, *rows)

    refresh(venue, *rows[1:], now=NOW + MINUTE)

    gone = Market.objects.get(symbol="C0_USDT")
    assert not gone.enabled
    assert gone.as_of == NOW
    assert gone.terms.get(side="quote").as_of == NOW


def test_a_pair_that_comes_back_is_enabled_again(venue: Canned) -> None:
    rows = [pair(f"C{number}_USDT") for number in range(10)]
    for listed in (rows, rows[1:], rows):
        refresh(venue, *listed)

    assert Market.objects.get(symbol="C0_USDT").enabled


def test_an_account_keeps_what_it_may_borrow(venue: Canned, account: Account) -> None:
    refresh(venue)

    refresh_for(account, venue, pair(quote={"borrowable_amount": "7.5"}))
    again = refresh_for(account, venue, pair(quote={"borrowable_amount": "7.5"}), now=NOW + MINUTE)

    mine = AccountTerms.objects.get(side="quote")
    assert (mine.borrowable, mine.as_of) == (Decimal("7.5"), NOW + MINUTE)
    assert again == pairs.Refreshed()


def test_two_keys_that_are_told_different_rates_are_said_to_differ(
    venue: Canned, account: Account
) -> None:
    refresh(venue)
    refresh_for(account, venue, pair(quote={"daily_interest": "0.001"}))

    refresh(venue, pair(), now=NOW + MINUTE)

    assert quote_terms().differs_by_key
    assert not Terms.objects.get(side="base").differs_by_key


def test_a_rate_that_has_just_moved_is_no_difference(venue: Canned, account: Account) -> None:
    refresh(venue)
    refresh_for(account, venue, pair())

    refresh(venue, pair(quote={"daily_interest": "0.001"}), now=NOW + MINUTE)

    assert not quote_terms().differs_by_key


def test_a_difference_that_is_long_ago_is_forgotten(venue: Canned, account: Account) -> None:
    refresh(venue)
    refresh_for(account, venue, pair(quote={"daily_interest": "0.001"}))
    refresh(venue, pair(), now=NOW + MINUTE)

    refresh(venue, pair(), now=NOW + 10 * MINUTE)

    assert not quote_terms().differs_by_key
