"""What happened, to look at: instructions, records, observations, markets, refusals, the trail."""

from django.contrib import admin

from loans import periods
from loans.admin.base import ReadOnly, ReadOnlyRows
from loans.models import (
    AuditEvent,
    BorrowRecord,
    Coverage,
    CoverageGap,
    Heartbeat,
    Instruction,
    InstructionEvent,
    Market,
    Observation,
    RateChange,
    RecordTotal,
    RefusedRow,
    RepayRecord,
    Terms,
)


class EventRows(ReadOnlyRows):
    """Everything that happened to an instruction."""

    model = InstructionEvent
    fields = ("sequence", "at", "from_state", "to_state", "by", "note", "facts")
    readonly_fields = fields


@admin.register(Instruction)
class InstructionAdmin(ReadOnly):
    """What was asked for. It is placed, cancelled and settled on the site, by those who may."""

    list_display = ("created_at", "account", "kind", "amount", "currency", "symbol", "state")
    list_filter = ("state", "kind", "account__venue")
    list_select_related = ("account",)
    search_fields = ("id", "symbol", "answer_id", "account__label")
    date_hierarchy = "created_at"
    inlines = (EventRows,)
    exclude = ("nonce",)


@admin.register(InstructionEvent)
class InstructionEventAdmin(ReadOnly):
    """Every event, newest first."""

    list_display = ("at", "instruction", "from_state", "to_state", "by", "note")
    list_select_related = ("instruction", "by")
    ordering = ("-id",)


@admin.register(BorrowRecord)
class BorrowRecordAdmin(ReadOnly):
    """Loans as the venue lists them."""

    list_display = ("at", "account", "symbol", "principal", "currency", "record_id")
    list_filter = ("account__venue", "currency", "story_changed")
    list_select_related = ("account",)
    search_fields = ("record_id", "symbol")


@admin.register(RepayRecord)
class RepayRecordAdmin(ReadOnly):
    """Repayments as the venue lists them."""

    list_display = ("at", "account", "symbol", "amount", "currency", "record_id")
    list_filter = ("account__venue", "currency", "story_changed")
    list_select_related = ("account",)
    search_fields = ("record_id", "symbol")


@admin.register(Observation)
class ObservationAdmin(ReadOnly):
    """What the venue said of a record, whenever it said something else."""

    list_display = ("seen_at", "account", "kind", "record_id")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("record_id",)
    ordering = ("-id",)


@admin.register(RecordTotal)
class RecordTotalAdmin(ReadOnly):
    """What the records add up to; `manage.py verify_totals` compares them."""

    list_display = ("account", "kind", "symbol", "span", "currency", "records", "principal")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("symbol", "currency")
    ordering = ("-id",)

    @admin.display(description="Period", ordering="period")
    def span(self, total: RecordTotal) -> str:
        """The period in words."""
        return periods.words(total.period)


class GapRows(ReadOnlyRows):
    """Spans that could not be proven."""

    model = CoverageGap
    fields = ("starts_at", "ends_at", "reason")
    readonly_fields = fields


@admin.register(Coverage)
class CoverageAdmin(ReadOnly):
    """Which span of each stream is proven complete."""

    list_display = ("account", "symbol", "kind", "complete_from", "complete_to", "trusted")
    list_filter = ("kind", "trusted")
    list_select_related = ("account",)
    search_fields = ("symbol",)
    inlines = (GapRows,)


class TermsRows(ReadOnlyRows):
    """What borrowing each side costs."""

    model = Terms
    fields = ("side", "currency", "daily_rate", "min_borrow", "max_borrow", "changed_at", "as_of")
    readonly_fields = fields


@admin.register(Market)
class MarketAdmin(ReadOnly):
    """Pairs as the venue last told them; the next answer of the venue would undo any change."""

    list_display = ("symbol", "venue", "max_leverage", "enabled", "last_price", "as_of")
    list_filter = ("venue", "enabled")
    search_fields = ("symbol",)
    inlines = (TermsRows,)


@admin.register(RateChange)
class RateChangeAdmin(ReadOnly):
    """What each side's rate became, newest first."""

    list_display = ("at", "market", "side", "daily_rate")
    list_filter = ("market__venue", "side")
    list_select_related = ("market",)
    search_fields = ("market__symbol",)
    ordering = ("-id",)


@admin.register(RefusedRow)
class RefusedRowAdmin(ReadOnly):
    """Rows of answers that cannot be true or read."""

    list_display = ("last_seen_at", "venue", "account", "source", "reason", "times_seen")
    list_filter = ("venue", "source")
    list_select_related = ("account",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    """The audit trail."""

    list_display = ("at", "actor", "action", "account", "address")
    list_filter = ("action",)
    list_select_related = ("actor", "account")
    search_fields = ("actor__username", "account__label", "address")


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly):
    """When each part last showed life."""

    list_display = ("name", "at")
