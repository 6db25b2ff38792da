"""What a person asked for and everything that happened to it. Nothing here talks to a venue.

Nothing ever leads back from SENDING: the guards in `loans/models/guards.py` refuse it in the
database too.
"""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from loans.fields import AmountField, RateField
from loans.models.accounts import Account, Person, Venue
from loans.models.records import BorrowRecord, Kind, RepayRecord


class State(models.TextChoices):
    """The life of an instruction; the names are part of the outside contract."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL", "Awaiting approval"
    QUEUED = "QUEUED", "Queued"
    CLAIMED = "CLAIMED", "Being prepared"
    SENDING = "SENDING", "Sending"
    CONFIRMED = "CONFIRMED", "Confirmed"
    REJECTED = "REJECTED", "Refused by the exchange"
    NOT_SENT = "NOT_SENT", "Not sent"
    UNKNOWN = "UNKNOWN", "Unknown"
    EXECUTED = "EXECUTED", "Executed"
    NOT_EXECUTED = "NOT_EXECUTED", "Not executed"
    NEEDS_HUMAN = "NEEDS_HUMAN", "Needs your decision"
    EXECUTED_BY_HAND = "EXECUTED_BY_HAND", "Executed (decided by a person)"
    NOT_EXECUTED_BY_HAND = "NOT_EXECUTED_BY_HAND", "Not executed (decided by a person)"
    CANCELLED = "CANCELLED", "Cancelled"
    EXPIRED = "EXPIRED", "Expired"
    ABORTED = "ABORTED", "Stopped before sending"


BEFORE_SENDING = (State.AWAITING_APPROVAL, State.QUEUED, State.CLAIMED)
NEVER_SENT = (State.CANCELLED, State.EXPIRED, State.ABORTED)
UNDECIDED = (State.SENDING, State.UNKNOWN, State.NEEDS_HUMAN)
OPEN = (*BEFORE_SENDING, *UNDECIDED)
HAPPENED = (State.CONFIRMED, State.EXECUTED, State.EXECUTED_BY_HAND)
FINAL = tuple(state for state in State if state not in OPEN)


class InstructionQuerySet(models.QuerySet["Instruction"]):
    """Start from `visible_to` in anything a person sees."""

    def open(self) -> "InstructionQuerySet":
        """Those that still hold their slot."""
        return self.filter(state__in=OPEN)

    def undecided(self) -> "InstructionQuerySet":
        """Those that may have happened."""
        return self.filter(state__in=UNDECIDED)

    def visible_to(self, person: Person) -> "InstructionQuerySet":
        """Those of the accounts that a person sees."""
        return self.filter(account__in=Account.objects.visible_to(person))


class Instruction(models.Model):
    """One borrow or repay that a person confirmed: sent at most once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="instructions")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="instructions"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    symbol = models.CharField(max_length=40)
    currency = models.CharField(max_length=20)
    amount = AmountField(help_text="What is or was sent.")
    amount_confirmed = AmountField(help_text="What the person confirmed.")
    amount_cap = AmountField(null=True, blank=True, help_text="Repay-all: at most this.")
    repay_all = models.BooleanField(default=False)
    rate_shown = RateField(null=True, blank=True, help_text="Daily rate on the confirm page.")
    lane = models.PositiveSmallIntegerField(
        default=0, help_text="Above 0: placed in addition to an unknown one."
    )
    nonce = models.CharField(max_length=64, unique=True, help_text="Of the confirm token.")
    state = models.CharField(max_length=24, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Not sent by then: it expires.")

    epoch = models.PositiveIntegerField(default=0, help_text="Counts the claims; fences old ones.")
    claimed_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    signed_at = models.DateTimeField(null=True, blank=True, help_text="In exchange time.")
    send_deadline_at = models.DateTimeField(null=True, blank=True)
    body_sha256 = models.CharField(max_length=64, blank=True)
    clock_offset_ms = models.IntegerField(null=True, blank=True)
    known_ids = models.JSONField(default=list, blank=True)

    settled_at = models.DateTimeField(null=True, blank=True)
    answer_id = models.CharField(max_length=64, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.IntegerField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True, help_text="A word for programs.")
    explanation = models.CharField(max_length=500, blank=True, help_text="A sentence for people.")

    looks = models.PositiveIntegerField(default=0)
    look_at = models.DateTimeField(null=True, blank=True, help_text="When to look next.")
    absent_since = models.DateTimeField(
        null=True, blank=True, help_text="First complete listing without it, after the horizon."
    )
    second_look_done_at = models.DateTimeField(null=True, blank=True)
    contradicted_at = models.DateTimeField(null=True, blank=True)
    candidates = models.JSONField(default=list, blank=True)
    borrow_record = models.OneToOneField(
        BorrowRecord, models.PROTECT, null=True, blank=True, related_name="instruction"
    )
    repay_record = models.OneToOneField(
        RepayRecord, models.PROTECT, null=True, blank=True, related_name="instruction"
    )

    objects = InstructionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "symbol", "currency", "kind", "lane"],
                condition=Q(state__in=[str(state) for state in OPEN]),
                name="instruction_one_open_a_slot",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="instruction_amount_positive"),
            models.CheckConstraint(
                condition=Q(state="CONFIRMED", answer_id__gt="")
                | (~Q(state="CONFIRMED") & Q(answer_id="")),
                name="instruction_answer_id_iff_confirmed",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[str(s) for s in (*BEFORE_SENDING, *NEVER_SENT)],
                    signed_at__isnull=True,
                )
                | (
                    ~Q(state__in=[str(s) for s in (*BEFORE_SENDING, *NEVER_SENT)])
                    & Q(signed_at__isnull=False)
                ),
                name="instruction_signed_iff_sending_began",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-created_at"], name="instruction_by_account"),
            models.Index(
                fields=["state", "look_at"],
                condition=Q(state__in=[str(state) for state in OPEN]),
                name="instruction_to_look_at",
            ),
        )
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount} {self.currency} on {self.symbol}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected to happen."""
        return self.state in FINAL

    @property
    def record(self) -> BorrowRecord | RepayRecord | None:
        """The venue's record of it, once bound."""
        return self.borrow_record if self.kind == Kind.BORROW else self.repay_record

    @property
    def is_real_money(self) -> bool:
        """Whether it moves real money."""
        return Venue(self.account.venue).is_real_money

    def is_late(self, now: datetime) -> bool:
        """Whether it waits in the queue longer than it may."""
        return self.state in BEFORE_SENDING and now >= self.expires_at


class InstructionEvent(models.Model):
    """One thing that happened to an instruction. Append-only; the state is their fold."""

    instruction = models.ForeignKey(Instruction, models.PROTECT, related_name="events")
    sequence = models.PositiveIntegerField()
    at = models.DateTimeField()
    from_state = models.CharField(max_length=24, blank=True)
    to_state = models.CharField(max_length=24, choices=State.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True, help_text="A sentence for people.")
    facts = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["instruction", "sequence"], name="instruction_event_in_order"
            ),
        )
        ordering = ("sequence",)

    def __str__(self) -> str:
        return f"{self.sequence}: {self.from_state} -> {self.to_state}"
