"""Whether the start of a list was reached in windows. Of lists read before it is not known: no."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0024_asked_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='coverage',
            name='in_windows',
            field=models.BooleanField(default=False, help_text='Read back to the start in windows, not by one listing alone.'),
        ),
    ]
