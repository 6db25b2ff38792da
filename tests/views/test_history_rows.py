"""Rows of the history, written from what the database holds, say what the records say."""

import random
import re
from datetime import timedelta
from decimal import Decimal
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from loans import formatting
from loans.models import Account, BorrowRecord, Kind, RepayRecord
from loans.services import history, record_runs
from loans.views import history_rows
from tests import factories
from tests.factories import NOW

NASTY = ("<b>", "a&b", '"', "'", "−", " x", "é")


def accounts_with_rows(owner: User, kind: str) -> list[Account]:
    """Two accounts and fifty records with figures of every length, some of them not known."""
    rng, accounts = random.Random(3), []
    for label in ("Desk", '<i>"Second"</i>'):
        accounts.append(factories.make_account(owner=owner, label=label))
    make = factories.make_borrow if kind == Kind.BORROW else factories.make_repay

    def figure(n: int, *, least: int = 1) -> str:
        units = rng.randint(least, 10 ** (n % 30 + 1) - 1)
        return format(Decimal(units if n % 4 else units // 10**8 * 10**8 + 10**8).scaleb(-8), "f")

    for n in range(50):
        fields: dict[str, Any] = {"interest": figure(n + 7, least=-(10**n % 10**29))}
        if kind == Kind.BORROW:
            fields["principal"] = None if n % 9 == 0 else figure(n)
            fields["interest"] = None if n % 7 == 0 else fields["interest"]
            rate = Decimal(rng.randint(0, 10 ** (n % 23 + 1))).scaleb(-16)
            fields["daily_rate"] = format(rate, "f")
        else:
            fields["principal"] = figure(n)
        make(
            account=accounts[n % 2],
            record_id=f"{NASTY[n % len(NASTY)]}{n}",
            symbol=f"{NASTY[n % len(NASTY)]}_USDT",
            currency=NASTY[n % 5],
            at=NOW - timedelta(hours=n, microseconds=rng.choice([0, 1, 250_000, 999_999])),
            story_changed=n % 3 == 0,
            **fields,
        )
    return accounts


def cells_of(kind: str, row: Any, zone: ZoneInfo) -> list[str]:
    """What is to stand in a row, from the record as the model gives it."""
    name = escape(row.account.label)
    own = row.principal if kind == Kind.BORROW else row.amount
    found = [
        formatting.instant(row.at, zone=zone),
        f'<td class="l1 grow">{escape(row.symbol)}</td>',
        f'title="{name}">{name}</span>',
        f'<td class="n l1">{formatting.amount(own, row.currency)}</td>',
        f'data-label="Interest">{formatting.amount(row.interest, row.currency)}</td>',
        f'title="{escape(row.record_id)}">{escape(row.record_id)}</code>',
    ]
    if kind == Kind.BORROW:
        found += [f"/loans/{row.uuid}/", f'<td class="n">{formatting.percent(row.daily_rate)}</td>']
    else:
        found.append(f'<td class="n">{formatting.amount(row.principal, row.currency)}</td>')
    return found


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_a_row_says_what_its_record_says(owner: User, kind: str, zone: str) -> None:
    accounts = accounts_with_rows(owner, kind)
    model = BorrowRecord if kind == Kind.BORROW else RepayRecord
    kept = {row.pk: row for row in model.objects.select_related("account")}
    place = factories.make_instruction(account=accounts[0], kind=kind)
    caused = min(pk for pk, row in kept.items() if row.account == accounts[0])
    type(place).objects.filter(pk=place.pk).update(**{f"{kind}_record": caused})
    chosen = history.read({}, accounts=accounts, zone=ZoneInfo(zone))

    rows = history.list_page(kind, chosen).rows

    assert len(rows) == len(kept)
    written = ["".join(history_rows.lines(kind, [row], chosen)) for row in rows]
    assert "".join(history_rows.lines(kind, rows, chosen)) == "".join(written)
    for html, row in zip(written, rows, strict=True):
        row = record_runs.name_held(kind, row)
        for cell in cells_of(kind, kept[row.id], ZoneInfo(zone)):
            assert cell in html
        assert ("changed</span>" in html) == kept[row.id].story_changed
        assert (f"/instructions/{place.pk}/" in html) == (row.id == caused)
        assert "<b>" not in html
        assert '<i>"' not in html


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("labels", [["Desk"], ["Desk", "Second"]])
def test_a_row_has_a_cell_for_each_head(
    client: Client, owner: User, kind: str, labels: list[str]
) -> None:
    make = factories.make_borrow if kind == Kind.BORROW else factories.make_repay
    for label in labels:
        make(account=factories.make_account(owner=owner, label=label))
    client.force_login(owner)

    page = client.get(f"/history/{kind}s/").content.decode()

    head, rows = page.split('<table class="table pinned lines">')[1].split("<tbody>")
    for row in rows.split("</tbody>")[0].split("</tr>")[:-1]:
        assert len(re.findall("<t[dh]", row)) == head.count("<th ")
    assert ("account-name" in rows) == (len(labels) > 1)


@pytest.mark.parametrize(
    ("kind", "sort"), [(kind, f"-{name}") for kind in Kind for name in ("amount", "interest")]
)
def test_pages_by_a_figure_go_on_where_they_ended(owner: User, kind: str, sort: str) -> None:
    accounts = accounts_with_rows(owner, kind)
    chosen = history.read({"sort": sort}, accounts=accounts, zone=ZoneInfo("UTC"))
    whole = [row.id for row in history.every_row(kind, chosen)]

    first = history.list_page(kind, chosen, size=20)
    second = history.list_page(kind, chosen, size=20, after=first.following)

    listed = [record_runs.name_held(kind, row).id for row in (*first.rows, *second.rows)]
    assert listed == whole[:40]
