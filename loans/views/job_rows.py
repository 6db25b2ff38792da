"""How a person's files are shown: what each is, how far it is, and how long it is there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.template.defaultfilters import filesizeformat

from loans.formatting import duration_words, whole_seconds
from loans.models import Job, Kind
from loans.services import archive
from loans.services.file_forms import FORMS

CHIPS = {
    Job.State.WAITING: ("busy", "waiting for a worker"),
    Job.State.RUNNING: ("busy", "being made"),
    Job.State.DONE: ("ok", "ready"),
    Job.State.FAILED: ("bad", "failed"),
    Job.State.CANCELLED: ("", "cancelled"),
    Job.State.EXPIRED: ("", "deleted"),
}
LISTS = {Kind.BORROW: "Borrows", Kind.REPAY: "Repayments"}
# Sooner, a rate is a guess.
STEADY_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One file as the page shows it; `percent` is None while nobody knows the whole."""

    job: Job
    title: str
    about: str
    tone: str
    state: str
    percent: int | None = None
    counted: str = ""
    rate: str = ""
    left: str = ""
    size: str = ""
    may_hand_out: bool = False


def present(found: Iterable[Job], *, now: datetime) -> list[JobRow]:
    """The rows in the given order."""
    return [_row(job, now) for job in found]


def _row(job: Job, now: datetime) -> JobRow:
    tone, state = CHIPS[Job.State(job.state)]
    if job.state == Job.State.DONE and job.expires_at <= now:
        tone, state = CHIPS[Job.State.EXPIRED]
    title, about = _names(job)
    rate, left = _pace(job, now) if job.state == Job.State.RUNNING else ("", "")
    return JobRow(
        job=job,
        title=title,
        about=about,
        tone=tone,
        state=state,
        percent=min(100, job.done * 100 // job.total) if job.total else None,
        counted=_counted(job),
        rate=rate,
        left=left,
        size=filesizeformat(job.size) if job.size else "",
        may_hand_out=archive.is_waiting(job),
    )


def _names(job: Job) -> tuple[str, str]:
    if job.kind == Job.Kind.ARCHIVE:
        return f"Archive of {job.account.label}", "everything there is, as one ZIP"
    form = FORMS.get(job.parameters["form"])
    label = form.label if form else job.parameters["form"]
    what = "Loans" if form and form.tool else LISTS[Kind(job.parameters["kind"])]
    return f"{what} as {label}", f"{job.parameters['words']}; {job.parameters['zone']}"


def _counted(job: Job) -> str:
    if not job.total:
        return ""
    return f"{job.done:,} of {job.total:,} {job.unit}"


def _pace(job: Job, now: datetime) -> tuple[str, str]:
    """Rate and time left, from whole seconds; nothing while it waits for the exchange."""
    began = job.memory.get("phase_began_at")
    seconds = whole_seconds(now, datetime.fromisoformat(began) if began else job.started_at)
    if archive.is_waiting(job) or not job.done or not job.total or seconds < STEADY_SECONDS:
        return "", ""
    a_second, a_minute = job.done // seconds, job.done * 60 // seconds
    rate = f"{a_second:,} {job.unit} a second" if a_second else f"{a_minute:,} {job.unit} a minute"
    remaining = timedelta(seconds=(job.total - job.done) * seconds // job.done)
    words = duration_words(remaining.days * 86400 + remaining.seconds)
    return rate, _left(words, is_step=job.kind == Job.Kind.ARCHIVE)


def _left(words: str, *, is_step: bool) -> str:
    """The time left; an archive is made in steps, and only the present one was measured."""
    if words == "now":
        return "this step is almost done" if is_step else "almost done"
    return f"about {words} left{' of this step' if is_step else ''}"
