"""What the exchange's refusals mean in words: what happened, and what to do about it.

Codes are matched, never messages. Whether a code proves a refusal is not decided here.
"""

from decimal import Decimal

from loans import formatting
from loans.models import Instruction, Kind

# code: (what was wrong, what to do). {label} is the key, {symbol} and {currency} the slot, {limit}
# a sentence with the figure that would have passed (may be empty).
_MEANINGS: dict[int, tuple[str, str]] = {
    30001: ("the request carried no key", "Replace the key on the keys page."),
    30002: ("it does not know this key", "Check the key on the keys page and replace it."),
    30003: ("this key is frozen", "Unfreeze it at the exchange, or replace it."),
    30004: ("the request carried no signature", "Replace the key on the keys page."),
    30005: (
        "the signature is wrong, so the secret or the memo of {label} is",
        "Replace the key; the memo is the text you chose when you made it, not your user id.",
    ),
    30006: ("the request carried no time", "Check the key: its clock light says more."),
    30007: (
        "our clock and its clock are more than a minute apart, or the request came too late",
        "Check the key: its clock light says more. You may place it again.",
    ),
    30008: ("the request carried an unreadable time", "Check the key: its clock light says more."),
    30010: (
        "it does not accept this key from this server's address",
        "Add the server's address to the key's list at the exchange.",
    ),
    30011: ("this key has expired", "Make a new one at the exchange and replace it here."),
    30012: (
        "this key has no permission for margin trading",
        "Give it Margin-Trade at the exchange, or replace it with one that has it.",
    ),
    30013: ("too many requests were made", "Wait some seconds and place it again."),
    30018: ("it could not read the request", "An administrator can see the details."),
    50000: ("it called the request bad", "An administrator can see the details."),
    50001: ("it does not know the pair {symbol}", "Choose another pair."),
    50020: (
        "the balance in this pair's margin account is too small",
        "{limit}Move {currency} into it, or repay less.",
    ),
    50021: ("it called a value invalid", "Check the amount and place it again."),
    50028: ("something was missing in the request", "An administrator can see the details."),
    50040: ("the pair {symbol} is not available now", "Choose another pair, or try later."),
    51000: ("{symbol} does not have {currency}", "Choose a currency of the pair."),
    51001: (
        "no margin account is open for this pair",
        "Open isolated margin for {symbol} at the exchange once, then place it again.",
    ),
    51002: ("the margin account is not available", "Look at {symbol} in the exchange's own pages."),
    51003: (
        "the account has reached a limit",
        "Repay something first, or ask the exchange which limit it is.",
    ),
    51004: ("amount above what you can borrow now", "{limit}"),
    51005: ("amount below the smallest loan", "{limit}"),
    51006: ("amount above what is owed", "{limit}“Repay all” sends exactly what is owed."),
    51024: ("nothing is owed there", "{limit}The loan may have been repaid already."),
    53000: ("the account is frozen for security reasons", "Only the exchange can help."),
    53001: ("the account's country is restricted", "Only the exchange can help."),
    53002: ("the account's identity is not fully verified", "Verify it at the exchange."),
    53003: ("a sub-account has no right to this", "Use a key of the main account."),
    53004: ("this pair is not offered in the account's region", "Choose another pair."),
    53005: ("the account has no right to this interface", "Only the exchange can help."),
    53006: ("the account's identity is not verified", "Verify it at the exchange."),
    53007: ("the account's identity is not fully verified", "Verify it at the exchange."),
    53008: ("the service is not offered in the account's country", "Only the exchange can help."),
    53009: ("the account lacks a certification", "Complete it at the exchange."),
    53010: ("this account may not borrow", "Only the exchange can lift that."),
    53011: ("this type of account may not use margin loans", "Only the exchange can help."),
    57001: ("it did not accept the way of asking", "An administrator can see the details."),
    58001: ("it did not accept the form of the request", "An administrator can see the details."),
}

# The way out where the figure is not known.
_WITHOUT_FIGURE = {
    51004: "Borrow less, or put more collateral into this pair's margin account.",
    51005: "Borrow more; the pair's page shows the smallest loan.",
}

# Codes that do not say whether it happened; the instruction is looked up.
_UNCLEAR: dict[int, str] = {
    30014: "that its service was unavailable",
    30016: "that it is in maintenance",
    30017: "that it blocks our requests for a while",
    30019: "that the account lacks a permission",
    50022: "that its service was unavailable",
    51008: "that the operation is limited and should be tried later",
    59001: "that it did not find the account",
    59002: "that it failed inside",
    59003: "that its wallet could not be reached",
    59004: "that its margin wallet failed",
    59005: "that its margin wallet is restricted",
    59010: "that it has too little to lend",
}


def sentence(instruction: Instruction, limit: Decimal | None = None) -> str:
    """Why the exchange refused this instruction, and the way out.

    `limit` is the amount that would pass by the newest figures, if that is known.
    """
    code = instruction.code
    meaning = _MEANINGS.get(code) if code is not None else None
    if meaning is None:
        number = f" ({code})" if code is not None else ""
        return f"The exchange refused{number}. {instruction.explanation}".strip()
    places = {
        "label": instruction.account.label,
        "symbol": instruction.symbol,
        "currency": instruction.currency,
        "limit": _limit_sentence(instruction, limit),
    }
    what, way = (part.format(**places) for part in meaning)
    return f"The exchange refused: {what} ({code}). {way}".strip()


def unclear(code: int | None) -> str:
    """What a code that settles nothing said, as a clause; empty for other codes."""
    return f"{_UNCLEAR[code]} ({code})" if code in _UNCLEAR else ""


def _limit_sentence(instruction: Instruction, limit: Decimal | None) -> str:
    if limit is None:
        return _WITHOUT_FIGURE.get(instruction.code, "")
    figure = f"{formatting.grouped(limit)} {instruction.currency}"
    if instruction.code == 51005:
        return f"The smallest loan is {figure}."
    if instruction.kind == Kind.BORROW:
        return f"You can borrow up to {figure}." if limit else "You can borrow nothing there now."
    return f"You owe {figure} there. " if instruction.code != 50020 else f"{figure} is free there. "


def passing_limit(instruction: Instruction, figures: dict[str, Decimal | None]) -> Decimal | None:
    """The figure that this refusal turns on, out of `borrowable`, `least`, `owed`, `available`."""
    names = {51004: "borrowable", 51005: "least", 51006: "owed", 51024: "owed", 50020: "available"}
    name = names.get(instruction.code)
    return figures.get(name) if name else None
