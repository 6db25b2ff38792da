"""Which streams are due, and walking them without letting one pair stop the others."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection

from loans.bitmart.errors import Maintenance, Refused
from loans.models import Account, Coverage, Kind, State
from loans.services import streams
from loans.services.certificates import certify
from loans.services.feeds import FeedTrouble
from loans.services.records import Learned
from loans.services.rereading import MISSING
from loans.services.windows import EARLIEST, NOT_SERVED
from tests.factories import (
    NOW,
    make_account,
    make_borrow,
    make_coverage,
    make_gap,
    make_instruction,
    make_margin_account,
    make_margin_side,
    make_market,
    make_repay,
)
from tests.services.canned import BORROWS, REPAYS, Canned, canned_venue, loan

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
V = timedelta(seconds=120)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(owner: User) -> Account:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        make_market(symbol=symbol)
    return make_account(owner=owner)


def symbols(due: list[Coverage]) -> set[str]:
    return {coverage.symbol for coverage in due}


def read_at(account: Account, symbol: str, at, **fields: object) -> None:
    """Both streams of a pair, last read then."""
    for kind in Kind.values:
        make_coverage(account=account, symbol=symbol, kind=kind, checked_at=at, **fields)


def test_a_pair_with_a_debt_is_busy(account: Account) -> None:
    market = make_market(symbol="D_USDT")
    debtor = make_margin_account(account=account, market=market)
    make_margin_side(margin_account=debtor, side="quote", currency="USDT", borrow_unpaid="1")

    assert streams.busy_symbols(account=account, now=NOW) == {"D_USDT"}


def test_a_pair_with_an_open_instruction_is_busy_for_as_long_as_it_is(
    account: Account, owner: User
) -> None:
    long_ago = NOW - 9 * DAY
    make_instruction(
        account=account,
        requested_by=owner,
        symbol="A_USDT",
        state=State.UNKNOWN,
        created_at=long_ago,
    )
    make_instruction(
        account=account,
        requested_by=owner,
        symbol="B_USDT",
        state=State.REJECTED,
        created_at=long_ago,
    )

    assert streams.busy_symbols(account=account, now=NOW) == {"A_USDT"}


def test_a_pair_where_something_happened_within_a_day_is_busy(account: Account) -> None:
    make_borrow(account=account, symbol="A_USDT", at=NOW - DAY / 2)
    make_borrow(account=account, symbol="B_USDT", principal="20", at=NOW - 2 * DAY)
    make_repay(account=account, symbol="B_USDT", principal="20", at=NOW - 2 * DAY)

    assert streams.busy_symbols(account=account, now=NOW) == {"A_USDT"}


def test_busy_pairs_are_due_each_minute(account: Account) -> None:
    make_borrow(account=account, symbol="A_USDT", at=NOW)
    read_at(account, "A_USDT", NOW - timedelta(seconds=20))

    assert streams.due_often(account=account, now=NOW) == []
    due = streams.due_often(account=account, now=NOW + timedelta(minutes=1))
    assert {(row.symbol, row.kind) for row in due} == {("A_USDT", "borrow"), ("A_USDT", "repay")}


def test_everything_is_due_at_once_for_a_new_key(account: Account) -> None:
    assert symbols(streams.due_seldom(account=account, now=NOW)) == {"A_USDT", "B_USDT", "C_USDT"}


def test_enabled_pairs_are_due_daily_the_longest_unread_first(account: Account) -> None:
    read_at(account, "A_USDT", NOW - DAY / 2)
    read_at(account, "B_USDT", NOW - 2 * DAY)
    read_at(account, "C_USDT", NOW - 3 * DAY)

    due = streams.due_seldom(account=account, now=NOW)

    assert [row.symbol for row in due] == ["C_USDT", "C_USDT", "B_USDT", "B_USDT"]


def test_disabled_pairs_are_due_weekly_with_a_history_or_without(account: Account) -> None:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        read_at(account, symbol, NOW)
    for symbol, days, has_rows in (("X_USDT", 8, True), ("Y_USDT", 6, True), ("Z_USDT", 8, False)):
        make_market(symbol=symbol, enabled=False)
        read_at(account, symbol, NOW - days * DAY, has_rows=has_rows)

    assert symbols(streams.due_seldom(account=account, now=NOW)) == {"X_USDT", "Z_USDT"}


def test_a_disabled_pair_that_was_never_read_is_due_after_the_enabled_ones(
    account: Account,
) -> None:
    """It may have been disabled, or listed as such, before or after the key was connected."""
    streams.foresee(account=account)
    make_market(symbol="0_USDT", enabled=False)
    before = certify([account])

    streams.foresee(account=account)

    due = streams.due_seldom(account=account, now=NOW)
    assert [row.symbol for row in due[-2:]] == ["0_USDT", "0_USDT"]
    assert (before.streams, certify([account]).streams, len(due)) == (6, 8, 8)


def test_a_history_that_is_still_loading_is_due(account: Account) -> None:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        read_at(account, symbol, NOW)
    loading = {"has_rows": True, "complete_from": NOW - 9 * DAY}
    Coverage.objects.filter(symbol="A_USDT", kind="borrow").update(**loading)
    Coverage.objects.filter(symbol="B_USDT", kind="borrow").update(**loading)
    make_gap(
        coverage=Coverage.objects.get(symbol="B_USDT", kind="borrow"),
        starts_at=EARLIEST,
        ends_at=NOW - 9 * DAY,
        reason=NOT_SERVED,
    )

    due = streams.due_seldom(account=account, now=NOW)

    assert [(row.symbol, row.kind) for row in due] == [("A_USDT", "borrow")]


def test_what_was_never_asked_for_counts_as_unproven(account: Account) -> None:
    streams.foresee(account=account)
    streams.foresee(account=account)

    certificate = certify([account])

    assert (certificate.streams, certificate.unproven) == (6, 6)
    assert not certificate.is_whole


def walk(venue: Canned, due: list[Coverage], *, is_over: bool = False) -> streams.Walk:
    with venue.client() as client:
        return streams.walk(
            due, client=client, now=NOW, visibility=V, is_over=lambda: is_over, most_windows=0
        )


def test_a_walk_reads_every_stream_and_keeps_what_is_proven(account: Account) -> None:
    with canned_venue() as venue:
        venue.say(BORROWS, {"records": []})
        venue.say(REPAYS, {"records": []})
        done = walk(venue, streams.due_seldom(account=account, now=NOW))

    assert (done.read, done.left, done.failed) == (6, 0, {})
    assert Coverage.objects.filter(complete_to__isnull=False, checked_at=NOW).count() == 6


def test_a_walk_ends_in_time_and_says_what_is_left(account: Account) -> None:
    with canned_venue() as venue:
        done = walk(venue, streams.due_seldom(account=account, now=NOW), is_over=True)

    assert (done.read, done.left, venue.asked) == (0, 6, [])


def test_a_kind_that_the_exchange_refuses_does_not_stop_the_other(account: Account) -> None:
    with canned_venue() as venue:
        venue.say(BORROWS, {}, code=50001, status=400)
        venue.say(REPAYS, {"records": []})
        done = walk(venue, streams.due_seldom(account=account, now=NOW))

    assert (done.read, sorted(done.failed)) == (3, ["A_USDT", "B_USDT", "C_USDT"])
    with pytest.raises(FeedTrouble, match="A_USDT, B_USDT, C_USDT"):
        done.must_be_whole()
    refused = {"kind": "borrow", "complete_to": None, "checked_at": None, "asked_at": NOW}
    assert Coverage.objects.filter(**refused).count() == 3


def refuse(*due: Coverage, code: int = 50001) -> None:
    """One walk over lists that the exchange refuses."""
    with canned_venue() as venue:
        venue.say(BORROWS, {}, code=code, status=400)
        walk(venue, list(due))


def due_at(account: Account, at: datetime) -> set[str]:
    return symbols(streams.due_seldom(account=account, now=at))


def test_a_list_that_is_refused_keeps_its_age_and_is_asked_for_again_the_next_day(
    account: Account,
) -> None:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        read_at(account, symbol, NOW)
    old = NOW - 21 * DAY
    Coverage.objects.filter(symbol="A_USDT").update(checked_at=old, asked_at=old)

    refuse(Coverage.objects.get(symbol="A_USDT", kind="borrow"))
    Coverage.objects.filter(symbol="A_USDT", kind="repay").update(asked_at=NOW)

    assert Coverage.objects.get(symbol="A_USDT", kind="borrow").checked_at == old
    assert certify([account]).checked_at == old
    assert due_at(account, NOW + DAY / 2) == set()
    assert "A_USDT" in due_at(account, NOW + DAY + MINUTE)


def test_a_failure_that_may_pass_is_tried_again_soon_and_each_time_later(account: Account) -> None:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        read_at(account, symbol, NOW)
    coverage = Coverage.objects.get(symbol="A_USDT", kind="borrow")
    pauses = []

    for _ in range(streams.GIVEN_UP + 1):
        refuse(coverage, code=59001)
        minutes = next(n for n in range(1, 1500) if due_at(account, NOW + (n + 1) * MINUTE))
        pauses.append(minutes)

    assert pauses == [2, 4, 8, 16, 32, 24 * 60, 24 * 60]
    walk_with([coverage], lambda *_, **__: Learned())  # an audit is no reading of it
    assert coverage.failures == streams.GIVEN_UP
    with canned_venue() as venue:
        venue.say(BORROWS, {"records": []})
        coverage.has_rows = False
        walk(venue, [coverage])
    assert (coverage.failures, coverage.checked_at) == (0, NOW)


def test_pairs_that_are_refused_do_not_end_a_walk_by_being_many(account: Account) -> None:
    symbols_ = [f"P{n}_USDT" for n in range(9)]
    due = [make_coverage(account=account, symbol=symbol) for symbol in symbols_]

    refuse(*due)

    assert Coverage.objects.filter(failures=streams.GIVEN_UP).count() == len(due)


def test_a_list_that_cannot_be_read_keeps_no_audit_waiting(account: Account) -> None:
    waiting = {"whole_audit_due_at": NOW}
    make_coverage(account=account, symbol="P_USDT", failures=1, **waiting)
    audited = make_coverage(account=account, symbol="A_USDT", **waiting)

    assert streams.due_for_audit(account=account, now=NOW) == [audited]


def test_lists_that_failed_do_not_end_a_walk_by_being_many(account: Account) -> None:
    known = [f"P{n}_USDT" for n in range(9)]
    for symbol in known:
        make_market(symbol=symbol)
        read_at(account, symbol, NOW - 2 * DAY, failures=streams.GIVEN_UP)
        make_borrow(account=account, symbol=symbol, at=NOW)

    often = streams.due_often(account=account, now=NOW)
    seldom = streams.due_seldom(account=account, now=NOW)

    assert len(symbols(often)) <= streams.MOST_FAILURES
    assert symbols(seldom) >= {"A_USDT", "B_USDT", "C_USDT"}
    assert len(symbols(seldom) & set(known)) <= streams.MOST_FAILURES


def test_a_history_that_cannot_be_loaded_is_not_asked_for_all_the_time(account: Account) -> None:
    for symbol in ("A_USDT", "B_USDT", "C_USDT"):
        read_at(account, symbol, NOW)
    loading = {"has_rows": True, "complete_from": NOW - 9 * DAY, "failures": 1}
    Coverage.objects.filter(symbol="A_USDT", kind="borrow").update(**loading)

    assert due_at(account, NOW + MINUTE) == set()
    assert due_at(account, NOW + 3 * MINUTE) == {"A_USDT"}


def test_a_key_that_the_exchange_refuses_ends_the_walk(account: Account) -> None:
    with canned_venue() as venue:
        venue.say(BORROWS, {}, code=30002, status=401)
        with pytest.raises(Refused):
            walk(venue, streams.due_seldom(account=account, now=NOW))

    assert len(venue.asked) == 1


def test_what_was_proven_before_the_exchange_went_away_is_kept(account: Account) -> None:
    turns = []
    with canned_venue() as venue, venue.client() as client:
        venue.say(BORROWS, {"records": []})
        venue.say(REPAYS, {"records": []})

        def is_over() -> bool:
            turns.append(1)
            if len(turns) == 4:
                venue.say(REPAYS, {}, code=30014, status=503)
            return False

        due = streams.due_seldom(account=account, now=NOW)
        with pytest.raises(Maintenance):
            streams.walk(due, client=client, now=NOW, visibility=V, is_over=is_over)

    assert Coverage.objects.filter(complete_to__isnull=False).count() == 3


def test_money_is_moving_while_an_instruction_is_claimed_or_sending(
    account: Account, owner: User
) -> None:
    make_instruction(account=account, requested_by=owner, state=State.UNKNOWN)
    assert not streams.is_money_moving(account=account)

    make_instruction(account=account, requested_by=owner, state=State.SENDING, symbol="A_USDT")
    assert streams.is_money_moving(account=account)


def test_a_walk_says_that_more_is_left_of_a_stream_that_is_not_loaded_to_its_start(
    account: Account,
) -> None:
    row = loan(create_time=int(NOW.timestamp() * 1000))
    with canned_venue() as venue:
        venue.say(BORROWS, {"records": [row | {"symbol": "A_USDT"}]})
        loading = make_coverage(account=account, symbol="A_USDT", complete_from=NOW - 9 * DAY)
        broken = make_coverage(
            account=account, symbol="B_USDT", complete_from=NOW - 9 * DAY, trusted=False
        )
        # It answers the same whatever is asked for, so the window of the second is not believed.
        done = walk(venue, [loading]), walk(venue, [broken])

    assert [one.left for one in done] == [1, 0]
    assert not broken.trusted


def step_during_which(deed: Callable[[Coverage], object]) -> Callable[..., Learned]:
    """A reading that finds nothing, while another reader of the stream does something."""

    def step(coverage: Coverage, **_: object) -> Learned:
        deed(coverage)
        coverage.checked_at = NOW
        return Learned()

    return step


def walk_with(coverages: list[Coverage], step: Callable[..., Learned]) -> None:
    with canned_venue() as venue, venue.client() as client:
        options = {"now": NOW, "visibility": V, "is_over": lambda: False, "step": step}
        streams.walk(coverages, client=client, **options)


def test_what_another_reader_found_against_a_stream_stays(account: Account) -> None:
    coverage = make_coverage(account=account, checked_at=NOW - DAY, whole_audit_due_at=NOW + DAY)
    against = {"trusted": False, "doubt": MISSING, "late_records": 2, "whole_audit_due_at": NOW}

    walk_with([coverage], step_during_which(lambda _: Coverage.objects.update(**against)))

    found = Coverage.objects.get()
    assert {name: getattr(found, name) for name in against} == against
    assert found.checked_at == NOW


def test_a_doubt_that_was_known_can_be_lifted(account: Account) -> None:
    coverage = make_coverage(account=account, trusted=False, doubt=MISSING)

    def lift(row: Coverage) -> None:
        row.trusted, row.doubt = True, ""

    walk_with([coverage], step_during_which(lift))

    found = Coverage.objects.get()
    assert (found.trusted, found.doubt) == (True, "")


def test_a_doubt_is_written_before_the_next_stream_is_read(account: Account) -> None:
    """An instruction may be judged while the walk goes on."""
    doubted = make_coverage(account=account, symbol="A_USDT")
    other = make_coverage(account=account, symbol="B_USDT")
    seen = []

    def find(row: Coverage) -> None:
        if row.symbol == "A_USDT":
            row.trusted, row.doubt = False, MISSING
        else:
            seen.append(Coverage.objects.get(symbol="A_USDT").doubt)

    walk_with([doubted, other], step_during_which(find))

    assert seen == [MISSING]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts nothing")
def test_tables_that_were_never_counted_are_once_records_are_in_them(account: Account) -> None:
    """A statement would take minutes while the first history is loaded."""
    with canned_venue() as venue:
        venue.say(BORROWS, {"records": [loan(symbol="A_USDT")]})
        walk(venue, [make_coverage(account=account, symbol="A_USDT", has_rows=False)])

    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'loans_observation'::regclass")
        assert cursor.fetchone()[0] >= 0
