"""Totals of the beginnings of days, weeks and longer runs in place of those of whole runs, made anew
from the records. A version with other periods again takes `fill` along to its own migration.
"""

from django.db import migrations, models

from loans.services import rollups


def fill(apps, schema_editor):
    tables = {
        "borrow": apps.get_model("loans", "BorrowRecord"),
        "repay": apps.get_model("loans", "RepayRecord"),
    }
    totals = apps.get_model("loans", "RecordTotal")
    for account_id in apps.get_model("loans", "Account").objects.values_list("pk", flat=True):
        for kind, records in tables.items():
            rollups.fill(account_id, kind, records=records, totals=totals)


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0018_sealed_second_factors'),
    ]

    operations = [
        migrations.AlterField(
            model_name='recordtotal',
            name='period',
            field=models.PositiveIntegerField(help_text='In UTC: 0 is all time; the others are numbered by `loans.periods`.'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
