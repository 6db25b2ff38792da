"""The send journal: a file beside the database that remembers every send before its first byte.

A restore, a failover or a lost commit can make the database forget a SENDING. The journal does not:
what it names and the database believes still sendable is moved to UNKNOWN before anybody claims.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

KEEP = timedelta(days=7)
COMPACT_AT_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One send: which instruction, signed when (exchange time), which bytes, after which event.

    `amount` is what the bytes say; a repay-all sends another than was placed. A line without an
    instruction marks a recovery: `epoch` is how many there were, whatever the database remembers.
    """

    instruction_id: str
    signed_at: datetime
    body_sha256: str
    last_event_id: int
    amount: Decimal | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal file of one data folder."""

    path: Path

    def append(self, entry: Entry) -> None:
        """Write one line and make it durable. Raises OSError; then nothing may be sent."""
        _write_durably(self.path, f"\n{_line_of(entry)}\n")

    def entries(self) -> Iterator[Entry]:
        """Every readable line; one torn by a power cut is passed over, since nothing was sent."""
        if not self.path.exists():
            return
        for line in self.path.read_text(errors="replace").splitlines():
            if entry := _parse(line):
                yield entry

    def first_of(self, instruction_id: str) -> Entry | None:
        """The first line of an instruction. Lines of all processes have one order, so only the
        writer of the first may send, whatever the database remembers.
        """
        mine = (entry for entry in self.entries() if entry.instruction_id == instruction_id)
        return next(mine, None)

    def compact(self, *, now: datetime) -> None:
        """Drop what is older than a week, once the file is large; at start only."""
        if not self.path.exists() or self.path.stat().st_size < COMPACT_AT_BYTES:
            return
        kept = [_line_of(entry) for entry in self.entries() if now - entry.signed_at < KEEP]
        draft = self.path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        _write_durably(draft, "".join(f"{line}\n" for line in kept))
        draft.replace(self.path)


def _line_of(entry: Entry) -> str:
    return json.dumps(
        {
            "instruction": entry.instruction_id,
            "signed_at": entry.signed_at.isoformat(),
            "sha256": entry.body_sha256,
            "event": entry.last_event_id,
            "amount": None if entry.amount is None else format(entry.amount, "f"),
            "epoch": entry.epoch,
        }
    )


def _write_durably(path: Path, text: str) -> None:
    content = text.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # A disk that is nearly full takes a part, and reports no error.
        if os.write(descriptor, content) != len(content):
            raise OSError(f"{path.name} was written only in part")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse(line: str) -> Entry | None:
    try:
        told = json.loads(line)
        signed_at = datetime.fromisoformat(told["signed_at"]).astimezone(UTC)
        amount = told.get("amount")
        return Entry(
            told["instruction"],
            signed_at,
            told["sha256"],
            int(told["event"]),
            None if amount is None else Decimal(amount),
            int(told.get("epoch", 0)),
        )
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return None
