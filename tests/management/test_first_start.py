"""The first administrator is made once, and a lost password is replaced."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from loans.management.commands.first_start import make_first_administrator

pytestmark = pytest.mark.django_db


def shown_password(text: str) -> str:
    return text.split("password  ")[1].split()[0]


def test_an_empty_site_gets_an_administrator_whose_password_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_first_administrator()

    person = User.objects.get(is_superuser=True)
    assert person.check_password(shown_password(capsys.readouterr().out))


def test_a_site_with_an_administrator_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_superuser("chief", password="correct horse battery")

    make_first_administrator()

    assert User.objects.count() == 1
    assert capsys.readouterr().out == ""


def test_a_person_who_is_called_admin_already_is_not_promoted() -> None:
    User.objects.create_user("admin", password="correct horse battery")

    make_first_administrator()

    assert not User.objects.get(username="admin").is_superuser
    assert User.objects.filter(is_superuser=True).count() == 1


def test_a_lost_password_is_replaced_by_the_one_that_is_shown() -> None:
    person = User.objects.create_superuser("chief", password="correct horse battery")
    output = io.StringIO()

    call_command("reset_admin_password", stdout=output)

    person.refresh_from_db()
    assert person.check_password(shown_password(output.getvalue()))


def test_of_several_administrators_one_must_be_named() -> None:
    for name in ("chief", "deputy"):
        User.objects.create_superuser(name, password="correct horse battery")

    with pytest.raises(CommandError, match="chief, deputy"):
        call_command("reset_admin_password")


def test_a_person_without_that_right_gets_no_password_here() -> None:
    User.objects.create_user("trader", password="correct horse battery")

    with pytest.raises(CommandError, match="no administrator called trader"):
        call_command("reset_admin_password", "trader")
