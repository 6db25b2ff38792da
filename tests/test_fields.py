"""Amounts keep every digit on both engines, and so do their order and their sums."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loans import exact
from loans.fields import ExactSum, decode, encode
from loans.models import Account, RecordTotal, RepayRecord
from loans.services import new_rows, rollups

AMOUNTS = st.decimals(
    min_value=Decimal("-99999999999999999999.99999999"),
    max_value=Decimal("99999999999999999999.99999999"),
    places=8,
)


@given(AMOUNTS)
def test_text_reads_back_to_the_last_digit(amount: Decimal) -> None:
    assert decode(encode(amount, digits=30, places=8), places=8) == amount


@given(AMOUNTS, AMOUNTS)
def test_text_sorts_like_the_numbers(one: Decimal, other: Decimal) -> None:
    texts = [encode(value, digits=30, places=8) for value in (one, other)]

    assert (texts[0] < texts[1]) == (one < other)


def record(account: Account, number: int, amount: Decimal) -> RepayRecord:
    now = timezone.now()
    return RepayRecord(
        account=account,
        record_id=str(number),
        symbol="BTC_USDT",
        currency="USDT",
        amount=amount,
        principal=amount,
        interest=Decimal(0),
        at=now,
        first_seen_at=now,
    )


@pytest.fixture
def account(owner: User) -> Account:
    return Account.objects.create(
        owner=owner, venue="paper", label="Desk", created_at=timezone.now()
    )


def test_database_keeps_order_and_sum_of_twenty_digits(account: Account) -> None:
    amounts = [
        Decimal("99999999999999999999.99999999"),
        Decimal("0.00000001"),
        Decimal("-12345678901234567890.12345678"),
        Decimal("99999999999.12345678"),
    ]
    RepayRecord.objects.bulk_create(record(account, n, a) for n, a in enumerate(amounts))

    stored = list(RepayRecord.objects.order_by("amount").values_list("amount", flat=True))
    total = RepayRecord.objects.aggregate(total=ExactSum("amount"))["total"]

    assert stored == sorted(amounts)
    assert total == sum(amounts)
    assert RepayRecord.objects.filter(amount__gt=Decimal("99999999999")).count() == 2


@pytest.mark.django_db
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=12))
def test_every_sum_is_exact_negative_ones_too(account: Account, amounts: list[Decimal]) -> None:
    RepayRecord.objects.all().delete()
    RepayRecord.objects.bulk_create(record(account, n, a) for n, a in enumerate(amounts))

    quick = RepayRecord.objects.aggregate(total=ExactSum("amount"))["total"]
    slow = RepayRecord.objects.aggregate(total=ExactSum("amount", filter=Q(pk__gt=0)))["total"]

    assert quick == slow == exact.total(amounts)


def test_sum_over_no_rows_is_none(account: Account) -> None:
    assert RepayRecord.objects.aggregate(total=ExactSum("amount"))["total"] is None


def test_sum_can_exceed_the_column(account: Account) -> None:
    largest = Decimal("9" * 22 + "." + "9" * 8)
    RepayRecord.objects.bulk_create(record(account, n, largest) for n in range(30))

    assert RepayRecord.objects.aggregate(total=ExactSum("amount"))["total"] == largest * 30


@pytest.mark.parametrize("bad", [Decimal("0.000000001"), Decimal("1e22"), Decimal("NaN"), 0.1])
def test_what_would_lose_a_digit_is_refused(account: Account, bad: object) -> None:
    with pytest.raises(ValidationError):
        record(account, 1, bad).save()


def test_a_loan_without_principal_is_none_not_zero(account: Account) -> None:
    now = timezone.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        account.borrow_records.create(
            record_id="1",
            symbol="BTC_USDT",
            currency="USDT",
            principal=Decimal(0),
            daily_rate=Decimal("0.00055"),
            hourly_rate=Decimal("0.00002291"),
            at=now,
            first_seen_at=now,
        )
    assert connection.vendor in {"sqlite", "postgresql"}


@pytest.mark.django_db
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_what_is_added_to_a_row_is_added_to_the_last_digit(
    account: Account, amounts: list[tuple[Decimal, Decimal]]
) -> None:
    RecordTotal.objects.all().delete()
    key, figures = ("account", "kind", "symbol", "period", "currency"), ("records", "amount")
    others = {"principals": 0, "interests": 0, "principal": Decimal(0), "interest": Decimal(0)}
    names = (*figures, *others)

    for side in (0, 1):  # begins the rows, then adds to them
        rows = [
            (account.pk, "repay", "", n, "USDT", 1, pair[side], *others.values())
            for n, pair in enumerate(amounts)
        ]
        new_rows.add_up(RecordTotal, key, names, rows)

    found = list(RecordTotal.objects.order_by("period").values_list(*figures))
    assert found == [(2, exact.plus(*pair)) for pair in amounts]


@pytest.mark.django_db
def test_a_sum_that_is_too_wide_for_its_row_is_refused(account: Account) -> None:
    most = Decimal("99999999999999999999999999999999.99999999")
    row = (account.pk, "repay", "", 0, "USDT", 1, 1, 1, most, most, most)
    names = ("account", "kind", "symbol", "period", "currency", *rollups.Figures._fields)
    new_rows.add_up(RecordTotal, names[:5], names[5:], [row])

    with pytest.raises(DatabaseError), transaction.atomic():
        new_rows.add_up(RecordTotal, names[:5], names[5:], [row])

    assert RecordTotal.objects.get().principal == most
