"""What the Keys page shows of each account: a person's own and shared ones, in few queries."""

from dataclasses import dataclass
from datetime import datetime

from loans.models import Account, AccountShare, KeyLight, Person, Probe
from loans.models.accounts import AccountQuerySet
from loans.services import attention, lights

# The colours as pages call them.
COLOURS = {
    KeyLight.State.GREEN: "green",
    KeyLight.State.RED: "red",
    KeyLight.State.NOT_KNOWN: "unknown",
}


@dataclass(frozen=True)
class ShownLight:
    """One light as the page shows it; `words` are empty where there is nothing to add."""

    colour: str
    name: str
    words: str


@dataclass(frozen=True)
class KeyCard:
    """One account as the Keys page shows it to one person."""

    account: Account
    role: str
    lights: list[ShownLight]
    probes: list[ShownLight]
    silent_seconds: int | None

    @property
    def is_owner(self) -> bool:
        """Whether the person owns it."""
        return self.role == "owner"

    @property
    def can_run(self) -> bool:
        """Whether the person may change it."""
        return self.role in ("owner", AccountShare.Role.MANAGER)

    @property
    def role_word(self) -> str:
        """`viewer`, `trader`, ...; for people it is shared with."""
        return self.role.replace("_", " ")

    @property
    def is_waiting(self) -> bool:
        """Whether a worker is to do something with it."""
        account = self.account
        if account.disabled or account.status == Account.Status.REMOVED:
            return False
        return account.status == Account.Status.PENDING or (
            account.is_checking and account.status == Account.Status.READY
        )

    @property
    def reads_only(self) -> bool:
        """Whether its owner has not allowed borrowing and repaying."""
        return self.account.is_real_money and not self.account.allow_money


def cards(person: Person, *, now: datetime) -> list[KeyCard]:
    """Own accounts first, then shared ones."""
    rows = _with_all(Account.objects.visible_to(person).kept())
    made = [_card(account, person, now) for account in rows]
    return sorted(made, key=lambda card: not card.is_owner)


def card(account: Account, person: Person, *, now: datetime) -> KeyCard:
    """One account for one person who may see it."""
    return _card(_with_all(Account.objects.filter(pk=account.pk)).get(), person, now)


def removed(person: Person) -> AccountQuerySet:
    """Accounts whose key is gone and whose history is kept."""
    visible = Account.objects.visible_to(person).filter(status=Account.Status.REMOVED)
    return visible.order_by("-removed_at")


def _with_all(rows: AccountQuerySet) -> AccountQuerySet:
    return (
        rows.select_related("owner")
        .prefetch_related("lights", "probes", "shares__person")
        .order_by("created_at", "pk")
    )


def _card(account: Account, person: Person, now: datetime) -> KeyCard:
    roles = {share.person_id: share.role for share in account.shares.all()}
    role = "owner" if account.owner_id == person.pk else roles.get(person.pk, "")
    return KeyCard(
        account=account,
        role=str(role),
        lights=[_shown(light) for light in lights.base_lights(account)],
        probes=[_shown_probe(probe) for probe in account.probes.all()],
        silent_seconds=attention.silent_parts(now).get("sync"),
    )


def _shown(light: KeyLight) -> ShownLight:
    return ShownLight(
        colour=COLOURS[KeyLight.State(light.state)],
        name=light.get_name_display(),
        words=light.detail,
    )


def _shown_probe(probe: Probe) -> ShownLight:
    colour = COLOURS[KeyLight.State(probe.state)]
    return ShownLight(colour=colour, name=probe.get_name_display(), words=probe.finding)
