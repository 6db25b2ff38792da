"""Prices and rates: reproducible, believable, and not in a hurry."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise

from loans.paper.catalogue import CURRENCIES, PAIRS
from loans.paper.market import DAY_MS, HOUR_MS, USUAL_DAILY_RATE, Market

NOW_MS = 1_795_334_000_000


def sides() -> list[tuple[str, str]]:
    return [(symbol, code) for symbol, pair in PAIRS.items() for code in (pair.base, pair.quote)]


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    def story(seed: int) -> list[object]:
        market = Market(seed)
        at = range(NOW_MS - 30 * DAY_MS, NOW_MS, 7 * HOUR_MS)
        rates = [market.daily_rate("SOL_USDT", "SOL", moment) for moment in at]
        return rates + [market.price("SOL_USDT", moment) for moment in at]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_most_rates_are_the_live_one_and_all_are_in_the_live_range() -> None:
    market = Market(20260726)

    rates = Counter(market.daily_rate(*side, NOW_MS) for side in sides())

    assert rates[USUAL_DAILY_RATE] > sum(rates.values()) / 2
    assert len(rates) > 5
    assert all(Decimal("0.0002") <= rate <= Decimal("0.003") for rate in rates)


def test_rates_move_within_a_day_and_stand_for_hours() -> None:
    market = Market(20260726)
    hours = range(NOW_MS - 7 * DAY_MS, NOW_MS, HOUR_MS)

    changes = {
        side: sum(a != b for a, b in pairwise(market.daily_rate(*side, at) for at in hours))
        for side in sides()
    }

    assert sum(changes.values()) > 7 * 30
    assert max(changes.values()) < 7 * 12
    assert changes["BTC_USDT", "USDT"] == 0


def test_prices_move_every_minute_but_stay_near_their_usual_level() -> None:
    market = Market(7)

    for code, currency in CURRENCIES.items():
        prices = [market.value(code, NOW_MS - day * DAY_MS) for day in range(0, 360, 9)]
        assert all(abs(price / currency.usual_price - 1) < Decimal("0.2") for price in prices)
    minute = [market.price("BTC_USDT", NOW_MS + step * 60_000) for step in range(10)]
    assert len(set(minute)) == 10
    assert all(abs(b / a - 1) < Decimal("0.01") for a, b in pairwise(minute))


def test_a_cross_pair_agrees_with_the_prices_of_its_coins() -> None:
    market = Market(7)

    cross = market.price("ETH_BTC", NOW_MS)

    direct = market.price("ETH_USDT", NOW_MS) / market.price("BTC_USDT", NOW_MS)
    assert abs(cross - direct) < Decimal("1e-20")


def test_about_sixty_pairs_with_a_few_disabled_and_other_quotes() -> None:
    assert 55 <= len(PAIRS) <= 70
    assert "1000SATS_USDT" in PAIRS
    assert {pair.quote for pair in PAIRS.values()} == {"USDT", "USDC", "BTC", "ETH"}
    assert 2 <= sum(not pair.enabled for pair in PAIRS.values()) <= 6
