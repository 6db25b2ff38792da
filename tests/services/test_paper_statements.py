"""Statements of a whole history that the paper exchange made up: every month adds up, each begins
where the one before ended, and the last one ends where the exchange says that the account stands.
"""

from datetime import UTC
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User

from loans.models import BorrowRecord, Kind, Market, RepayRecord
from loans.services import record_store, stating
from loans.services.figures import refresh_figures
from loans.services.pairs import read_pairs, store_terms
from loans.services.statement import Statement
from tests.money import Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)
LIST_LENGTH = 100


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    """An account with a past, read once, as far as one list of each pair reaches."""
    paper.switch(limits="off")
    desk = Desk(paper, owner, tmp_path)
    desk.use(paper.new_key(history=True))
    now = desk.now()
    with desk.client() as client:
        listed = read_pairs(client=client, venue=desk.account.venue, now=now)
        store_terms(venue=desk.account.venue, listed=listed, now=now)
        for symbol in Market.objects.values_list("symbol", flat=True):
            lent, repaid = client.borrow_records(symbol), client.repay_records(symbol)
            if max(len(lent.rows), len(repaid.rows)) == LIST_LENGTH:
                continue  # its beginning is out of reach, so it could not add up to what is owed
            for kind, listing in ((Kind.BORROW, lent), (Kind.REPAY, repaid)):
                record_store.store(
                    account=desk.account, kind=kind, rows=listing.rows, clock=lambda: now
                )
        refresh_figures(client=client, account=desk.account, now=now)
    return desk


def closing(statement: Statement) -> dict:
    return {
        one.slot: (one.principal.closing, one.interest.closing)
        for one in statement.entries
        if one.principal.closing or one.interest.closing
    }


def opening(statement: Statement) -> dict:
    return {
        one.slot: (one.principal.opening, one.interest.opening)
        for one in statement.entries
        if one.principal.opening or one.interest.opening
    }


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Pacific/Kiritimati")])
def test_a_history_read_at_once_is_stated_month_by_month(desk: Desk, zone: ZoneInfo) -> None:
    now = desk.now()
    months = stating.months_of(desk.account, now=now, zone=zone)[::-1]

    made = [
        stating.state(desk.account, month, zone=zone, as_of=now, with_now=True) for month in months
    ]

    assert len(made) > 2
    assert all(one.reconciles for one in made)
    assert opening(made[0]) == {}
    for before, after in pairwise(made):
        assert opening(after) == closing(before)
    records = BorrowRecord.objects.count() + RepayRecord.objects.count()
    assert sum(one.movement_count for one in made) == records
    known = set(BorrowRecord.objects.values_list("symbol", "currency"))
    for entry in made[-1].entries:
        if (entry.slot.symbol, entry.slot.currency) in known:
            assert (entry.principal_drift, entry.interest_drift) == (0, 0)
        assert entry.incomplete_because == ""
