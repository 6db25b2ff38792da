"""Who asks: the person behind a request, from where, how lately they proved who they are, in which
zone they see times, which accounts they see, and what the frame of their pages tells.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loans.models import Account
from loans.services import frame
from loans.services.audit import By
from loans.services.frame import Frame
from loans.services.sql import Converter, ask, converters, from_database

KEPT = "kept_while_proving"
_ANYONE = -1  # no person's key
_SHOWN = ("id", "venue", "label", "status", "exchange_account")


def who(request: HttpRequest, now: datetime) -> By:
    """The person, the moment and the address, for a service that writes them down."""
    return By(request.user, now, request.META.get("REMOTE_ADDR"))


def accounts_of(request: HttpRequest) -> list[Account]:
    """The accounts that the person sees, as far as a page shows them (never their sealed keys).
    For pages that change no account.
    """
    return _seen_by(request).accounts


def zone_name(request: HttpRequest) -> str:
    """The name of the zone in which the person sees times: UTC until another is chosen."""
    return _seen_by(request).zone_name if request.user.is_authenticated else "UTC"


def frame_of(request: HttpRequest) -> Frame:
    """What the frame of the page tells the person. For a GET, which changes nothing that it counts,
    as of the request's beginning; else as of now.
    """
    if _seen_by(request).framed is None:
        request.seen = _Seen(request.user.pk, framed=True)
    return frame.read(request.seen.framed)


class _Seen:
    """What every page asks of a person, read together and once a request."""

    def __init__(self, person: int, *, framed: bool) -> None:
        """Ask for it, `framed` with what the frame tells. One query."""
        self._reader = reader = _reader(framed=framed)
        given = [person if one == _ANYONE else one for one in reader.params]
        if framed:
            given += frame.values(timezone.now())
        rows = ask(reader.sql, [*given, person])
        self.framed = rows[0][: frame.WIDTH] if framed else None
        first = frame.WIDTH if framed else 0
        self.zone_name = rows[0][first] or "UTC"
        self._rows = [row[first + 1 :] for row in rows if row[first + 1] is not None]

    @cached_property
    def accounts(self) -> list[Account]:
        """The accounts, by venue and label."""
        reader = self._reader
        rows = from_database(self._rows, reader.steps)
        return [Account.from_db(DEFAULT_DB_ALIAS, reader.names, row) for row in rows]


def _seen_by(request: HttpRequest) -> _Seen:
    if not hasattr(request, "seen"):
        # A fragment shows nothing of the frame, and what is posted may change it.
        is_page = request.method == "GET" and "HX-Request" not in request.headers
        request.seen = _Seen(request.user.pk, framed=is_page)
    return request.seen


@dataclass(frozen=True, slots=True)
class _Reader:
    """The statement and how to read its answer, worked out once: that takes the ORM
    several times as long as the database to answer it.
    """

    sql: str
    params: tuple[object, ...]  # of the accounts; those of the frame and the person follow
    names: frozenset[str]
    steps: Sequence[tuple[int, Converter]]


@cache
def _reader(*, framed: bool) -> _Reader:
    fields = [field for field in Account._meta.concrete_fields if field.name in _SHOWN]
    visible = Account.objects.visible_to(User(pk=_ANYONE)).only(*_SHOWN).order_by()
    sql, params = visible.query.sql_with_params()
    columns, site = (f"{frame.COLUMNS}, ", frame.SITE) if framed else ("", "")
    return _Reader(
        # Joined to a row that is always there: a person may have no account, or no choice of zone.
        f"WITH seen AS ({sql}) "  # noqa: S608 - our own names
        f"SELECT {columns}preference.time_zone, seen.* FROM (SELECT 1) AS always {site} "
        "LEFT JOIN loans_preference AS preference ON preference.person_id = %s "
        "LEFT JOIN seen ON TRUE ORDER BY seen.venue, seen.label",
        params,
        names=frozenset(field.attname for field in fields),
        steps=converters(tuple(fields)),
    )


def has_proved_lately(request: HttpRequest) -> bool:
    """Whether this session saw a password or second factor within the last ten minutes."""
    records = get_authentication_records(request, request.user)
    if not records:
        return False
    return time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def prove_again(
    request: HttpRequest, *, then: str, keep: dict[str, str] | None = None
) -> HttpResponse:
    """Ask for the password, then go to `then`, a path of ours.

    What was posted is not sent again, and not kept but for the fields in `keep`, with which the
    page at `then` is filled in: a post may hold a key, and a session is no place for one.
    """
    if keep:
        request.session[KEPT] = {"path": then.partition("?")[0], "fields": keep}
    if request.method == "POST":
        messages.info(request, "First confirm that it is you; then do it once more.")
    query = urlencode({"next": then})
    response = HttpResponseRedirect(f"{reverse('account_reauthenticate')}?{query}")
    response.status_code = 303
    return response


def take_kept(request: HttpRequest) -> dict[str, str]:
    """What was typed on this page before the password was asked for, once; mostly nothing."""
    if request.session.get(KEPT, {}).get("path") != request.path:
        return {}
    return request.session.pop(KEPT)["fields"]
