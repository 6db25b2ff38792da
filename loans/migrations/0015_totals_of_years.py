"""Totals of years; 0019 has other periods in their place, so that none are made here any more."""

from django.db import migrations, models


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
    ]
