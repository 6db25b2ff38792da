"""By what the pepper of the fingerprints is known again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0020_coverage_of_kind'),
    ]

    operations = [
        migrations.AddField(
            model_name='sitestate',
            name='pepper_proof',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
    ]
