"""The borrow and repay form: what people type, checked before anything is stored.

Which account, pair and currency are meant is read here from a query or a post; what the exchange
or other rows make of it is the services' business.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django import forms
from django.http import QueryDict

from loans.models import Account, Instruction, Kind, MarginSide, Market, Person
from loans.services import lights, quotes
from loans.services.quotes import Quote

AMOUNT_SHAPE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")
SYMBOL_LENGTH = 40
USUAL_SYMBOL = "BTC_USDT"


class Unreachable(Exception):
    """The account asked for does not exist for this person: the page is not found."""


class OnlyLooking(Exception):
    """The person sees the account but may not move money with it; says why."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is chosen so far, and what there is to choose from."""

    kind: Kind
    accounts: list[Account]
    account: Account | None
    markets: list[Market]
    market: Market | None
    currency: str
    symbol_text: str

    @property
    def currencies(self) -> list[str]:
        """Both currencies of the pair, the quote currency first: it is the usual one."""
        return [self.market.quote, self.market.base] if self.market else []


class AmountField(forms.CharField):
    """An amount typed by a person: plain digits, at most 12 before the point and 8 behind it."""

    def __init__(self) -> None:
        """Ask for digits on a phone, and keep browsers from remembering."""
        attributes = {
            "inputmode": "decimal",
            "autocomplete": "off",
            "spellcheck": "false",
            # What is typed while new figures are on their way stays.
            "hx-preserve": "true",
        }
        super().__init__(
            label="Amount",
            max_length=64,
            widget=forms.TextInput(attrs=attributes),
            error_messages={
                "required": "Enter an amount, for example 20 or 0.5.",
                "max_length": "Enter at most 12 digits before the point and 8 after it.",
            },
        )

    def clean(self, value: object) -> Decimal:
        """Give the Decimal, or say what is wrong and what is right."""
        text = super().clean(value)
        problem = amount_problem(text)
        if problem:
            raise forms.ValidationError(problem)
        return Decimal(text)


def amount_problem(text: str) -> str:
    """What is wrong with a typed amount, with a way out; empty if nothing is."""
    if not text:
        return "Enter an amount, for example 20 or 0.5."
    if text.startswith(("-", "+", "−")):
        return "Write the amount without a sign, for example 20."
    if "," in text or " " in text:
        return "Write the amount without commas or spaces, with a point before the decimals: 1234.5"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]{1,2}", text):
        full = format(Decimal(text), "f")
        return f"Write the amount out in full, without an exponent: {full}"
    if AMOUNT_SHAPE.fullmatch(text):
        return "" if Decimal(text) else "Enter an amount above 0."
    whole, point, decimals = text.partition(".")
    if not re.fullmatch(r"[0-9]*\.?[0-9]*", text) or text == ".":
        return "Use digits and at most one point, for example 20 or 0.5."
    if not whole:
        return f"Write a 0 before the point: 0.{decimals}"
    if point and not decimals:
        return f"Write digits after the point, or leave it out: {whole}"
    if len(decimals) > 8:
        return f"Use at most 8 digits after the point; you typed {len(decimals)}."
    return f"Use at most 12 digits before the point; you typed {len(whole)}."


