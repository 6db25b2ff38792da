"""The audit trail: chained, append-only, silent on secrets."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from threading import Thread

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from loans.bitmart.secret import Secret
from loans.models import AuditEvent, guards
from loans.services import audit

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def record(actor: User | None, **changes: object) -> AuditEvent:
    """One ordinary event."""
    fields = {"action": "key_renamed", "now": NOW, "address": "203.0.113.7", "to": "Desk"}
    return audit.record(actor=actor, **(fields | changes))


def tamper(statement: str, *values: object) -> None:
    """Change the table as somebody with the database in hands could."""
    guards.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    guards.install(connection)


def test_an_event_keeps_who_what_when_and_from_where(owner: User) -> None:
    event = record(owner, limit=Decimal("1.50000000"))

    event.refresh_from_db()
    assert (event.actor, event.action, event.at) == (owner, "key_renamed", NOW)
    assert event.address == "203.0.113.7"
    assert event.facts == {"to": "Desk", "limit": "1.50000000"}


def test_each_row_is_chained_to_the_one_before(owner: User) -> None:
    first, second = record(owner), record(owner, to="Second")

    assert first.previous_hash == audit.GENESIS
    assert second.previous_hash == first.hash
    verdict = audit.verify()
    assert verdict.holds
    assert (verdict.rows, verdict.head) == (2, second.hash)


def test_a_row_read_back_has_the_hash_it_was_written_with(owner: User) -> None:
    zone = timezone(timedelta(hours=9))
    facts = {"tags": ("b", "a"), "deep": {"one": Decimal("0.1")}, "none": None, "ok": True}
    record(owner, now=NOW.astimezone(zone), address="::ffff:198.51.100.4", **facts)
    record(None, address="2001:DB8:0:0::1", words="naïve ✓ \r\n\x00"[:-1])

    assert audit.verify().holds
    assert list(AuditEvent.objects.order_by("id").values_list("address", flat=True)) == [
        "198.51.100.4",
        "2001:db8::1",
    ]


def test_an_address_that_is_none_is_left_out(owner: User) -> None:
    assert record(owner, address="unix:").address is None


def test_an_edited_row_is_found(owner: User) -> None:
    event = record(owner)
    record(owner)

    tamper("UPDATE loans_auditevent SET action = 'key_added' WHERE id = %s", event.pk)

    verdict = audit.verify()
    assert verdict.broken_at == event.pk
    assert "altered" in verdict.reason


def test_a_removed_row_is_found(owner: User) -> None:
    events = [record(owner, to=str(number)) for number in range(3)]

    tamper("DELETE FROM loans_auditevent WHERE id = %s", events[1].pk)

    assert audit.verify().broken_at == events[2].pk


def test_rows_taken_off_the_end_are_found_with_a_noted_head(owner: User) -> None:
    record(owner)
    last = record(owner)

    tamper("DELETE FROM loans_auditevent WHERE id = %s", last.pk)

    assert audit.verify().holds
    assert not audit.verify(expected_head=last.hash).holds


@pytest.mark.parametrize(
    "statement",
    ["UPDATE loans_auditevent SET action = 'key_added'", "DELETE FROM loans_auditevent"],
)
def test_the_database_refuses_to_change_or_delete_a_row(owner: User, statement: str) -> None:
    record(owner)

    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
        connection.cursor().execute(statement)


def test_a_secret_cannot_become_a_fact(owner: User) -> None:
    with pytest.raises(TypeError):
        record(owner, access_key=Secret("a-secret"))
    assert not AuditEvent.objects.exists()


def test_an_action_without_words_is_refused(owner: User) -> None:
    with pytest.raises(ValueError, match="no such audit action"):
        record(owner, action="something_else")


def test_an_undone_change_leaves_no_event(owner: User) -> None:
    with transaction.atomic():
        record(owner)
        transaction.set_rollback(True)

    assert not AuditEvent.objects.exists()


def test_each_event_is_one_line_in_the_log(
    owner: User,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with (
        caplog.at_level(logging.INFO, "loans.audit"),
        django_capture_on_commit_callbacks(execute=True),
    ):
        record(owner, to="two\r\nlines")

    (line,) = [r.getMessage() for r in caplog.records if r.name == "loans.audit"]
    assert "\n" not in line
    assert '"actor": "owner"' in line


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite in memory, as tests use it, has no writers that wait for each other")
    person = User.objects.create_user("busy")

    def write() -> None:
        try:
            for number in range(5):
                record(person, to=str(number))
        finally:
            connection.close()

    writers = [Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    verdict = audit.verify()
    assert verdict.holds
    assert verdict.rows == 20


def test_the_command_says_that_the_trail_holds(owner: User) -> None:
    head, out = record(owner).hash, StringIO()

    call_command("verify_audit", head=head, stdout=out)

    assert f"holds: 1 events, head {head}" in out.getvalue()


def test_the_command_fails_on_a_broken_trail(owner: User) -> None:
    event = record(owner)
    tamper("UPDATE loans_auditevent SET facts = '{}' WHERE id = %s", event.pk)

    with pytest.raises(CommandError, match=f"event {event.pk}"):
        call_command("verify_audit")
