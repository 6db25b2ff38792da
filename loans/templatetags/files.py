"""The menu that saves a list: every form with its address, for exactly the rows that are shown."""

from django import template
from django.urls import reverse

from loans.services import file_forms
from loans.services.file_forms import Form
from loans.services.filters import HistoryFilter

register = template.Library()


@register.simple_tag
def file_links(kind: str, chosen: HistoryFilter) -> dict[str, list[tuple[str, str]]]:
    """`{% file_links kind chosen as links %}`: `lists` and `presets`, each of label and address."""
    return {
        "lists": [(form.label, _address(form, kind, chosen)) for form in file_forms.LISTS],
        "presets": [(form.label, _address(form, kind, chosen)) for form in file_forms.PRESETS],
    }


def _address(form: Form, kind: str, chosen: HistoryFilter) -> str:
    query = chosen.query
    return reverse(f"loans:history_{kind}s_file", args=[form.slug]) + (f"?{query}" if query else "")