class TradeForm(forms.Form):
    """One borrow or repay: where, in what, how much."""

    account = forms.ChoiceField(error_messages={"required": "Choose an account."})
    symbol = forms.ChoiceField(label="Pair", error_messages={"required": "Choose a pair."})
    currency = forms.ChoiceField(error_messages={"required": "Choose a currency."})
    amount = AmountField()

    def __init__(
        self, data: QueryDict | None = None, *, choice: Choice, now: datetime, **kwargs: object
    ) -> None:
        """Take what is chosen so far; the choices follow from it."""
        self.choice = choice
        self.repay_all = bool(data and data.get("repay_all") and choice.kind == Kind.REPAY)
        self.quote = self._read_quote(now)
        super().__init__(data, **kwargs)
        if not data:
            self.initial |= {
                "account": str(choice.account.pk) if choice.account else "",
                "symbol": choice.market.symbol if choice.market else "",
                "currency": choice.currency,
            }
        self._offer()

    def _read_quote(self, now: datetime) -> Quote | None:
        chosen = self.choice
        if not (chosen.account and chosen.market and chosen.currency):
            return None
        try:
            return quotes.read(
                account=chosen.account,
                market=chosen.market,
                currency=chosen.currency,
                kind=chosen.kind,
                now=now,
            )
        except LookupError:
            return None

    def _offer(self) -> None:
        chosen = self.choice
        self.fields["account"].choices = [
            (str(account.pk), account.named) for account in chosen.accounts
        ]
        symbols = [
            (market.symbol, market.symbol + ("" if market.enabled else " (disabled)"))
            for market in chosen.markets
        ]
        self.fields["symbol"].choices = [("", "Choose a pair"), *symbols]
        self.fields["currency"].choices = [(code, code) for code in chosen.currencies]
        if chosen.market is None:  # one complaint, about the pair, is enough
            typed = self.data.get("currency", "")
            self.fields["currency"].required = False
            self.fields["currency"].choices = [(typed, typed or "Choose a pair first")]
        for field, words in (("symbol", "is not listed"), ("currency", "is not of this pair")):
            self.fields[field].error_messages["invalid_choice"] = (
                f"“%(value)s” {words}. Choose one from the list."
            )
        if self.repay_all:
            # What stands in the field then counts for nothing, but it is kept.
            self.fields["amount"] = forms.CharField(required=False)

    def clean(self) -> dict[str, object]:
        """Hold the amount against the figures last read."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        if self.quote is None:
            self.add_error(
                "symbol",
                "No rates of this pair have been read yet. They are read every minute: try again "
                "shortly, or choose another pair.",
            )
        elif self.repay_all:
            self._clean_repay_all(cleaned)
        else:
            problem = quotes.refusal(self.quote, cleaned["amount"])
            if problem:
                self.add_error("amount", problem)
        return cleaned

    def _clean_repay_all(self, cleaned: dict[str, object]) -> None:
        owed = self.quote.debt.total
        problem = quotes.refusal(self.quote, owed)
        if not owed:
            problem = (
                f"Nothing is known to be owed in {self.quote.currency} on "
                f"{self.quote.market.symbol} with this account."
            )
        if problem:
            self.add_error(None, problem)
        cleaned["amount"] = owed


def choose(fields: QueryDict, *, person: Person, kind: Kind, is_final: bool) -> Choice:
    """What a query or post means, with the usual choices where it is silent.

    A pair that does not exist is left unchosen; so is a currency of another pair once the choice
    `is_final`, while a person who is still choosing gets the usual one instead. Raises Unreachable
    for an account that is not there for this person, OnlyLooking for one not to be traded with.
    """
    accounts = list(Account.objects.tradable_by(person).order_by("venue", "label", "pk"))
    account = _chosen_account(fields.get("account", ""), accounts, person)
    venue = account.venue if account else None
    markets = list(Market.objects.filter(venue=venue).order_by("symbol"))
    symbol_text = fields.get("symbol", "").strip()[:SYMBOL_LENGTH]
    symbol = symbol_text or _usual_symbol(account, kind)
    market = next((market for market in markets if market.symbol == symbol), None)
    return Choice(
        kind=kind,
        accounts=accounts,
        account=account,
        markets=markets,
        market=market,
        currency=_chosen_currency(fields.get("currency", ""), account, market, kind, is_final),
        symbol_text=symbol_text,
    )


def _chosen_account(text: str, accounts: list[Account], person: Person) -> Account | None:
    if not text:
        return next(iter(lights.sound_first(accounts)), None)
    for account in accounts:
        if str(account.pk) == text:
            return account
    try:
        wanted = uuid.UUID(text)
    except ValueError:
        return None
    seen = Account.objects.visible_to(person).filter(pk=wanted).first()
    if seen is None:
        raise Unreachable
    raise OnlyLooking(_why_not(seen, person))


def _why_not(account: Account, person: Person) -> str:
    if account.status != Account.Status.READY:
        return f"{account.label} cannot be used: {account.get_status_display().lower()}."
    if account.disabled:
        return f"{account.label} is disabled. Its owner can enable it on the keys page."
    role = account.role_of(person)
    return (
        f"{account.label} is shared with you as {role}: you see everything of it and move nothing. "
        "Its owner can make you a trader."
    )


def _usual_symbol(account: Account | None, kind: Kind) -> str:
    """The pair of the last instruction; for a repay the one with the largest debt comes first."""
    if account is None:
        return ""
    if kind == Kind.REPAY:
        owed = _largest_debt(account)
        if owed is not None:
            return owed.margin_account.market.symbol
    last = Instruction.objects.filter(account=account).order_by("-created_at").first()
    return last.symbol if last else USUAL_SYMBOL


def _largest_debt(account: Account) -> MarginSide | None:
    sides = MarginSide.objects.filter(margin_account__account=account, borrow_unpaid__gt=0)
    return sides.select_related("margin_account__market").order_by("-borrow_unpaid").first()


def _chosen_currency(
    text: str, account: Account | None, market: Market | None, kind: Kind, is_final: bool
) -> str:
    if market is None:
        return ""
    if text in (market.base, market.quote):
        return text
    if text and is_final:
        return ""
    if kind == Kind.REPAY and account is not None:
        sides = MarginSide.objects.filter(
            margin_account__account=account, margin_account__market=market, borrow_unpaid__gt=0
        )
        owed = sides.order_by("-borrow_unpaid").first()
        if owed is not None:
            return owed.currency
    return market.quote
