"""Files that a worker makes for a person: what was asked for, how far it is, how long it is kept.

The table is the queue, and a row is held by one worker at a time: `epoch` counts the holds, so that
a worker which lost its hold can change nothing any more. The files themselves lie on disk.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from loans.models.accounts import Account, Person


class JobQuerySet(models.QuerySet["Job"]):
    """Start from `visible_to` in anything a person sees."""

    def visible_to(self, person: Person) -> "JobQuerySet":
        """Those the person asked for, as long as they see every account that is inside."""
        if not person.is_authenticated:
            return self.none()
        visible = Account.objects.visible_to(person)
        inside = Job.accounts.through.objects.exclude(account__in=visible)
        return self.filter(person_id=person.pk).exclude(pk__in=inside.values("job_id"))

    def open(self) -> "JobQuerySet":
        """Those that are not finished."""
        return self.filter(state__in=Job.OPEN)


class Job(models.Model):
    """One file that was asked for."""

    class Kind(models.TextChoices):
        EXPORT = "export", "List"
        ARCHIVE = "archive", "Archive"

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        RUNNING = "RUNNING", "Being made"
        DONE = "DONE", "Ready"
        FAILED = "FAILED", "Failed"
        CANCELLED = "CANCELLED", "Cancelled"
        EXPIRED = "EXPIRED", "Expired"

    OPEN = (State.WAITING, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs")
    account = models.ForeignKey(
        Account,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="jobs",
        help_text="Of an archive.",
    )
    accounts = models.ManyToManyField(
        Account, related_name="+", help_text="Whose rows may be inside."
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    parameters = models.JSONField(default=dict, help_text="What was asked for; never changes.")
    memory = models.JSONField(default=dict, help_text="What the next hold must know.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    note = models.CharField(max_length=300, blank=True, help_text="What goes on: a sentence.")
    error = models.CharField(max_length=300, blank=True, help_text="Why not: a sentence.")
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0, help_text="0: not known yet.")
    unit = models.CharField(max_length=20, default="rows", help_text="What is counted.")

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the file goes.")

    epoch = models.PositiveIntegerField(default=0, help_text="Counts the holds; fences old ones.")
    is_held = models.BooleanField(default=False)
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text="Held until then; not held: to go on from then."
    )
    losses = models.PositiveSmallIntegerField(default=0, help_text="Holds that ended in silence.")

    file_name = models.CharField(max_length=200, blank=True, help_text="For whoever saves it.")
    media_type = models.CharField(max_length=100, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["person", "account"],
                condition=Q(kind="archive", state__in=["WAITING", "RUNNING"]),
                name="job_one_open_archive",
            ),
            models.CheckConstraint(
                condition=~Q(state="DONE")
                | (~Q(sha256="") & ~Q(file_name="") & Q(expires_at__isnull=False)),
                name="job_done_has_a_file",
            ),
            models.CheckConstraint(
                condition=Q(kind="archive", account__isnull=False)
                | (~Q(kind="archive") & Q(account__isnull=True)),
                name="job_account_iff_archive",
            ),
        )
        indexes = (
            models.Index(fields=["person", "-created_at"], name="job_by_person"),
            models.Index(
                fields=["lease_until"],
                condition=Q(state__in=["WAITING", "RUNNING"]),
                name="job_to_go_on",
            ),
        )
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.person}: {self.get_state_display()}"

    @property
    def is_open(self) -> bool:
        """Whether it waits or is being made."""
        return self.state in self.OPEN
