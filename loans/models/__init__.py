"""The tables, one concept a file; import them from here."""

from loans.models.accounts import Account, AccountShare, KeyLight, Person, Preference, Venue
from loans.models.audit import AuditEvent
from loans.models.feeds import Feed, Heartbeat, RefusedRow, SiteState
from loans.models.instructions import (
    BEFORE_SENDING,
    FINAL,
    HAPPENED,
    NEVER_SENT,
    OPEN,
    UNDECIDED,
    Instruction,
    InstructionEvent,
    State,
)
from loans.models.jobs import Job
from loans.models.limits import CallCount
from loans.models.markets import (
    AccountTerms,
    MarginAccount,
    MarginSide,
    Market,
    RateChange,
    Side,
    Terms,
)
from loans.models.probes import Probe
from loans.models.records import (
    BorrowRecord,
    Coverage,
    CoverageGap,
    Kind,
    Observation,
    RepayRecord,
)
from loans.models.totals import ALL_PAIRS, RecordTotal

__all__ = [
    "ALL_PAIRS",
    "BEFORE_SENDING",
    "FINAL",
    "HAPPENED",
    "NEVER_SENT",
    "OPEN",
    "UNDECIDED",
    "Account",
    "AccountShare",
    "AccountTerms",
    "AuditEvent",
    "BorrowRecord",
    "CallCount",
    "Coverage",
    "CoverageGap",
    "Feed",
    "Heartbeat",
    "Instruction",
    "InstructionEvent",
    "Job",
    "KeyLight",
    "Kind",
    "MarginAccount",
    "MarginSide",
    "Market",
    "Observation",
    "Person",
    "Preference",
    "Probe",
    "RateChange",
    "RecordTotal",
    "RefusedRow",
    "RepayRecord",
    "Side",
    "SiteState",
    "State",
    "Terms",
    "Venue",
]
