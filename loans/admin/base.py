"""What the admin's pages share: rows that may be changed, with a trail, and rows to look at."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from loans.models import Account
from loans.services.audit import By


def audited(request: HttpRequest, action: str, row: models.Model, **facts: Any) -> None:
    """Put a change made here into the audit trail: which row and which fields, never the values."""
    by = By(request.user, timezone.now(), request.META.get("REMOTE_ADDR"))
    account = row if isinstance(row, Account) else None
    by.record(
        action,
        account,
        kind=str(row._meta.verbose_name),
        row=str(row.pk),
        name=str(row)[:80],
        **facts,
    )


def changed_fields(message: Any) -> list[str]:
    """The names of the changed fields in the admin's own description of a change."""
    entries = message if isinstance(message, list) else []
    found = [part for entry in entries for part in entry.values() if isinstance(part, dict)]
    return sorted({str(name) for part in found for name in part.get("fields", [])})


class Audited(admin.ModelAdmin):
    """Rows that may be changed here; the trail is told."""

    show_full_result_count = False

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Tell the trail, and the admin's own history."""
        audited(request, "admin_added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Tell the trail, and the admin's own history."""
        audited(request, "admin_changed", obj, fields=changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: models.QuerySet) -> Any:
        """Tell the trail, and the admin's own history."""
        for row in queryset:
            audited(request, "admin_deleted", row)
        return admin.ModelAdmin.log_deletions(self, request, queryset)


class ReadOnly(admin.ModelAdmin):
    """Rows to look at: no adding, changing or deleting, whoever asks."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False


class ReadOnlyRows(admin.TabularInline):
    """Rows of another table beside a row, to look at."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False
