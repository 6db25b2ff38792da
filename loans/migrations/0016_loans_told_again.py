"""When the loans that are there already were last told of anew, some thousand at a time."""

from django.db import migrations

from loans.services import retold


def fill(apps, schema_editor):
    retold.put_right(
        apps.get_model("loans", "BorrowRecord"), apps.get_model("loans", "Observation")
    )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('loans', '0015_totals_of_years'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
