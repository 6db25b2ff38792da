"""The life of a job: one worker at a time, and nothing that a dead one can spoil."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from loans.models import Account, AuditEvent, Job
from loans.services import jobs
from loans.services.audit import By
from loans.services.jobs import LEASE, File, Gone, TooMany
from tests.factories import NOW, make_account, make_share

pytestmark = pytest.mark.django_db
FILE = File("borrows.csv", "text/csv", 10, "a" * 64)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: int) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(owner: User) -> Account:
    return make_account(owner=owner)


def place(person: User, *accounts: Account, kind: str = Job.Kind.EXPORT) -> Job:
    return jobs.place(kind=kind, accounts=accounts, by=By(person, NOW), parameters={})


def test_placing_is_in_the_trail(owner: User, desk: Account) -> None:
    place(owner, desk, kind=Job.Kind.ARCHIVE)

    event = AuditEvent.objects.get(action="history_exported")
    assert event.actor == owner


def test_an_archive_under_way_is_not_begun_twice(owner: User, desk: Account) -> None:
    first = place(owner, desk, kind=Job.Kind.ARCHIVE)

    assert place(owner, desk, kind=Job.Kind.ARCHIVE) == first
    with (
        pytest.raises(IntegrityError, match=r"job_one_open_archive|person_id"),
        transaction.atomic(),
    ):
        Job.objects.create(
            person=owner, account=desk, kind="archive", created_at=NOW, lease_until=NOW
        )


def test_a_person_has_only_so_many_under_way(owner: User, stranger: User, desk: Account) -> None:
    for _ in range(jobs.MOST_OPEN):
        place(owner, desk)

    with pytest.raises(TooMany, match="cancel one"):
        place(owner, desk)
    assert place(stranger, make_account(owner=stranger))


def test_the_database_refuses_a_ready_job_without_a_file(owner: User, desk: Account) -> None:
    job = place(owner, desk)

    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)


def test_the_database_refuses_an_archive_of_nothing(owner: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(person=owner, kind="archive", created_at=NOW)


def test_a_held_job_is_nobody_elses(owner: User, desk: Account, clock: Clock) -> None:
    job = place(owner, desk)

    hold = jobs.claim(job.pk, clock=clock)

    assert hold is not None
    assert jobs.claim(job.pk, clock=clock) is None
    assert not jobs.due(clock()).exists()


def test_a_dead_workers_job_goes_on_after_its_lease(
    owner: User, desk: Account, clock: Clock
) -> None:
    job = place(owner, desk)
    dead = jobs.claim(job.pk, clock=clock)
    dead.job.memory["seen"] = 3
    dead.remember()

    clock.move(seconds=LEASE.seconds + 1)
    second = jobs.claim(job.pk, clock=clock)

    assert second.job.memory == {"seen": 3}
    assert second.job.losses == 1
    for act in (lambda: dead.advance(1, always=True), dead.remember, lambda: dead.finish(FILE)):
        with pytest.raises(Gone):
            act()
    second.finish(FILE)
    job.refresh_from_db()
    assert (job.state, job.sha256) == ("DONE", FILE.sha256)


def test_progress_keeps_the_hold(owner: User, desk: Account, clock: Clock) -> None:
    job = place(owner, desk)
    hold = jobs.claim(job.pk, clock=clock)

    for done in range(1, 5):
        clock.move(seconds=LEASE.seconds - 1)
        hold.advance(done)

    job.refresh_from_db()
    assert job.done == 4
    assert jobs.claim(job.pk, clock=clock) is None


def test_a_released_job_waits_for_its_time_and_counts_no_loss(
    owner: User, desk: Account, clock: Clock
) -> None:
    job = place(owner, desk)
    jobs.claim(job.pk, clock=clock).release(until=NOW + timedelta(seconds=30))

    early = jobs.claim(job.pk, clock=clock)
    clock.move(seconds=30)
    late = jobs.claim(job.pk, clock=clock)

    assert early is None
    assert late.job.losses == 0


def test_a_job_that_kills_its_workers_is_given_up(owner: User, desk: Account, clock: Clock) -> None:
    job = place(owner, desk)

    for _ in range(jobs.MOST_LOSSES + 1):
        jobs.claim(job.pk, clock=clock)
        clock.move(seconds=LEASE.seconds + 1)

    job.refresh_from_db()
    assert job.state == "FAILED"
    assert job.error == "Its worker was lost 5 times, so it was given up. Ask for it once more."


def test_only_so_many_are_held_at_once(owner: User, desk: Account, clock: Clock) -> None:
    placed = [place(owner, desk) for _ in range(3)]

    held = [jobs.claim(job.pk, clock=clock) for job in placed]

    assert [hold is not None for hold in held] == [True, True, False]


def test_cancelling_takes_the_hold_away(owner: User, desk: Account, clock: Clock) -> None:
    job = place(owner, desk)
    hold = jobs.claim(job.pk, clock=clock)

    assert jobs.cancel(job, now=NOW)

    with pytest.raises(Gone):
        hold.finish(FILE)
    assert not jobs.cancel(job, now=NOW)
    assert jobs.claim(job.pk, clock=clock) is None


def test_files_expire_and_rows_are_forgotten_later(
    owner: User, desk: Account, clock: Clock
) -> None:
    job = place(owner, desk)
    jobs.claim(job.pk, clock=clock).finish(FILE)

    states = []
    for days in (6, 1, 31):
        clock.move(days=days)
        jobs.expire(now=clock())
        states.append(list(Job.objects.values_list("state", flat=True)))

    assert states == [["DONE"], ["EXPIRED"], []]


def test_a_job_is_seen_by_its_person_while_they_see_every_account(
    owner: User, colleague: User, desk: Account
) -> None:
    other = make_account(owner=owner, label="Other")
    shares = [make_share(account=account, person=colleague) for account in (desk, other)]
    job = place(colleague, desk, other)

    before = Job.objects.visible_to(colleague).get()
    shares[1].delete()

    assert before == job
    assert not Job.objects.visible_to(colleague).exists()
    assert not Job.objects.visible_to(owner).exists()


def test_nobody_fills_the_disk_file_by_file(owner: User, desk: Account) -> None:
    for _ in range(jobs.MOST_A_DAY):
        jobs.cancel(place(owner, desk), now=NOW)

    with pytest.raises(TooMany, match="40 files within a day"):
        place(owner, desk)
    by = By(owner, NOW + timedelta(days=1, seconds=1))
    assert jobs.place(kind=Job.Kind.EXPORT, accounts=[desk], by=by, parameters={})
