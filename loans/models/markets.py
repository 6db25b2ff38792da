"""Pairs of a venue, what borrowing on them costs, and what an account may borrow there."""

from django.db import models

from loans.fields import AmountField, RateField
from loans.models.accounts import Account, Venue

NO_DEBT_RISK_RATE = 999


class Side(models.TextChoices):
    """A pair's two currencies."""

    BASE = "base", "Base"
    QUOTE = "quote", "Quote"


class Market(models.Model):
    """One pair of one venue, as last told."""

    venue = models.CharField(max_length=16, choices=Venue.choices)
    symbol = models.CharField(max_length=40)
    base = models.CharField(max_length=20)
    quote = models.CharField(max_length=20)
    max_leverage = AmountField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    last_price = AmountField(null=True, blank=True, help_text="In the quote currency.")
    price_as_of = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField()
    as_of = models.DateTimeField(help_text="When the venue last listed this pair.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["venue", "symbol"], name="market_one_a_symbol"),
        )
        ordering = ("symbol",)

    def __str__(self) -> str:
        return self.symbol

    def currency_of(self, side: str) -> str:
        """The currency of a side."""
        return self.base if side == Side.BASE else self.quote


class Terms(models.Model):
    """What borrowing one side of a pair costs at the venue, whoever asks."""

    market = models.ForeignKey(Market, models.CASCADE, related_name="terms")
    side = models.CharField(max_length=8, choices=Side.choices)
    currency = models.CharField(max_length=20)
    daily_rate = RateField(help_text="A fraction: 0.00055 is 0.055 % a day.")
    hourly_rate = RateField(help_text="As the venue displays it; charges follow daily / 24.")
    min_borrow = AmountField()
    max_borrow = AmountField()
    differs_by_key = models.BooleanField(default=False)
    changed_at = models.DateTimeField(help_text="When the rate last changed, as far as we saw.")
    as_of = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["market", "side"], name="terms_one_a_side"),)
        indexes = (models.Index(fields=["currency", "daily_rate"], name="terms_cheapest"),)

    def __str__(self) -> str:
        return f"{self.currency} on {self.market}"


class RateChange(models.Model):
    """What a side's daily rate became, and when we first saw it. Append-only, on change only."""

    market = models.ForeignKey(Market, models.CASCADE, related_name="rate_changes")
    side = models.CharField(max_length=8, choices=Side.choices)
    daily_rate = RateField()
    at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["market", "side", "at"], name="rate_change_by_side"),)
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.market} {self.side} {self.daily_rate} since {self.at:%Y-%m-%d %H:%M}"


class AccountTerms(models.Model):
    """What one key was told of one side: the borrowable amount, and the terms as it saw them."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="terms")
    market = models.ForeignKey(Market, models.CASCADE, related_name="account_terms")
    side = models.CharField(max_length=8, choices=Side.choices)
    borrowable = AmountField()
    daily_rate = RateField()
    min_borrow = AmountField()
    max_borrow = AmountField()
    as_of = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "market", "side"], name="account_terms_one_a_side"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account}: {self.borrowable} on {self.market}"


class MarginAccount(models.Model):
    """What the exchange says of an account's risk on one pair. Never computed by us."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="margin_accounts")
    market = models.ForeignKey(Market, models.CASCADE, related_name="margin_accounts")
    risk_rate = AmountField(null=True, blank=True)
    risk_level = models.CharField(max_length=8, blank=True)
    liquidate_price = AmountField(null=True, blank=True)
    liquidate_rate = AmountField(null=True, blank=True)
    as_of = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "market"], name="margin_account_one_a_pair"),
        )

    def __str__(self) -> str:
        return f"{self.account} on {self.market}"

    @property
    def has_debt(self) -> bool:
        """The exchange says 999 where nothing is owed."""
        return self.risk_rate is not None and self.risk_rate < NO_DEBT_RISK_RATE

    @property
    def is_beyond_liquidation(self) -> bool:
        """The exchange gives a price of nothing or less where no price leads to liquidation."""
        return self.liquidate_price is not None and self.liquidate_price <= 0


class MarginSide(models.Model):
    """One currency of a margin account: what is owed and what is there, as the exchange says."""

    margin_account = models.ForeignKey(MarginAccount, models.CASCADE, related_name="sides")
    side = models.CharField(max_length=8, choices=Side.choices)
    currency = models.CharField(max_length=20)
    borrow_enabled = models.BooleanField(default=True)
    borrowed = AmountField()
    borrow_unpaid = AmountField()
    interest_unpaid = AmountField()
    available = AmountField()
    frozen = AmountField()
    net_asset = AmountField()
    total_asset = AmountField()
    as_of = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["margin_account", "side"], name="margin_side_one_a_side"
            ),
        )

    def __str__(self) -> str:
        return f"{self.currency} of {self.margin_account}"
