"""Totals of the beginnings of days, of 21 days and of 336, in place of those of other periods, made
anew from the records. A version with other periods again takes `fill` along to its own migration.
"""

from django.db import migrations

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
        ('loans', '0022_totals_covered'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
