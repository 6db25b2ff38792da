"""Which accounts may be used for money by whom, as conditions that a statement can carry."""

from allauth.mfa.models import Authenticator
from django.db.models import Exists, Q, QuerySet

from loans.models import Account, AccountShare, Instruction, Kind, Person, SiteState, Venue

NO_SECOND_FACTOR = (
    "Borrowing and repaying with real money needs a second factor for your sign-in: an "
    "authenticator app or a passkey. You have none yet."
)


def money_accounts(person: Person) -> Q:
    """Condition on `account`: the person may trade it, and if it is real money, its owner has
    allowed that and the person has a second factor.
    """
    real_money = Q(allow_money=True) & Q(Exists(_second_factors(person)))
    allowed = Account.objects.tradable_by(person).filter(Q(venue=Venue.PAPER) | real_money)
    return Q(account__in=allowed.values("pk"))


def has_second_factor(person: Person) -> bool:
    """Whether it takes more than a password to sign in as this person."""
    return _second_factors(person).exists()


def _second_factors(person: Person) -> QuerySet[Authenticator]:
    """What counts as one; recovery codes only stand in for it."""
    factors = Authenticator.objects.filter(user=person.pk)
    return factors.exclude(type=Authenticator.Type.RECOVERY_CODES)


def not_stopped(kind: str) -> Q:
    """Condition on an instruction: neither its account nor the site is stopped for this kind."""
    running = {"stopped": False} | ({"repay_only": False} if kind == Kind.BORROW else {})
    accounts = Account.objects.filter(**running)
    site = SiteState.objects.filter(pk=SiteState.ONLY, **running)
    return Q(account__in=accounts.values("pk")) & Q(Exists(site))


def refusal(*, person: Person, account: Account, kind: str) -> str:
    """Why the person may not place this now, as a sentence; empty if nothing is in the way."""
    if not Account.objects.tradable_by(person).filter(pk=account.pk).exists():
        return _no_right(person, account)
    if account.is_real_money and not account.allow_money:
        return (
            "Borrowing and repaying with this key is not allowed yet. Its owner can allow it "
            "on the Keys page."
        )
    if account.is_real_money and not has_second_factor(person):
        return NO_SECOND_FACTOR
    return stop_sentence(account=account, kind=kind)


def stop_sentence(*, account: Account, kind: str) -> str:
    """What stops this kind of call now, as a sentence; empty if nothing does."""
    site = SiteState.load()
    account.refresh_from_db(fields=["stopped", "repay_only"])
    if site.stopped:
        return "Everything is stopped by an administrator: nothing is sent until that is lifted."
    if account.stopped:
        return "This account is stopped: nothing is sent until its switch on the Keys page is off."
    if kind == Kind.BORROW and (site.repay_only or account.repay_only):
        return "Only repaying is allowed now. Borrowing is switched off."
    return ""


def _no_right(person: Person, account: Account) -> str:
    if account.status != Account.Status.READY or account.disabled:
        return "This key is disabled or removed, so nothing can be sent with it."
    role = account.role_of(person)
    if role == AccountShare.Role.VIEWER:
        return "You may look at this account. To borrow or repay, its owner must make you a trader."
    return "You may not borrow or repay with this account."


def may_still_send(instruction: Instruction) -> bool:
    """Whether the person who asked is active and may still use the account."""
    person = instruction.requested_by
    allowed = Instruction.objects.filter(money_accounts(person), pk=instruction.pk)
    return person.is_active and allowed.exists()
