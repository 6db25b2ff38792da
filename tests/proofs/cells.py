"""The cells of the fault matrix, as data: what goes wrong, and how it must end.

Thirteen places at which a process can end, 26 things a network can do, and eight other axes. How a
cell is played is elsewhere; an end is a state and how often the exchange executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

CONFIRMED, REJECTED, NOT_SENT = "CONFIRMED", "REJECTED", "NOT_SENT"
EXECUTED, NOT_EXECUTED, NEEDS_HUMAN = "EXECUTED", "NOT_EXECUTED", "NEEDS_HUMAN"
UNKNOWN, EXPIRED, ABORTED, CANCELLED = "UNKNOWN", "EXPIRED", "ABORTED", "CANCELLED"
NOTHING = "NOTHING"  # no instruction at all

Ends = frozenset[tuple[str, int]]


def ends(times: int, *states: str) -> Ends:
    """Any of these states, with so many executions."""
    return frozenset((state, times) for state in states)


# Where a process ends -> which column of the table holds: A nothing can be lost or a later process
# repeats the work, B committed but not wholly written, C wholly written but no outcome stored.
CRASHES: Mapping[str, str] = {
    "none": "A",
    "inserted": "A",
    "received": "A",
    "claimed": "A",
    "looked": "A",
    "signed": "A",
    "sending": "B",
    "connected": "B",
    "half_written": "B",
    "written": "C",
    "answered": "C",
    "stored": "A",
    "reconciling": "A",
}
BEFORE_SENDING = ("received", "claimed", "looked", "signed")
WHILE_SENDING = ("sending", "connected", "half_written", "written", "answered", "stored")

SHORT = Decimal("0.35")  # a deadline that is meant to pass
AMPLE = Decimal(8)  # one that is not, on a busy machine either


_NEVER_WHOLE = ends(0, NOT_EXECUTED)  # half a request is no request


@dataclass(frozen=True)
class Network:
    """What the network or the exchange does to the money call; `order` is the paper's fault."""

    name: str
    a: Ends
    c: Ends
    order: Mapping[str, object] = field(default_factory=dict)
    b: Ends = _NEVER_WHOLE
    deadline: Decimal = AMPLE

    def ends(self, crash: str) -> Ends:
        """How it must end."""
        return {"A": self.a, "B": self.b, "C": self.c}[CRASHES[crash]]


_FOUND = ends(1, EXECUTED)
_ABSENT = ends(0, NOT_EXECUTED)


def _executed(name: str, fault: str, *, a: Ends = _FOUND, **order: object) -> Network:
    deadline = order.pop("deadline", AMPLE)
    return Network(name, a, _FOUND, {"fault": fault, **order}, deadline=deadline)


def _lost(name: str, fault: str, **order: object) -> Network:
    deadline = order.pop("deadline", AMPLE)
    return Network(name, _ABSENT, _ABSENT, {"fault": fault, **order}, deadline=deadline)


_REFUSED = ends(0, NOT_SENT, NOT_EXECUTED)
NETWORK: tuple[Network, ...] = (
    Network("nothing", ends(1, CONFIRMED), _FOUND),
    Network("refused", ends(0, NOT_SENT), _REFUSED, {"fault": "closed port"}, b=_REFUSED),
    _lost("reset", "refuse"),
    _lost("read_then_closed", "drop"),
    _executed("executed_then_closed", "execute_then_drop"),
    _executed("answer_too_late", "execute_then_delay", seconds=1, deadline=SHORT),
    _executed("executed_late", "late_execution", seconds=1),
    _lost("held_until_expired", "delay", seconds=1, deadline=SHORT),
    _executed("truncated", "truncated"),
    _executed("short_of_length", "wrong_length"),
    _executed("executed_html_502", "html_502", execute=True),
    _executed("executed_unknown_code", "unknown_code", execute=True),
    _executed("success_without_id", "success_without_id"),
    _executed("id_nan", "id_nan"),
    _executed("eight_mib", "huge"),
    _executed("gzip_garbage", "gzip_garbage"),
    _executed("dripping", "drip", seconds=1, deadline=SHORT),
    _executed("id_is_a_number", "id_number", a=ends(1, CONFIRMED)),
    _executed("listed_near_the_bound", "late_record", seconds=115, tamper="no_answer"),
    _lost("html_502", "html_502"),
    _lost("cloudflare_403", "cloudflare_403"),
    _lost("blocked_418_page", "banned_html"),
    _lost("unknown_code", "unknown_code"),
    _lost("redirect", "redirect"),
    Network("refusal_51003", ends(0, REJECTED), _ABSENT, {"fault": "code", "code": 51003}),
    Network("too_many_429", ends(0, REJECTED), _ABSENT, {"fault": "too_many"}),
)


@dataclass(frozen=True)
class Cell:
    """One cell: an axis, two words that name it, and its allowed ends."""

    axis: str
    first: str
    second: str
    ends: Ends

    @property
    def name(self) -> str:
        """As reports and failures show it."""
        return (
            f"{self.axis}: {self.first} x {self.second}"
            if self.second
            else (f"{self.axis}: {self.first}")
        )


def _network() -> list[Cell]:
    return [
        Cell("network", crash, fault.name, fault.ends(crash))
        for crash in CRASHES
        for fault in NETWORK
    ]


