"""The five lights of a key: what was tried, how it went, and what to do about it.

A light is green only for what was seen to work, red only for what the exchange refused, and not
known otherwise. Whether a key may withdraw cannot be asked, so nothing is said about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from loans.bitmart.errors import BitmartError, RateLimited, ReadError, Refused
from loans.bitmart.responses import BorrowRecord, Heard, Listing, Pair, ServerTime
from loans.models import Account, KeyLight
from loans.models import BorrowRecord as KeptBorrow
from loans.services.audit import By

Name, State = KeyLight.Name, KeyLight.State

FAR_OFF = timedelta(seconds=30)
WORTH_SETTING = timedelta(seconds=2)
OVERLAP_SIZE = 100
MARGIN_NOT_TRIED = "Not known until the first borrow or repay is answered."

_NEW_KEY = "Make a new key at the exchange and use Replace."
_SAME_COPY = "Copy it again from the exchange and use Replace; it must be copied whole."

# What each refusal says about which light, in words with a remedy.
# Reference: https://developer-pro.bitmart.com/en/spot/#error-code
VERDICTS: dict[int, tuple[str, str]] = {
    30001: (Name.READS, f"The exchange received no key. {_SAME_COPY}"),
    30002: (Name.READS, f"The exchange does not know this access key. {_SAME_COPY}"),
    30003: (Name.READS, f"The exchange has frozen this key. {_NEW_KEY}"),
    30011: (Name.READS, f"This key has expired. {_NEW_KEY}"),
    30012: (Name.READS, "The key has no right to read. Tick “Read-Only” on the key's page at the "
                        "exchange."),
    30019: (Name.READS, "The exchange denies this account the right. Its customer service can say "
                        "why."),
    53000: (Name.READS, "The exchange has frozen this account. Its customer service can say why."),
    53001: (Name.READS, "The exchange does not serve the country of this account."),
    53003: (Name.READS, "This is a sub-account without the right. Allow it in the main account."),
    53005: (Name.READS, "The account has no right to use this interface. Its customer service can "
                        "say why."),
    30010: (Name.IP, "The exchange refuses this server's address. Add the address to the key's IP "
                     "list at the exchange, or clear the list."),
    30004: (Name.SIGNS, f"The exchange received no signature. {_SAME_COPY}"),
    30005: (Name.SIGNS, "Secret or memo is wrong. The memo is the name you typed when you made the "
                        "key, not your account id; capitals matter. Use Replace."),
    30006: (Name.CLOCK, "The exchange received no time. Check again."),
    30007: (Name.CLOCK, "This server's clock is wrong by more than the exchange allows. Set it by "
                        "NTP and check again."),
    30008: (Name.CLOCK, "The exchange could not read this server's time. Check again."),
}  # fmt: skip

# Refusals of a loan call that are about the right to make it.
NO_MARGIN: dict[int, str] = {
    30012: "The key may not trade on margin. Tick “Margin-Trade” on its page at the exchange.",
    30019: "The exchange denies this account margin loans. Its customer service can say why.",
    53003: "This is a sub-account without the right. Allow it in the main account.",
    53005: "The account has no right to use this interface.",
    53010: "The exchange has restricted this account from borrowing.",
    53011: "The exchange does not lend to this type of account.",
}


class Checking(Protocol):
    """What a check needs of a client."""

    def server_time(self) -> ServerTime: ...
    def pairs(self) -> Listing[Pair]: ...
    def check_signature(self, *, clock_offset: timedelta) -> Heard: ...
    def borrow_records(self, symbol: str, *, size: int) -> Listing[BorrowRecord]: ...


@dataclass(frozen=True)
class Seen:
    """What one light shows after a check."""

    state: str
    detail: str
    code: int | None = None


def try_out(account: Account, *, client: Checking) -> dict[str, Seen]:
    """Try one thing at a time; gives what each attempt showed, by the light's name.

    Margin is not among them: only a loan call can tell. Nothing is written, for the calls take
    time; `finish` writes.
    """
    seen: dict[str, Seen] = {}
    offset = _try_clock(client, seen)
    reads = _attempt(client.pairs, Name.READS, seen)
    if reads:
        seen[Name.READS] = Seen(State.GREEN, _overlap_words(account, client))
    signs = _attempt(lambda: client.check_signature(clock_offset=offset), Name.SIGNS, seen)
    if signs:
        seen[Name.SIGNS] = Seen(State.GREEN, "")
    if reads or signs:
        seen.setdefault(Name.IP, Seen(State.GREEN, ""))
    return seen


def finish(account: Account, seen: dict[str, Seen], *, by: By) -> None:
    """Write the lights of a finished check; what it did not touch is not known.

    `account` is the row as it was when the check began: if another check was asked for since (the
    key was replaced), this one is about a key that is gone and is dropped.
    """
    has_red = any(light.state == State.RED for light in seen.values())
    words = "Not tried: what is red comes first." if has_red else "Could not be tried."
    was_answered = any(light.state == State.GREEN or light.code for light in seen.values())
    changes = {"check_finished_at": by.at} | ({"last_used_at": by.at} if was_answered else {})
    with transaction.atomic():
        same = Account.objects.filter(pk=account.pk, check_requested_at=account.check_requested_at)
        if not same.update(**changes):
            return
        for name in (Name.READS, Name.SIGNS, Name.CLOCK, Name.IP):
            _put(account, name, seen.get(name, Seen(State.NOT_KNOWN, words)), at=by.at)
        KeyLight.objects.get_or_create(
            account=account,
            name=Name.MARGIN,
            defaults={"detail": MARGIN_NOT_TRIED, "checked_at": by.at},
        )
        by.record("key_checked", account, lights={name: seen[name].state for name in seen})


def will_not_open(account: Account, *, by: By) -> None:
    """Say that the sealed key does not open here: another keyring, or an altered row."""
    words = (
        "The stored key does not open with this site's keys. Restore the CREDENTIAL_KEYS it was "
        "stored under, or use Replace."
    )
    by.record("key_would_not_open", account)
    finish(account, {Name.READS: Seen(State.RED, words)}, by=by)


def learn_from_money_call(account: Account, *, code: int | None, now: datetime) -> None:
    """Set the margin light from the answer of a borrow or repay; `code` None means it succeeded."""
    if code is None:
        seen = Seen(State.GREEN, "A borrow or repay was accepted.")
    elif code in NO_MARGIN:
        seen = Seen(State.RED, f"{NO_MARGIN[code]} ({code})", code)
    else:
        return
    _put(account, Name.MARGIN, seen, at=now)


def _try_clock(client: Checking, seen: dict[str, Seen]) -> timedelta:
    try:
        offset = client.server_time().offset
    except ReadError as exc:
        words = _refused(exc) if isinstance(exc, Refused) else _trouble(exc)
        seen[Name.CLOCK] = Seen(State.NOT_KNOWN, words, exc.code)
        return timedelta()
    words = _clock_words(offset)
    seen[Name.CLOCK] = Seen(State.RED if abs(offset) > FAR_OFF else State.GREEN, words)
    return offset


def _clock_words(offset: timedelta) -> str:
    milliseconds = abs(offset) // timedelta(milliseconds=1)
    much = (
        f"This server is {milliseconds} ms"
        if milliseconds < 10_000
        else f"This server is {milliseconds // 1000} s"
    )
    words = f"{much} {'behind' if offset > timedelta() else 'ahead of'} the exchange."
    return f"{words} Set it by NTP." if abs(offset) > WORTH_SETTING else words


def _attempt(call: Callable[[], object], name: str, seen: dict[str, Seen]) -> bool:
    """Make one call; if it fails, set the light that the answer is about."""
    try:
        call()
    except Refused as exc:
        about, words = VERDICTS.get(exc.code or 0, ("", ""))
        if about == Name.READS and name == Name.SIGNS:
            # The gate looks at key and right before it looks at the signature.
            words = f"Not tried: the key itself was refused first ({exc.code})."
            seen.setdefault(name, Seen(State.NOT_KNOWN, words, exc.code))
        elif about:
            seen[about] = Seen(State.RED, f"{words} ({exc.code})", exc.code)
        else:
            seen.setdefault(name, Seen(State.NOT_KNOWN, _refused(exc), exc.code))
    except BitmartError as exc:
        seen.setdefault(name, Seen(State.NOT_KNOWN, _trouble(exc), exc.code))
    else:
        return True
    return False


def _refused(exc: Refused) -> str:
    if exc.http_status == 404:
        return "This venue does not offer the question that would show it."
    code = f" ({exc.code})" if exc.code else ""
    return f"The exchange refused the question: {exc.detail or 'no reason given'}{code}."


def _trouble(exc: BitmartError) -> str:
    if isinstance(exc, RateLimited):
        return "Too many calls just now. Check again in a minute."
    return f"The exchange gave no usable answer: {exc.detail or 'nothing was said'}. Check again."


def _overlap_words(account: Account, client: Checking) -> str:
    """Whether the key lists the loans that this account's history has: it may be another's key."""
    newest = KeptBorrow.objects.filter(account=account).order_by("-at", "-id").first()
    if newest is None:
        return ""
    try:
        rows = client.borrow_records(newest.symbol, size=OVERLAP_SIZE).rows
    except BitmartError:
        return "The key reads. Whether it lists this history could not be tried."
    ids = {row.record_id for row in rows}
    kept = KeptBorrow.objects.filter(account=account, record_id__in=ids).count()
    if kept:
        return f"The key reads, and lists {kept} of {len(ids)} loans on {newest.symbol} kept here."
    return (
        f"The key reads, but lists none of this account's loans on {newest.symbol}: it may belong "
        "to another exchange account. If so, remove it and add it as a new one."
    )


def _put(account: Account, name: str, seen: Seen, *, at: datetime) -> None:
    KeyLight.objects.update_or_create(
        account=account,
        name=name,
        defaults={
            "state": seen.state,
            "detail": seen.detail[:300],
            "code": seen.code,
            "checked_at": at,
        },
    )


def base_lights(account: Account) -> list[KeyLight]:
    """The five lights in their order, those never tried as not known; for pages."""
    found = {light.name: light for light in account.lights.all()}
    start = account.created_at
    return [
        found.get(name) or KeyLight(account=account, name=name, checked_at=start)
        for name in (Name.READS, Name.SIGNS, Name.MARGIN, Name.CLOCK, Name.IP)
    ]


def sound_first(accounts: Sequence[Account]) -> list[Account]:
    """These in their order, but those whose key was found at fault behind the others: the first is
    what a page begins with. One query, none for a single one.
    """
    if len(accounts) < 2:
        return list(accounts)
    red = KeyLight.objects.filter(account__in=accounts, state=State.RED)
    at_fault = set(red.values_list("account_id", flat=True))
    return sorted(accounts, key=lambda account: account.pk in at_fault)
