"""The token of the confirm page: what a person saw is what is placed, or nothing is.

It is signed, bound to the person, the session and every figure shown, lives two minutes, and its
nonce is unique in the database, so that a double click is one instruction. It holds no secret.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "loans.confirm"
NONCE_BYTES = 18


class TokenRefused(Exception):
    """The token places nothing; a fresh confirm page is due.

    `seen` is what its page showed, if the signature holds and the same person saw it, else None.
    """

    def __init__(self, sentence: str, seen: "Confirmation | None" = None) -> None:
        """Keep the sentence for the person."""
        self.seen = seen
        super().__init__(sentence)


class TooQuick(Exception):
    """Confirmed sooner than anybody can read: the same page is shown again."""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Everything a confirm page shows that the instruction will carry."""

    person: str
    session: str
    account: str
    kind: str
    symbol: str
    currency: str
    amount: Decimal
    amount_cap: Decimal | None
    repay_all: bool
    rate_shown: Decimal
    owed_shown: Decimal
    nonce: str
    shown_at: datetime

    def text(self) -> str:
        """The signed text for the hidden field."""
        plain = {name: _to_text(value) for name, value in asdict(self).items()}
        return signing.dumps(plain, salt=SALT, compress=True)


def new_nonce() -> str:
    """A nonce that nobody guesses."""
    return secrets.token_urlsafe(NONCE_BYTES)


def session_mark(session_key: str | None) -> str:
    """A mark of the session that does not give the session away."""
    return salted_hmac(SALT, session_key or "").hexdigest()[:24]


def read(text: str, *, person_id: object) -> Confirmation:
    """Open a token of this person, whatever its age. Raises TokenRefused."""
    try:
        seen = _from_plain(signing.loads(text, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError, KeyError, InvalidOperation) as exc:
        raise TokenRefused(
            "This confirmation was not made by this site or has been altered. Nothing was placed; "
            "check the figures and confirm again."
        ) from exc
    if not constant_time_compare(seen.person, str(person_id)):
        raise TokenRefused(
            "This confirmation was made for somebody else. Nothing was placed; check the figures "
            "and confirm for yourself."
        )
    return seen


def check(
    seen: Confirmation,
    *,
    kind: str,
    session_key: str | None,
    now: datetime,
    min_seconds: Decimal,
    max_seconds: Decimal,
) -> None:
    """Whether it may place now. Raises TokenRefused or TooQuick."""
    if seen.kind != kind:
        raise TokenRefused(
            "This confirmation was made for the other kind of instruction. Nothing was placed.",
        )
    if not constant_time_compare(seen.session, session_mark(session_key)):
        raise TokenRefused(
            "You have signed in anew since this page was shown. Nothing was placed; check the "
            "figures and confirm again.",
            seen,
        )
    age = now - seen.shown_at
    if age > _seconds(max_seconds) or age < -_seconds(min_seconds):
        raise TokenRefused(
            "These figures were shown too long ago. Nothing was placed; here they are anew.", seen
        )
    if age < _seconds(min_seconds):
        raise TooQuick


def _seconds(value: Decimal) -> timedelta:
    return timedelta(milliseconds=int(value * 1000))


def _to_text(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, datetime) else value


def _from_plain(plain: dict[str, object]) -> Confirmation:
    cap = plain["amount_cap"]
    converted = {
        "amount": Decimal(plain["amount"]),
        "amount_cap": None if cap is None else Decimal(cap),
        "rate_shown": Decimal(plain["rate_shown"]),
        "owed_shown": Decimal(plain["owed_shown"]),
        "shown_at": datetime.fromisoformat(plain["shown_at"]),
    }
    seen = Confirmation(**(plain | converted))
    figures = (seen.amount, seen.rate_shown, seen.owed_shown, seen.amount_cap or seen.amount)
    if not all(figure.is_finite() for figure in figures) or seen.shown_at.tzinfo is None:
        raise ValueError("not a figure, or an instant without a zone")
    return seen
