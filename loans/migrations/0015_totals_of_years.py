"""Totals of years, from those of months that are kept already."""

from django.db import migrations, models

from loans.services import rollups
from loans.services.rollups import Figures, Place


def fill(apps, schema_editor):
    totals = apps.get_model("loans", "RecordTotal")
    # An upgrade from before there were totals has made those of years just now.
    totals.objects.filter(period__range=(1000, 9999)).delete()
    months = totals.objects.filter(period__range=(100_000, 999_999))
    for account_id, kind in months.order_by().values_list("account", "kind").distinct():
        years = {}
        rows = months.filter(account=account_id, kind=kind)
        for row in rows.values_list(*Place._fields, *Figures._fields).iterator():
            place = Place(row[0], row[1] // 100, row[2])
            years[place] = years.get(place, Figures()).plus(Figures(*row[3:]))
        rollups.insert(account_id, kind, years, totals=totals)


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0014_told_again_at'),
    ]

    operations = [
        migrations.AlterField(
            model_name='recordtotal',
            name='period',
            field=models.PositiveIntegerField(help_text='In UTC: 0 is all time, 2026 a year, 202611 a month, 20261126 a day.'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
