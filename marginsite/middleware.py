"""What every answer carries, and who may ask: response headers, and sign-in by default."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

Handler = Callable[[HttpRequest], HttpResponse]


def security_headers(get_response: Handler) -> Handler:
    """Put the content policy on every answer, errors and fragments included, and keep pages out of
    caches.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if not request.path.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


class LoginRequired(LoginRequiredMiddleware):
    """Django's own default-deny; a fragment asked for without a session sends the whole page to
    sign-in.
    """

    def handle_no_permission(self, request: HttpRequest, view_func: Callable) -> HttpResponse:
        """Answer 401 with HX-Redirect to htmx, the usual redirect to everybody else."""
        if getattr(request, "htmx", False):
            answer = HttpResponse(status=401)
            answer.headers["HX-Redirect"] = resolve_url(settings.LOGIN_URL)
            return answer
        return super().handle_no_permission(request, view_func)
