"""What every answer carries, what is too much to ask, who asks and from where, and in which zone
times are shown.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from allauth.account.authentication import get_authentication_records
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.utils import timezone

from loans.views.who import has_proved_lately, prove_again, zone_name
from marginsite.cache import AWAY

logger = logging.getLogger(__name__)

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

MOST_FIELDS = 50
SIGNING = "/accounts/"  # allauth's addresses, whose attempts are counted
PEOPLE = ("/admin/auth/", "/admin/mfa/")
TYPED_INTO = ("/add/", "/password/")  # asked before anything is typed, not after

NOTED_EVERY = timedelta(minutes=1)
BY_ITSELF = "X-By-Itself"  # what the page's script says of a refresh that nobody asked for
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST_NOTED = 1000  # sessions that a process remembers

Handler = Callable[[HttpRequest], HttpResponse]


def security_headers(get_response: Handler) -> Handler:
    """Put the content policy on every answer, errors and fragments included, and keep pages out of
    caches.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        is_file = request.path_info.startswith(f"/{settings.STATIC_URL.strip('/')}/")
        if not is_file or response.status_code >= 400:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def client_address(get_response: Handler) -> Handler:
    """Take the caller's address from X-Forwarded-For, but only what trusted proxies put there."""
    networks = [ip_network(entry, strict=False) for entry in settings.TRUSTED_PROXIES]

    def is_trusted(address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in networks)

    def middleware(request: HttpRequest) -> HttpResponse:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        while hops and hops[-1] and is_trusted(request.META.get("REMOTE_ADDR", "")):
            request.META["REMOTE_ADDR"] = hops.pop()
        return get_response(request)

    return middleware


def modest_requests(get_response: Handler) -> Handler:
    """Refuse with 400 what no page of ours sends: a large body, many fields, a null character
    (which PostgreSQL cannot hold). The admin's lists of rights may have many fields.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise SuspiciousOperation("the body is too large")
        texts = [request.path]
        for fields in (request.GET, request.POST):
            found = [text for _, several in fields.lists() for text in several]
            if len(found) > MOST_FIELDS and not request.path_info.startswith("/admin/"):
                raise SuspiciousOperation("too many fields")
            texts += [*fields, *found]
        if any("\0" in text for text in texts):
            raise SuspiciousOperation("a null character")
        return get_response(request)

    return middleware


def words_for_wrong_ways(get_response: Handler) -> Handler:
    """Say on a page that an address takes only what a button sends: Django answers with nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and not response.content and request.method == "GET":
            response.content = render_to_string("405.html", request=request)
        return response

    return middleware


class CannotCount:
    """What needs the cache to count, such as attempts to sign in, is refused on a page of its own
    while the cache is away: nobody is let in uncounted, and nothing is broken.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503, if it is the cache; what an action of ours meets is no business of this."""
        if not (isinstance(exception, AWAY) and request.path_info.startswith(SIGNING)):
            return None
        why = type(exception).__name__
        logger.error("The cache does not answer (%s): %s is refused", why, request.path_info)
        answer = HttpResponse(render_to_string("uncounted.html", request=request), status=503)
        answer.headers["Retry-After"] = "30"
        return answer


def proof_for_people(get_response: Handler) -> Handler:
    """Whoever changes people, their rights or their second factors in the admin has shown a
    password lately, as for every other loosening; what is posted without is not kept.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        place = request.path_info  # whatever stands in front of every address here
        changes = request.method not in ("GET", "HEAD") or place.endswith(TYPED_INTO)
        is_staff = place.startswith(PEOPLE) and request.user.is_staff
        if is_staff and changes and not has_proved_lately(request):
            return prove_again(request, then=request.path)
        return get_response(request)

    return middleware


def sessions_in_use(get_response: Handler) -> Handler:
    """Note when and from where each session is used, for the list of a person's sessions, and end
    those that nobody used for half an hour or that began half a day ago. A page that refreshes
    itself is no sign of a person.

    Once a minute by each process, and at once when it sees another address or browser. With every
    page, as allauth's own middleware does it, each reader would take a turn at the write lock that
    the money path waits for.
    """
    noted: dict[str, tuple[str, str, datetime]] = {}  # what this process wrote last, by session

    def middleware(request: HttpRequest) -> HttpResponse:
        key = request.session.session_key
        if key and request.user.is_authenticated:
            seen = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_USER_AGENT", "")
            now = timezone.now()
            address, browser, at = noted.get(key, ("", "", NEVER))
            if (address, browser) != seen or not timedelta(0) <= now - at < NOTED_EVERY:
                if reason := _why_ended(request, key, now):
                    # The row of its last use stays: requests beside this one are to find it.
                    logout(request)
                    if request.path != resolve_url(settings.LOGIN_URL):
                        messages.info(request, reason)
                elif BY_ITSELF not in request.headers:
                    UserSession.objects.create_from_request(request)
                    if len(noted) >= MOST_NOTED:
                        noted.clear()
                    noted[key] = (*seen, now)
        return get_response(request)

    return middleware


def _why_ended(request: HttpRequest, key: str, now: datetime) -> str:
    """Why this session is at its end; empty while it goes on. One query."""
    records = get_authentication_records(request, request.user)
    if records and now.timestamp() - records[0]["at"] >= settings.SESSION_COOKIE_AGE:
        return "You were signed out, as everybody is after 12 hours."
    row = UserSession.objects.filter(session_key=key).values_list("last_seen_at").first()
    proved = [datetime.fromtimestamp(records[-1]["at"], UTC)] if records else []
    used = max([*(row or ()), *proved], default=now)
    if now - used >= settings.SESSION_UNUSED:
        return "You were signed out, because there was no sign of you for a while."
    return ""


def local_time(get_response: Handler) -> Handler:
    """Show times in the zone that the person has chosen, in UTC until then."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone_of(request)):
            return get_response(request)

    return middleware


def _zone_of(request: HttpRequest) -> ZoneInfo:
    try:
        return ZoneInfo(zone_name(request))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


class LoginRequired(LoginRequiredMiddleware):
    """Django's own default-deny; a fragment asked for without a session sends the whole page to
    sign-in.
    """

    def handle_no_permission(self, request: HttpRequest, view_func: Callable) -> HttpResponse:
        """Answer 401 with HX-Redirect to htmx, the usual redirect to everybody else; after a post
        it leads to the start, since what is posted to may be no page.
        """
        if getattr(request, "htmx", False):
            answer = HttpResponse(status=401)
            answer.headers["HX-Redirect"] = resolve_url(settings.LOGIN_URL)
            return answer
        if request.method not in ("GET", "HEAD"):
            messages.info(request, "You were signed out before this came: nothing was done.")
            return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))
        return super().handle_no_permission(request, view_func)
