"""What the tests of the borrow, repay and instruction pages share: a desk with fresh figures."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from loans.models import Account, Heartbeat, Market, Side
from loans.services.confirmations import SALT
from tests import factories

TOKEN = re.compile(r'name="token" value="([^"]+)"')
DIMMED = re.compile(r'<span class="z">([^<]*)</span>')
MARGIN_FIELDS = {"borrow_unpaid": "15", "interest_unpaid": "0.00034374"}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An account with everything read a moment ago, and its owner signed in."""

    owner: User
    account: Account
    market: Market
    client: Client
    now: datetime

    def fields(self, **changes: str) -> dict[str, str]:
        """What the form posts for 20 USDT on BTC_USDT."""
        usual = {
            "account": str(self.account.pk),
            "symbol": "BTC_USDT",
            "currency": "USDT",
            "amount": "20",
        }
        return {name: value for name, value in (usual | changes).items() if value}


def make_desk(*, owed: bool = False, owner: User | None = None, **account: object) -> Desk:
    """A paper account on BTC_USDT: 135.12 USDT borrowable, 100 free, maybe 15.00034374 owed."""
    now = timezone.now()
    owner = owner or factories.make_person()
    row = factories.make_account(owner=owner, **account)
    market = factories.make_market(venue=row.venue, as_of=now)
    for side in Side:
        factories.make_terms(market=market, side=side, as_of=now)
        factories.make_account_terms(account=row, market=market, side=side, as_of=now)
    margin = factories.make_margin_account(account=row, market=market, as_of=now)
    factories.make_margin_side(margin_account=margin, **(MARGIN_FIELDS if owed else {}))
    Heartbeat.objects.create(name="money", at=now + timedelta(minutes=5))
    return Desk(owner=owner, account=row, market=market, client=signed_in(owner), now=now)


def signed_in(person: User) -> Client:
    """A browser of its own for a person."""
    client = Client()
    client.force_login(person)
    return client


def text_of(response: HttpResponse) -> str:
    """The page's text, with figures in one piece."""
    return DIMMED.sub(r"\1", response.content.decode())


def token_of(response: HttpResponse) -> str:
    """The token on a confirm page."""
    return TOKEN.search(response.content.decode()).group(1)


def aged(token: str, *, seconds: int) -> str:
    """The same token as if its page had been shown earlier: time is passed, not waited for."""
    plain = signing.loads(token, salt=SALT)
    shown = datetime.fromisoformat(plain["shown_at"]) - timedelta(seconds=seconds)
    return signing.dumps(plain | {"shown_at": shown.isoformat()}, salt=SALT, compress=True)


def altered(token: str, **changes: object) -> str:
    """A token with other contents, signed as the site signs."""
    plain = signing.loads(token, salt=SALT)
    return signing.dumps(plain | changes, salt=SALT, compress=True)
