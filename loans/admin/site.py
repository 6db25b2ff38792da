"""What holds for the whole site: the stop switch, and what live pages say of the wind-down."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from loans.admin.base import Audited
from loans.models import SiteState
from loans.services import stops
from loans.services.audit import By

admin.site.site_header = "marginsite administration"
admin.site.site_title = "marginsite admin"
admin.site.index_title = "People, switches, and what happened"
admin.site.disable_action("delete_selected")


class SiteForm(forms.ModelForm):
    """A stop is thrown here as everywhere; it is released where the password is asked for."""

    class Meta:
        """What may be changed."""

        model = SiteState
        fields = ("stopped", "stopped_reason", "repay_only", "wind_down_notice")

    def clean(self) -> dict[str, Any]:
        """Refuse to put a switch back."""
        found = super().clean() or {}
        for name in ("stopped", "repay_only"):
            if self.initial.get(name) and not found.get(name):
                text = "Put it back on the Keys page, where your password is asked for again."
                self.add_error(name, ValidationError(text))
        return found


@admin.register(SiteState)
class SiteAdmin(Audited):
    """The one row of the site."""

    form = SiteForm
    list_display = ("__str__", "stopped", "repay_only")
    fields = ("stopped", "stopped_reason", "repay_only", "wind_down_notice", "recovery_epoch")
    readonly_fields = ("recovery_epoch",)

    def save_model(
        self, request: HttpRequest, obj: SiteState, form: forms.ModelForm, change: bool
    ) -> None:
        """Throw switches through the same service as the Keys page; each leaves its own event."""
        by = By(request.user, timezone.now(), request.META.get("REMOTE_ADDR"))
        if "wind_down_notice" in form.changed_data:
            SiteState.objects.filter(pk=obj.pk).update(wind_down_notice=obj.wind_down_notice)
            by.record("site_notice_changed")
        if obj.stopped and {"stopped", "stopped_reason"} & set(form.changed_data):
            stops.stop_site(by=by, reason=obj.stopped_reason)
        if obj.repay_only and "repay_only" in form.changed_data:
            stops.set_site_repay_only(on=True, by=by)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is one, always."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
