"""An index of an account's streams of one kind, which every list asks for, in place of the one of all
of them.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0019_beginnings'),
    ]

    operations = [
        migrations.AlterField(
            model_name='coverage',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='coverages', to='loans.account'),
        ),
        migrations.AddIndex(
            model_name='coverage',
            index=models.Index(fields=['account', 'kind'], name='coverage_of_kind'),
        ),
    ]
