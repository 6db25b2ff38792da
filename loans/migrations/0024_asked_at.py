"""When a list was last asked for, and how often that failed, beside when it was last read."""

from datetime import timedelta

from django.db import migrations, models
from django.db.models import F


def fill(apps, schema_editor):
    coverages = apps.get_model("loans", "Coverage").objects
    coverages.update(asked_at=F("checked_at"))
    coverages.filter(complete_to=None).update(checked_at=None)  # asked for, and never read
    # Asked for, and last read long before: what is proven stays less than so far behind.
    behind = F("checked_at") - timedelta(hours=2)
    coverages.filter(complete_to__lt=behind).update(checked_at=F("complete_to"))


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0023_half_hours'),
    ]

    operations = [
        migrations.AddField(
            model_name='coverage',
            name='asked_at',
            field=models.DateTimeField(blank=True, help_text='When it was last asked for, whatever the answer.', null=True),
        ),
        migrations.AddField(
            model_name='coverage',
            name='failures',
            field=models.PositiveIntegerField(default=0, help_text='Attempts in a row that failed; it counts no further than is needed.'),
        ),
        migrations.AlterField(
            model_name='coverage',
            name='checked_at',
            field=models.DateTimeField(blank=True, help_text='When what is new was last read without an error.', null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
