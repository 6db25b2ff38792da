"""Who sees what: accounts with the people who may use them."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet

from loans.models import Account, AccountShare
from loans.services import keys


@dataclass(frozen=True)
class SharedAccount:
    """An account, and with whom it is shared. `can_run`: the person looking may change that."""

    account: Account
    shares: list[AccountShare]
    can_run: bool
    is_mine: bool


def shared_accounts(person: User) -> list[SharedAccount]:
    """Accounts that a person sees, own ones first."""
    run = set(keys.run_by(person).values_list("pk", flat=True))
    rows = Account.objects.visible_to(person).kept().select_related("owner")
    rows = rows.prefetch_related("shares__person").order_by("label", "pk")
    found = [
        SharedAccount(
            account,
            sorted(account.shares.all(), key=lambda share: share.person.get_username()),
            account.pk in run,
            account.owner_id == person.pk,
        )
        for account in rows
    ]
    return sorted(found, key=lambda row: not row.is_mine)


def people() -> QuerySet[User]:
    """Everybody, with how many accounts each owns and is shared; for administrators."""
    kept = Q(accounts__owner__isnull=False) & ~Q(accounts__status=Account.Status.REMOVED)
    return User.objects.annotate(
        owned=Count("accounts", filter=kept, distinct=True),
        shared=Count("account_shares", distinct=True),
    ).order_by("-is_active", "username")
