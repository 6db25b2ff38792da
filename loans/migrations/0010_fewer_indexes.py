"""Indexes of an account alone: others begin with it, and every new row had to be written to them."""

import django.db.models.deletion
from django.db import migrations, models


def account(related_name):
    return models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to='loans.account')


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0009_record_totals'),
    ]

    operations = [
        migrations.AlterField('borrowrecord', 'account', account('borrow_records')),
        migrations.AlterField('repayrecord', 'account', account('repay_records')),
        migrations.AlterField('observation', 'account', account('observations')),
    ]
