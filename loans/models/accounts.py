"""Exchange keys of people: whose they are, who may use them, and how healthy they are.

Secrets are here only as sealed texts; nothing in this module opens them.
"""

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from loans.vault import Keyring, Place

Person = AbstractBaseUser | AnonymousUser


class Venue(models.TextChoices):
    """Where money moves. A venue decides the base URL, nothing else."""

    PAPER = "paper", "Paper"
    BITMART = "bitmart", "BitMart"

    @property
    def is_real_money(self) -> bool:
        """Whether what happens there costs money."""
        return self is not Venue.PAPER


class AccountQuerySet(models.QuerySet["Account"]):
    """Always start from one of these: a person sees own and shared accounts, nothing else."""

    def connected(self) -> "AccountQuerySet":
        """Keys that may be used for calls: ready, not disabled, not removed."""
        return self.filter(status=Account.Status.READY, disabled=False)

    def kept(self) -> "AccountQuerySet":
        """Owned by a person and not removed (disabled ones included)."""
        return self.filter(owner__isnull=False).exclude(status=Account.Status.REMOVED)

    def visible_to(self, person: Person) -> "AccountQuerySet":
        """Own ones and those shared with the person; removed ones too: their history stays."""
        if not person.is_authenticated:
            return self.none()
        shared = AccountShare.objects.filter(person_id=person.pk).values("account_id")
        return self.filter(owner__isnull=False).filter(Q(owner_id=person.pk) | Q(pk__in=shared))

    def entrusted_to(self, person: Person) -> "AccountQuerySet":
        """Kept ones of which the person is owner, trader or manager, whatever the key can do now:
        even with a disabled one, an instruction is cancelled or decided by them.
        """
        if not person.is_authenticated:
            return self.none()
        shared = AccountShare.objects.filter(
            person_id=person.pk, role__in=AccountShare.TRADING_ROLES
        ).values("account_id")
        return self.kept().filter(Q(owner_id=person.pk) | Q(pk__in=shared))

    def tradable_by(self, person: Person) -> "AccountQuerySet":
        """Connected ones on which the person may borrow and repay: owner, trader or manager."""
        return self.connected().entrusted_to(person)

    def market_data(self) -> "AccountQuerySet":
        """The ownerless keys that only read terms."""
        return self.filter(owner__isnull=True)


class Account(models.Model):
    """One key of one owner on one venue; without an owner it reads market data only."""

    class Status(models.TextChoices):
        PENDING = "pending", "Being connected"
        READY = "ready", "Ready"
        FAILED = "failed", "Could not be connected"
        REMOVED = "removed", "Removed"

    class Mode(models.TextChoices):
        """Whether anything else moves money on the exchange account behind this key."""

        EXCLUSIVE = "exclusive", "Only this site uses it"
        SHARED = "shared", "Other programs or people use it too"

    SEALED_FIELDS = ("access_key_sealed", "secret_sealed", "memo_sealed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    venue = models.CharField(max_length=16, choices=Venue.choices)
    label = models.CharField(max_length=60)
    fingerprint = models.CharField(max_length=16, blank=True, editable=False)
    access_key_sealed = models.TextField(blank=True, editable=False)
    secret_sealed = models.TextField(blank=True, editable=False)
    memo_sealed = models.TextField(blank=True, editable=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.READY)
    status_reason = models.CharField(max_length=300, blank=True)
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.EXCLUSIVE)
    mode_reason = models.CharField(max_length=300, blank=True)
    disabled = models.BooleanField(default=False, help_text="Nothing is called with this key.")
    allow_money = models.BooleanField(default=False, help_text="Borrowing and repaying allowed.")
    stopped = models.BooleanField(default=False, help_text="Stop switch: nothing is sent.")
    repay_only = models.BooleanField(default=False, help_text="Repaying goes on, borrowing not.")
    exchange_account = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="The same for keys seen to belong to one exchange account.",
    )
    probed_at = models.DateTimeField(null=True, blank=True)
    check_requested_at = models.DateTimeField(null=True, blank=True)
    check_finished_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["venue", "fingerprint"],
                condition=~Q(fingerprint="") & ~Q(status="removed"),
                name="account_one_row_a_key",
            ),
            models.CheckConstraint(
                condition=~Q(status="removed")
                | Q(access_key_sealed="", secret_sealed="", memo_sealed=""),
                name="account_removed_keeps_no_secret",
            ),
        )
        ordering = ("venue", "label")

    def __str__(self) -> str:
        return self.label

    @property
    def named(self) -> str:
        """Its label and whether its money is real, where a choice holds nothing but text."""
        return f"{self.label} ({'LIVE' if self.is_real_money else 'PAPER'})"

    @property
    def is_real_money(self) -> bool:
        """Whether this account's loans cost money."""
        return Venue(self.venue).is_real_money

    @property
    def is_checking(self) -> bool:
        """Whether a key check was asked for and has not ended."""
        asked, done = self.check_requested_at, self.check_finished_at
        return asked is not None and (done is None or done < asked)

    def place_of(self, field: str) -> Place:
        """Where a sealed field of this row belongs."""
        return Place("account", field, str(self.pk), str(self.owner_id or "site"))

    def seal(self, keyring: Keyring, **texts: str) -> None:
        """Put sealed texts into the fields `access_key`, `secret`, `memo`; the caller saves."""
        for name, text in texts.items():
            setattr(self, f"{name}_sealed", keyring.seal(text, self.place_of(name)))

    def role_of(self, person: Person) -> str | None:
        """`owner`, one of AccountShare.Role, or None for a stranger."""
        if not person.is_authenticated:
            return None
        if self.owner_id == person.pk:
            return "owner"
        share = self.shares.filter(person_id=person.pk).first()
        return share.role if share else None


class AccountShare(models.Model):
    """What a colleague may do with somebody's account."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer: sees everything, moves nothing"
        TRADER = "trader", "Trader: borrows and repays"
        APPROVER = "approver", "Approver: sees everything, approves"
        MANAGER = "manager", "Manager: like the owner, except removing"

    TRADING_ROLES = (Role.TRADER, Role.MANAGER)

    account = models.ForeignKey(Account, models.CASCADE, related_name="shares")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="account_shares"
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "person"], name="share_one_a_person"),
        )

    def __str__(self) -> str:
        return f"{self.account}: {self.person} as {self.get_role_display()}"


class KeyLight(models.Model):
    """One light of a key check: what was tried, and how it went."""

    class Name(models.TextChoices):
        READS = "reads", "Key reads"
        SIGNS = "signs", "Secret and memo sign"
        MARGIN = "margin", "Margin permission"
        CLOCK = "clock", "Clock"
        IP = "ip", "IP accepted"

    class State(models.TextChoices):
        GREEN = "green", "Works"
        RED = "red", "Does not work"
        NOT_KNOWN = "not_known", "Not known"

    account = models.ForeignKey(Account, models.CASCADE, related_name="lights")
    name = models.CharField(max_length=16, choices=Name.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.NOT_KNOWN)
    code = models.IntegerField(null=True, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "name"], name="light_one_a_name"),
        )

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.get_state_display()}"


class Preference(models.Model):
    """How one person wants to see times."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="preference"
    )
    time_zone = models.CharField(max_length=64, default="UTC")

    def __str__(self) -> str:
        return f"{self.person}: {self.time_zone}"
