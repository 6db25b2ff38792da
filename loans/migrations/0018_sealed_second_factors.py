"""Seals what second factors keep secret."""

from django.conf import settings
from django.db import migrations

from loans.services import second_factors
from loans.vault import Keyring


def rewrite(apps, make):
    for factor in apps.get_model("mfa", "Authenticator").objects.all():
        texts = {name: factor.data[name] for name in second_factors.SECRETS if name in factor.data}
        if texts:
            keyring = Keyring.parse(settings.CREDENTIAL_KEYS)
            factor.data |= {name: make(text, keyring=keyring) for name, text in texts.items()}
            factor.save(update_fields=["data"])


def seal(apps, schema_editor):
    rewrite(
        apps,
        lambda text, keyring: second_factors.seal(
            second_factors.reveal(text, keyring=keyring), keyring=keyring
        ),
    )


def reveal(apps, schema_editor):
    rewrite(apps, second_factors.reveal)


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0017_other_periods'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [migrations.RunPython(seal, reveal)]
