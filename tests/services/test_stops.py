"""The stop switches."""

from django.contrib.auth.models import User

from loans.models import AuditEvent, SiteState
from loans.services import stops
from loans.services.audit import By
from tests.factories import NOW, make_account


def actions() -> list[str]:
    """What the audit trail tells, oldest first."""
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_an_account_is_stopped_and_released_once_each(owner: User) -> None:
    account, by = make_account(owner=owner), By(owner, NOW)

    stops.stop_account(account, by=by, reason="moving desks")
    stops.stop_account(account, by=by)
    account.refresh_from_db()
    assert account.stopped
    stops.release_account(account, by=by)

    account.refresh_from_db()
    assert not account.stopped
    assert actions() == ["account_stopped", "account_released"]
    assert AuditEvent.objects.order_by("id").first().facts == {"reason": "moving desks"}


def test_an_account_may_be_set_to_repay_only(owner: User) -> None:
    account = make_account(owner=owner)

    stops.set_account_repay_only(account, on=True, by=By(owner, NOW))

    account.refresh_from_db()
    assert account.repay_only
    assert not account.stopped


def test_everything_is_stopped_with_a_reason_and_released(owner: User) -> None:
    by = By(owner, NOW)

    stops.stop_site(by=by, reason="the exchange misbehaves")
    site = SiteState.load()
    assert (site.stopped, site.stopped_reason) == (True, "the exchange misbehaves")
    stops.release_site(by=by)
    stops.release_site(by=by)

    site.refresh_from_db()
    assert (site.stopped, site.stopped_reason) == (False, "")
    assert actions() == ["site_stopped", "site_released"]


def test_everything_may_be_set_to_repay_only(owner: User) -> None:
    stops.set_site_repay_only(on=True, by=By(owner, NOW))

    assert SiteState.load().repay_only
    assert actions() == ["site_repay_only_on"]
