"""Two keys of one exchange account: noticed by the records they share, and treated as shared.

What one of them borrows shows in the lists of the other, so neither may believe that it is alone.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from loans.models import Account, BorrowRecord, Instruction, RepayRecord

REASON = "Another key of the same exchange account is connected to this site."
Record = BorrowRecord | RepayRecord


def notice(account: Account, model: type[Record], fresh: Mapping[str, datetime]) -> None:
    """Mark both accounts if any of these new records is on another account of the venue already.

    `fresh` says of each new record id when it was.
    """
    venue = Account.objects.filter(venue=account.venue, owner__isnull=False)
    others = list(venue.exclude(pk=account.pk).values_list("pk", flat=True))
    if not others or not fresh:
        return
    same = model.objects.filter(account__in=others, record_id__in=fresh).select_related("account")
    twins = {record.account for record in same if _same_second(record, fresh)}
    if twins:
        _mark([account, *twins])


def accounts_of_one(account: Account) -> QuerySet[Account]:
    """The account, and those known to be the same account of the exchange through other keys."""
    if account.exchange_account is None:
        return Account.objects.filter(pk=account.pk)
    return Account.objects.filter(exchange_account=account.exchange_account)


def has_twin(account: Account) -> bool:
    """Whether another key that is in use is of the same exchange account."""
    others = accounts_of_one(account).exclude(pk=account.pk)
    return others.exclude(status=Account.Status.REMOVED).exists()


def _same_second(record: Record, times: Mapping[str, datetime]) -> bool:
    return abs((record.at - times[record.record_id]).total_seconds()) < 1


def _mark(accounts: Collection[Account]) -> None:
    groups = {account.exchange_account for account in accounts if account.exchange_account}
    group = min(groups, default=None, key=str) or uuid.uuid4()
    keys = [account.pk for account in accounts]
    one = Account.objects.filter(Q(pk__in=keys) | Q(exchange_account__in=groups))
    one.update(exchange_account=group)
    # A key that was removed moves nothing any more: its owner may have added it again.
    in_use = Account.objects.filter(exchange_account=group).exclude(status=Account.Status.REMOVED)
    if len(in_use) > 1:
        in_use.update(mode=Account.Mode.SHARED, mode_reason=REASON)


def counted_twice(accounts: Iterable[Account]) -> str:
    """A sentence where several of these are one account of the exchange, so that what is on it
    stands, and is added up, once for each; empty where none are. No query.
    """
    groups = defaultdict(list)
    for account in accounts:
        if account.exchange_account:
            groups[account.exchange_account].append(account.label)
    named = [" and ".join(sorted(labels)) for labels in groups.values() if len(labels) > 1]
    if not named:
        return ""
    return (
        f"{'; '.join(sorted(named))}: keys of one account of the exchange. What both have read is "
        "listed, and added up, once for each."
    )


def rival(slot: dict) -> Instruction | None:
    """An open instruction in the same slot of the same exchange account, through another key.

    Holds the rows of all these accounts, so that nobody places one meanwhile.
    """
    account: Account = slot["account"]
    if account.exchange_account is None:
        return None
    held = accounts_of_one(account).order_by("pk").select_for_update().values_list("pk", flat=True)
    others = [key for key in held if key != account.pk]
    place = {name: value for name, value in slot.items() if name != "account"}
    return Instruction.objects.open().filter(account__in=others, **place).first()
