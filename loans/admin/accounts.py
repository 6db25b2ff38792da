"""Accounts, without their keys: the name and the switches that hold back, nothing that loosens."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError

from loans.admin.base import Audited, ReadOnly, ReadOnlyRows
from loans.forms.texts import refuse_hidden
from loans.models import Account, AccountShare, Feed, KeyLight

SWITCHES = ("disabled", "stopped", "repay_only")


class AccountForm(forms.ModelForm):
    """An administrator may hold an account back; only whoever runs it lets it go again."""

    class Meta:
        """What may be changed."""

        model = Account
        fields = ("label", *SWITCHES)

    def clean_label(self) -> str:
        """A new name is one that the Keys page would take; an old one holds no switch up."""
        if "label" in self.changed_data:
            refuse_hidden(self.cleaned_data["label"])
        return self.cleaned_data["label"]

    def clean(self) -> dict[str, Any]:
        """Refuse to put a switch back."""
        found = super().clean() or {}
        for name in SWITCHES:
            if self.initial.get(name) and not found.get(name):
                text = "Its owner puts this back on the Keys page."
                self.add_error(name, ValidationError(text))
        return found


class LightRows(ReadOnlyRows):
    """What the last check showed."""

    model = KeyLight
    fields = ("name", "state", "code", "detail", "checked_at")
    readonly_fields = fields


class ShareRows(ReadOnlyRows):
    """With whom it is shared; its owner changes that on the Team page."""

    model = AccountShare
    fields = ("person", "role", "created_at")
    readonly_fields = fields


@admin.register(Account)
class AccountAdmin(Audited):
    """Everything about an account but its key. Accounts are added and removed on the Keys page."""

    form = AccountForm
    list_display = ("label", "venue", "owner", "fingerprint", "status", "stopped", "disabled")
    list_filter = ("venue", "status", "stopped", "disabled")
    list_select_related = ("owner",)
    search_fields = ("label", "fingerprint", "owner__username")
    inlines = (LightRows, ShareRows)
    readonly_fields = (
        "owner",
        "venue",
        "fingerprint",
        "status",
        "status_reason",
        "mode",
        "mode_reason",
        "allow_money",
        "probed_at",
        "check_requested_at",
        "check_finished_at",
        "last_used_at",
        "created_at",
        "removed_at",
    )
    fields = ("label", *SWITCHES, *readonly_fields)

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        """Nobody here."""
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Nobody: the history is kept."""
        return False


@admin.register(Feed)
class FeedAdmin(ReadOnly):
    """How fresh each repeated call is."""

    list_display = ("name", "venue", "account", "last_success_at", "failures", "error")
    list_filter = ("venue", "name")
    list_select_related = ("account",)
