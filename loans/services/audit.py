"""The audit trail: who did what, when and from where, each row chained to the one before.

It only grows, and it never holds a secret: facts are plain words and numbers that a colleague may
read. Whoever takes rows off the end leaves a chain that still fits; a head noted elsewhere (each
event also goes to the log `loans.audit`) shows that.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from loans.models import Account, AuditEvent, SiteState

logger = logging.getLogger("loans.audit")

GENESIS = "0" * 64

# What each action is called on pages. Only these may be recorded.
ACTIONS = {
    "signed_in": "Signed in",
    "sign_in_failed": "Failed to sign in",
    "password_changed": "Changed a password",
    "password_reset": "Reset an administrator's password by command",
    "email_added": "Added an e-mail address",
    "email_confirmed": "Confirmed an e-mail address",
    "email_changed": "Changed the e-mail address in use",
    "email_removed": "Removed an e-mail address",
    "second_factor_added": "Added a second factor",
    "second_factor_removed": "Removed a second factor",
    "second_factor_renewed": "Made new recovery codes",
    "second_factor_resealed": "Sealed a second factor anew",
    "second_factor_lost": "Removed a second factor that nobody can open",
    "key_added": "Added a key",
    "paper_key_asked": "Asked for a paper key",
    "key_connected": "Key connected",
    "key_failed": "Key could not be connected",
    "key_check_asked": "Asked for a key check",
    "key_checked": "Key checked",
    "key_renamed": "Renamed a key",
    "key_disabled": "Disabled a key",
    "key_enabled": "Enabled a key",
    "key_replaced": "Replaced a key",
    "key_removed": "Removed a key",
    "key_resealed": "Sealed a key anew",
    "key_lost": "Removed a sealed key that nobody can open",
    "key_would_not_open": "A sealed key did not open",
    "money_allowed": "Allowed borrowing and repaying",
    "money_forbidden": "Withdrew borrowing and repaying",
    "probes_asked": "Asked to probe the exchange",
    "expiry_probe_asked": "Asked to probe how long a request is taken",
    "mode_changed": "Changed whether a key is exclusive or shared",
    "account_stopped": "Stopped an account",
    "account_released": "Released an account",
    "account_repay_only_on": "Set an account to repay only",
    "account_repay_only_off": "Ended repay only of an account",
    "site_stopped": "Stopped everything",
    "site_released": "Released the stop for everything",
    "site_repay_only_on": "Set everything to repay only",
    "site_repay_only_off": "Ended repay only for everything",
    "site_notice_changed": "Changed the wind-down notice",
    "share_granted": "Shared an account",
    "share_changed": "Changed a share",
    "share_revoked": "Ended a share",
    "instruction_placed": "Placed an instruction",
    "instruction_cancelled": "Cancelled an instruction",
    "instruction_settled_by_hand": "Settled an instruction by hand",
    "history_exported": "Exported history",
    "admin_added": "Added in the admin",
    "admin_changed": "Changed in the admin",
    "admin_deleted": "Deleted in the admin",
}


@dataclass(frozen=True)
class By:
    """Who does something, when, and from which address."""

    person: User | None
    at: datetime
    address: str | None = None

    def record(self, action: str, account: Account | None = None, **facts: Any) -> AuditEvent:
        """Append what this person does now; see `record`."""
        return record(
            action=action,
            actor=self.person,
            now=self.at,
            address=self.address,
            account=account,
            **facts,
        )


@dataclass(frozen=True)
class Verdict:
    """What a walk along the chain found. `broken_at` is the id of the first row that does not fit,
    None if all do.
    """

    rows: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether every row fits the one before."""
        return self.broken_at is None


def record(
    *,
    action: str,
    actor: User | None,
    now: datetime,
    account: Account | None = None,
    address: str | None = None,
    **facts: Any,
) -> AuditEvent:
    """Append one event, in the caller's transaction if there is one.

    Rows are chained one at a time: the row lock on SiteState orders writers on PostgreSQL, the
    IMMEDIATE transaction does on SQLite. Take it last in a transaction, for it is held to the end.
    Raises ValueError for an action that has no words, TypeError for a fact that cannot be kept.
    """
    if action not in ACTIONS:
        raise ValueError(f"no such audit action: {action}")
    with transaction.atomic():
        SiteState.load()
        SiteState.objects.select_for_update().get(pk=SiteState.ONLY)
        event = AuditEvent(
            at=now.astimezone(UTC),
            actor=actor,
            address=_plain_address(address),
            action=action,
            account=account,
            facts={name: _plain(value) for name, value in facts.items()},
            previous_hash=_head(),
        )
        event.hash = event.computed_hash()
        event.save(force_insert=True)
        transaction.on_commit(lambda: _log(event))
    return event


def verify(*, expected_head: str = "") -> Verdict:
    """Walk the chain from its first row.

    `expected_head` is a hash noted earlier: if no row has it, rows were taken off the end.
    """
    previous, rows, met = GENESIS, 0, expected_head in ("", GENESIS)
    for event in AuditEvent.objects.order_by("id").iterator():
        if event.previous_hash != previous:
            return Verdict(rows, previous, event.pk, "a row before this one is missing or altered")
        if event.computed_hash() != event.hash:
            return Verdict(rows, previous, event.pk, "this row was altered")
        previous, rows = event.hash, rows + 1
        met = met or previous == expected_head
    if not met:
        return Verdict(rows, previous, 0, "the expected head is not in the chain: rows are missing")
    return Verdict(rows, previous)


def _head() -> str:
    return AuditEvent.objects.order_by("-id").values_list("hash", flat=True).first() or GENESIS


def _plain(value: Any) -> Any:
    """A value as JSON keeps it, so that a row read back has the hash it was written with."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)  # members of TextChoices as their plain value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    raise TypeError(f"an audit fact cannot be a {type(value).__name__}")


def _plain_address(address: str | None) -> str | None:
    """The address in its one canonical spelling, or None if it is none."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _log(event: AuditEvent) -> None:
    """Write the event as one JSON line, for whoever ships logs to another machine."""
    line = {
        "id": event.pk,
        "at": event.at.isoformat(),
        "actor": event.actor.get_username() if event.actor else None,
        "address": event.address,
        "action": event.action,
        "account": str(event.account_id) if event.account_id else None,
        "facts": event.facts,
        "hash": event.hash,
    }
    logger.info("%s", json.dumps(line, sort_keys=True))
