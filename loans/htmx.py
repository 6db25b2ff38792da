"""One URL per page: the whole page, or the one fragment htmx asked for.

The view lists which fragments may be asked for; the browser never chooses a template.
"""

from collections.abc import Collection, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

VARY = ("HX-Request", "HX-Target", "HX-Boosted", "HX-History-Restore-Request")


class HtmxHttpRequest(HttpRequest):
    """A request that went through django-htmx's middleware."""

    htmx: HtmxDetails


def asked_fragment(request: HtmxHttpRequest, partials: Collection[str]) -> str | None:
    """The id of the fragment to answer with, or None for the whole page."""
    htmx = request.htmx
    if htmx.target not in partials:
        return None
    is_asked = htmx and not htmx.boosted and not htmx.history_restore_request
    return htmx.target if is_asked else None


def render_page(
    request: HtmxHttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    partials: Collection[str] = (),
    status: int = 200,
) -> HttpResponse:
    """Render the page, or `loans/partials/<id>.html` if HX-Target names one of `partials`.

    A fragment's file is named after its id with underscores: `loan-table` is `loan_table.html`.
    """
    fragment = asked_fragment(request, partials)
    if fragment is not None:
        template = f"loans/partials/{fragment.replace('-', '_')}.html"
    response = render(request, template, dict(context or {}), status=status)
    patch_vary_headers(response, VARY)
    return response


def answer_fragment(html: str) -> HttpResponse:
    """Answer with a fragment that was written without a template, everything in it escaped."""
    return HttpResponse(html, headers={"Vary": ", ".join(VARY)})
