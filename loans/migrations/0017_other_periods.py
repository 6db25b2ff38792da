"""Totals of other periods; 0019 has others in their place, so that none are made here any more."""

from django.db import migrations, models


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
    ]
