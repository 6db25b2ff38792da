"""Totals of the periods of `loans.periods` in place of days, months and years."""

from datetime import UTC, datetime

from django.db import migrations, models

from loans import periods
from loans.services import rollups
from loans.services.rollups import Figures, Place

OLD_DAYS = (20_000_000, 21_999_999)  # 20261126 was a day


def fill(apps, schema_editor):
    totals = apps.get_model("loans", "RecordTotal")
    # An upgrade from before there were totals has made those of the new periods already.
    old = totals.objects.filter(period__range=OLD_DAYS)
    for account_id, kind in old.order_by().values_list("account", "kind").distinct():
        rows = totals.objects.filter(account=account_id, kind=kind)
        days = {}
        of_days = rows.filter(period__range=OLD_DAYS).exclude(symbol="")
        for symbol, old_day, currency, *figures in of_days.values_list(
            *Place._fields, *Figures._fields
        ).iterator():
            at = datetime.strptime(f"{old_day}+0000", "%Y%m%d%z").astimezone(UTC)
            days[Place(symbol, periods.day_of(at), currency)] = Figures(*figures)
        rows.delete()
        rollups.insert(account_id, kind, rollups.spread(days), totals=totals)


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0016_loans_told_again'),
    ]

    operations = [
        migrations.AlterField(
            model_name='recordtotal',
            name='period',
            field=models.PositiveIntegerField(help_text='In UTC: 0 is all time; else millions are its days, the rest is its number.'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
