"""Judges the answer to a borrow or repay. No I/O, and no guess: what is not listed is unknown.

A success needs status 200, code 1000 and an id; a refusal needs a code known to refuse, with
exactly the status that belongs to it. Everything else may have happened.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from loans.bitmart.codes import SUCCESS, proves_refusal
from loans.bitmart.errors import OutcomeUnknown, Rejected, plain
from loans.bitmart.protocol import MONEY_LIMIT_BYTES, Envelope, Malformed, parse_envelope
from loans.bitmart.transport import Answer

Kind = Literal["borrow", "repay"]

ID_FIELDS: Mapping[str, str] = {"borrow": "borrow_id", "repay": "repay_id"}

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OK = 200


@dataclass(frozen=True, slots=True)
class MoneyAnswer:
    """The exchange confirmed. `answer_id` is its own and need not occur in the records (C11)."""

    answer_id: str
    http_status: int
    trace: str


def classify(
    answer: Answer, *, kind: Kind, withdrawn: Collection[int] = (), hide: Iterable[str] = ()
) -> MoneyAnswer:
    """Return the confirmation, or raise what the answer amounts to.

    `withdrawn` names refusal codes that were once seen to lie; they prove nothing any more.
    Raises: Rejected, OutcomeUnknown.
    """
    status = answer.http_status
    doubt = _doubt(answer)
    if doubt:
        raise OutcomeUnknown(doubt, http_status=status)
    try:
        envelope = parse_envelope(answer.body, limit_bytes=MONEY_LIMIT_BYTES)
    except Malformed as exc:
        raise OutcomeUnknown(f"unusable answer: {exc}", http_status=status) from None
    if envelope.code == SUCCESS:
        return _confirmed(envelope, status, kind)
    detail = plain(envelope.message, hide=hide) or f"code {envelope.code}"
    if proves_refusal(envelope.code, status, withdrawn=withdrawn) and not _has_id(envelope):
        raise Rejected(detail, code=envelope.code, http_status=status)
    raise OutcomeUnknown(detail, code=envelope.code, http_status=status)


def _doubt(answer: Answer) -> str:
    """Say why the bytes themselves cannot be trusted; empty if they can."""
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return "the answer is encoded although that was not asked for"
    if not answer.is_framed:
        return "the answer does not say where it ends"
    length = answer.headers.get("content-length")
    if length is not None and length.strip() != str(len(answer.body)):
        return "the answer is not as long as it says"
    return ""


def _confirmed(envelope: Envelope, status: int, kind: Kind) -> MoneyAnswer:
    if status != _OK:
        raise OutcomeUnknown(
            "a success with the status of a failure", code=SUCCESS, http_status=status
        )
    answer_id = _id_text(envelope.data, ID_FIELDS[kind])
    if answer_id is None:
        raise OutcomeUnknown("a success without an id", code=SUCCESS, http_status=status)
    return MoneyAnswer(answer_id, status, plain(envelope.trace, limit=64))


def _id_text(data: object, name: str) -> str | None:
    value = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _has_id(envelope: Envelope) -> bool:
    """Whether a refusal carries an id all the same: then it contradicts itself."""
    data = envelope.data
    return isinstance(data, Mapping) and any(data.get(name) for name in ID_FIELDS.values())
