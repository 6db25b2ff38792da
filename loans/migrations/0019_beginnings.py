"""Totals of other periods; 0023 has others in their place, so that none are made here any more."""

from django.db import migrations, models


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
    ]
