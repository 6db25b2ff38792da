"""The triggers, and the one row of the site."""

from django.db import migrations

from loans.models import guards


def forwards(apps, schema_editor):
    guards.install(schema_editor.connection)
    apps.get_model("loans", "SiteState").objects.get_or_create(pk=1)


def backwards(apps, schema_editor):
    guards.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("loans", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
