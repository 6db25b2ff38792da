"""Seals what second factors keep secret."""

from django.conf import settings
from django.db import migrations

from loans.vault import Keyring, Place, key_id_of

SECRETS = ("secret", "seed")
ANYWHERE = Place("authenticator", "data", "", "")


def rewrite(apps, make):
    for factor in apps.get_model("mfa", "Authenticator").objects.select_for_update():
        texts = {name: factor.data[name] for name in SECRETS if name in factor.data}
        if texts:
            keyring = Keyring.parse(settings.CREDENTIAL_KEYS)
            factor.data |= {name: make(text, keyring) for name, text in texts.items()}
            factor.save(update_fields=["data"])


def seal(apps, schema_editor):
    rewrite(
        apps,
        lambda text, keyring: text if key_id_of(text) else keyring.seal(text, ANYWHERE),
    )


def reveal(apps, schema_editor):
    rewrite(
        apps,
        lambda text, keyring: keyring.reveal(text, ANYWHERE) if key_id_of(text) else text,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0017_other_periods'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [migrations.RunPython(seal, reveal)]
