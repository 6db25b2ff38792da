"""Who asks: the person behind a request, from where, how lately they proved who they are, and which
accounts they see.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.db import DEFAULT_DB_ALIAS, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from loans.models import Account
from loans.services.audit import By
from loans.services.sql import Converter, ask, converters, from_database

KEPT = "kept_while_proving"
_ANYONE = -1  # no person's key
_SHOWN = ("id", "venue", "label", "status", "exchange_account")


def who(request: HttpRequest, now: datetime) -> By:
    """The person, the moment and the address, for a service that writes them down."""
    return By(request.user, now, request.META.get("REMOTE_ADDR"))


def accounts_of(request: HttpRequest) -> list[Account]:
    """The accounts that the person sees, as far as a page shows them (never their sealed keys),
    read once a request: the page and its frame ask for them. For pages that change no account.
    """
    if not hasattr(request, "accounts_seen"):
        request.accounts_seen = _visible(connection.vendor).read(request.user.pk)
    return request.accounts_seen


@dataclass(frozen=True, slots=True)
class _Visible:
    """The statement of `visible_to` and how to read its answer, worked out once an engine: that
    takes the ORM several times as long as the database to answer it.
    """

    sql: str
    params: tuple[object, ...]
    names: Sequence[str]
    steps: Sequence[tuple[int, Converter]]

    def read(self, person: int) -> list[Account]:
        """The accounts that this person sees. One query."""
        rows = ask(self.sql, [person if one == _ANYONE else one for one in self.params])
        rows = from_database(rows, self.steps)
        return [Account.from_db(DEFAULT_DB_ALIAS, self.names, row) for row in rows]


@cache
def _visible(vendor: str) -> _Visible:
    fields = [field for field in Account._meta.concrete_fields if field.name in _SHOWN]
    seen = Account.objects.visible_to(User(pk=_ANYONE)).only(*_SHOWN)
    return _Visible(
        *seen.query.sql_with_params(),
        names=[field.attname for field in fields],
        steps=converters(tuple(fields), vendor),
    )


def zone_name(person: AbstractBaseUser | AnonymousUser) -> str:
    """The name of the zone in which this person sees times: UTC until another is chosen."""
    if not person.is_authenticated:
        return "UTC"
    rows = ask("SELECT time_zone FROM loans_preference WHERE person_id = %s", [person.pk])
    return rows[0][0] if rows else "UTC"


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
        request.session[KEPT] = {"path": then, "fields": keep}
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
