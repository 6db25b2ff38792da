"""The stop switches: for one account, and for everything. Who may is decided before calling these.

A stop holds back what is not sent yet; what was sent is still looked up.
"""

from django.db import transaction

from loans.models import Account, SiteState
from loans.services.audit import By


def stop_account(account: Account, *, by: By, reason: str = "") -> None:
    """Send nothing with this account until it is released."""
    _set_account(account, "stopped", True, "account_stopped", by=by, reason=reason)


def release_account(account: Account, *, by: By) -> None:
    """Send with this account again."""
    _set_account(account, "stopped", False, "account_released", by=by)


def set_account_repay_only(account: Account, *, on: bool, by: By) -> None:
    """Let this account repay but not borrow, or both again."""
    action = "account_repay_only_on" if on else "account_repay_only_off"
    _set_account(account, "repay_only", on, action, by=by)


def stop_site(*, by: By, reason: str = "") -> None:
    """Send nothing at all until it is released."""
    _set_site(by=by, action="site_stopped", stopped=True, stopped_reason=reason[:200])


def release_site(*, by: By) -> None:
    """Send again."""
    _set_site(by=by, action="site_released", stopped=False, stopped_reason="")


def set_site_repay_only(*, on: bool, by: By) -> None:
    """Let every account repay but not borrow, or both again."""
    _set_site(by=by, action="site_repay_only_on" if on else "site_repay_only_off", repay_only=on)


def _set_account(
    account: Account, field: str, value: bool, action: str, *, by: By, **facts: str
) -> None:
    """Set a switch once; setting it to what it is already leaves no event."""
    with transaction.atomic():
        rows = Account.objects.filter(pk=account.pk, **{field: not value})
        if rows.update(**{field: value}):
            by.record(action, account, **{name: text for name, text in facts.items() if text})


def _set_site(*, by: By, action: str, **fields: bool | str) -> None:
    with transaction.atomic():
        SiteState.load()
        site = SiteState.objects.select_for_update().get(pk=SiteState.ONLY)
        if all(getattr(site, name) == value for name, value in fields.items()):
            return
        SiteState.objects.filter(pk=SiteState.ONLY).update(**fields)
        reason = fields.get("stopped_reason", "")
        by.record(action, **({"reason": reason} if reason else {}))
