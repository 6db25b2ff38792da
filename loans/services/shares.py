"""Sharing an account with a colleague: who may see it, and who may borrow and repay with it."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from loans.models import Account, AccountShare
from loans.services.audit import By
from loans.services.keys import Declined

# What is offered on pages, in the words of the pages.
OFFERED = {
    AccountShare.Role.VIEWER: "Viewer: sees everything, moves nothing",
    AccountShare.Role.TRADER: "Trader: sees everything, borrows and repays",
}


def colleagues_of(person: User) -> QuerySet[User]:
    """Everybody with whom this person could share."""
    return User.objects.filter(is_active=True).exclude(pk=person.pk).order_by("username")


def grant(account: Account, *, person: User, role: AccountShare.Role, by: By) -> AccountShare:
    """Let a colleague see or use an account, or change what was let.

    Raises Declined for the owner, for oneself, and for somebody who cannot sign in.
    """
    if person.pk in (account.owner_id, by.person.pk):
        raise Declined(
            "An account is shared with somebody else: you and its owner have it already."
        )
    if not person.is_active:
        raise Declined("This person cannot sign in any more.")
    with transaction.atomic():
        Account.objects.select_for_update().get(pk=account.pk)
        share = AccountShare.objects.filter(account=account, person=person).first()
        before = share.role if share else None
        if share is None:
            share = AccountShare(account=account, person=person, created_at=by.at)
        if before == role:
            return share
        share.role = role
        share.save()
        action = "share_changed" if before else "share_granted"
        by.record(action, account, person=person.get_username(), role=role, before=before)
    return share


def revoke(share: AccountShare, *, by: By) -> None:
    """End a share. What the colleague had placed and is not sent yet will not be sent."""
    with transaction.atomic():
        person, role = share.person.get_username(), share.role
        if AccountShare.objects.filter(pk=share.pk).delete()[0]:
            by.record("share_revoked", share.account, person=person, role=role)
