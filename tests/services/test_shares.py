"""Sharing an account with a colleague."""

import pytest
from django.contrib.auth.models import User

from loans.models import Account, AccountShare, AuditEvent
from loans.services import shares
from loans.services.audit import By
from loans.services.keys import Declined
from tests.factories import NOW, make_account, make_share

VIEWER, TRADER = AccountShare.Role.VIEWER, AccountShare.Role.TRADER


def test_a_viewer_sees_and_does_not_trade(owner: User, colleague: User) -> None:
    account = make_account(owner=owner)

    shares.grant(account, person=colleague, role=VIEWER, by=By(owner, NOW))

    assert Account.objects.visible_to(colleague).contains(account)
    assert not Account.objects.tradable_by(colleague).contains(account)


def test_a_trader_trades_until_the_share_ends(owner: User, colleague: User) -> None:
    account = make_account(owner=owner)

    share = shares.grant(account, person=colleague, role=TRADER, by=By(owner, NOW))
    assert Account.objects.tradable_by(colleague).contains(account)
    shares.revoke(share, by=By(owner, NOW))

    assert not Account.objects.visible_to(colleague).exists()
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "share_granted",
        "share_revoked",
    ]


def test_a_second_grant_changes_the_role(owner: User, colleague: User) -> None:
    account = make_account(owner=owner)
    make_share(account=account, person=colleague, role=VIEWER)

    shares.grant(account, person=colleague, role=TRADER, by=By(owner, NOW))

    assert AccountShare.objects.get().role == TRADER
    event = AuditEvent.objects.get()
    assert (event.action, event.facts["before"]) == ("share_changed", "viewer")


def test_nobody_shares_with_the_owner_or_with_themselves(owner: User, colleague: User) -> None:
    account = make_account(owner=owner)

    for person, giver in ((owner, owner), (owner, colleague), (colleague, colleague)):
        with pytest.raises(Declined):
            shares.grant(account, person=person, role=TRADER, by=By(giver, NOW))
    assert not AccountShare.objects.exists()


def test_nobody_shares_with_a_person_who_has_left(owner: User, colleague: User) -> None:
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    colleague.refresh_from_db()

    with pytest.raises(Declined):
        shares.grant(make_account(owner=owner), person=colleague, role=VIEWER, by=By(owner, NOW))
