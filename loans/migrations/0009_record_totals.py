"""The totals of the records; 0019 makes those of the records that are there already."""

import django.db.models.deletion
import loans.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0008_record_orders'),
    ]

    operations = [
        migrations.CreateModel(
            name='RecordTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('borrow', 'Borrow'), ('repay', 'Repay')], max_length=8)),
                ('symbol', models.CharField(blank=True, help_text='Empty: all pairs.', max_length=40)),
                ('period', models.PositiveIntegerField(help_text='In UTC: 0 is all time, 202611 a month, 20261126 a day.')),
                ('currency', models.CharField(max_length=20)),
                ('records', models.PositiveBigIntegerField()),
                ('principals', models.PositiveBigIntegerField(help_text='How many principals are known.')),
                ('interests', models.PositiveBigIntegerField(help_text='How many interests are known.')),
                ('principal', loans.fields.TotalField(integer_digits=32, places=8)),
                ('interest', loans.fields.TotalField(integer_digits=32, places=8)),
                ('amount', loans.fields.TotalField(help_text='What was sent; of repayments only.', integer_digits=32, places=8)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='record_totals', to='loans.account')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('period', 0)), fields=['account', 'kind', 'symbol'], name='record_total_of_all_time')],
                'constraints': [models.UniqueConstraint(fields=('account', 'kind', 'symbol', 'period', 'currency'), name='record_total_once')],
            },
        ),
    ]