# --- Database: five transactions, six ways to fail ----------------------------------------------
WRITES = ("insert", "claim", "sending", "outcome", "record")
DATABASE_FAULTS = ("locked", "disk_full", "read_only", "lost_in_commit", "deadlock", "conflict")


def _database() -> list[Cell]:
    cells = []
    for write in WRITES:
        for fault in DATABASE_FAULTS:
            end = ends(1, CONFIRMED)
            if write == "sending" and fault == "lost_in_commit":
                end = ends(0, NOT_EXECUTED)  # committed, but nobody knew: it must not be sent
            elif write == "outcome" and fault != "lost_in_commit":
                end = ends(1, EXECUTED)
            cells.append(Cell("database", write, fault, end))
    return cells


# --- Power and failover: the tail of the database's memory is lost ------------------------------
def _power() -> list[Cell]:
    after = {
        "insert": ends(0, NOTHING),
        "claim": ends(1, CONFIRMED),
        "sending": ends(1, EXECUTED),
        "outcome": ends(1, EXECUTED),
        "record": ends(1, CONFIRMED),
    }
    live = {**after, "sending": ends(1, CONFIRMED, EXECUTED)}
    return [Cell("power", write, "dead worker", after[write]) for write in WRITES] + [
        Cell("power", write, "live worker", live[write]) for write in WRITES
    ]


# --- Broker and processes -----------------------------------------------------------------------
BROKER = ("loses all", "delivers eight times", "delays two hours", "reorders", "is down")
SIGNALS = ("SIGTERM", "SIGKILL from outside", "stopped for 10 minutes", "stopped for 20 seconds")


def _broker() -> list[Cell]:
    plain = NETWORK[0]
    return [
        Cell(
            "broker",
            crash,
            trouble,
            ends(0, EXPIRED) if trouble == "delays two hours" else plain.ends(crash),
        )
        for crash in CRASHES
        for trouble in BROKER
    ]


def _after_signal(crash: str, kind: str) -> Ends:
    happened = ends(1, CONFIRMED, EXECUTED)
    if kind == "SIGTERM":
        return ends(1, CONFIRMED)  # a task under way is finished
    if kind == "SIGKILL from outside":
        return NETWORK[0].ends(crash)
    if kind == "stopped for 10 minutes" and CRASHES[crash] == "B":
        return ends(0, REJECTED, NOT_EXECUTED)  # its bytes had expired
    return happened


def _processes() -> list[Cell]:
    return [
        Cell("process", crash, kind, _after_signal(crash, kind))
        for crash in CRASHES
        for kind in SIGNALS
    ]


# --- Clocks, people, listings, outside actors ---------------------------------------------------
CLOCKS: Mapping[str, Ends] = {
    "30 s ahead": ends(1, CONFIRMED),
    "30 s behind": ends(1, CONFIRMED),
    "90 s ahead, answer lost": ends(1, EXECUTED),
    "90 s behind, request lost": ends(0, NOT_EXECUTED),
    "jumps ahead while sending": ends(0, EXPIRED),
    "jumps back while sending": ends(1, CONFIRMED),
    "no usable Date": ends(1, EXECUTED),
    "offset cannot be learned at first": ends(1, CONFIRMED),
}
PEOPLE: Mapping[str, Ends] = {
    "double click": ends(1, CONFIRMED),
    "two tabs": ends(1, CONFIRMED),
    "two people": ends(1, CONFIRMED),
    "back button": ends(1, CONFIRMED),
    "stale confirm page": ends(0, NOTHING),
    "another person's confirm page": ends(0, NOTHING),
    "signed out before confirming": ends(0, NOTHING),
    "role removed before the claim": ends(0, ABORTED),
    "role removed after signing": ends(0, ABORTED),
    "person deactivated": ends(0, ABORTED),
    "stop switch after signing": ends(0, ABORTED),
    "cancelled while a worker claims": ends(0, CANCELLED) | ends(1, CONFIRMED),
}
_UNDECIDED = ends(1, UNKNOWN, NEEDS_HUMAN)
LISTINGS: Mapping[str, Ends] = {
    "bounds in seconds": _UNDECIDED,
    "filter ignored": _UNDECIDED,
    "oldest first": ends(1, EXECUTED),
    "random order": ends(1, EXECUTED),
    "an id told twice, differently": _UNDECIDED,
    "full page of newer ones": _UNDECIDED,
    "record of another pair": _UNDECIDED,
    "negative amount": _UNDECIDED,
    "amount of a wrong type": _UNDECIDED,
    "listed 300 s late": ends(1, EXECUTED),
}
MOMENTS = ("before", "during", "after")
MODES = ("exclusive", "tagged", "shared")


def _outside() -> list[Cell]:
    """Somebody else borrows the same amount before, during or after; our answer is lost."""
    return [
        Cell(
            "outside",
            moment,
            mode,
            ends(1, EXECUTED) if moment == "before" or mode == "tagged" else ends(1, NEEDS_HUMAN),
        )
        for moment in MOMENTS
        for mode in MODES
    ]


def _listed(axis: str, cases: Mapping[str, Ends]) -> list[Cell]:
    return [Cell(axis, case, "", allowed) for case, allowed in cases.items()]


CELLS: tuple[Cell, ...] = (
    *_network(),
    *_database(),
    *_power(),
    *_broker(),
    *_processes(),
    *_listed("clock", CLOCKS),
    *_listed("people", PEOPLE),
    *_listed("listing", LISTINGS),
    *_outside(),
)
