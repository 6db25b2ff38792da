"""Pages for when something is wrong: they stand alone, without person, database or context."""

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.utils.html import strip_tags


@pytest.mark.parametrize("code", ["400", "403", "403_csrf", "404", "405", "500", "503"])
def test_an_error_page_needs_nothing_and_shows_a_way_out(code: str) -> None:
    page = render_to_string(f"{code}.html")

    assert page.startswith("<!doctype html>")
    assert 'href="/"' in page
    assert f"{code[:3]} · marginsite" in page
    assert "<style" not in page
    assert "style=" not in page


def test_after_a_failure_a_person_is_told_to_look_before_sending_again() -> None:
    assert "look at Instructions before trying again" in strip_tags(render_to_string("500.html"))


@pytest.mark.django_db
def test_what_a_form_could_not_read_is_not_logged(
    owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    client.force_login(owner)

    assert client.post("/settings/", {"time_zone": "Nowhere"}).status_code == 422
    assert not caplog.records

    assert client.get("/nowhere/").status_code == 404
    assert [record.getMessage() for record in caplog.records] == ["Not Found: /nowhere/"]


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "host"), [("?q=%00", "testserver"), ("", "elsewhere.test")])
def test_a_refused_request_is_one_line_of_the_log(
    query: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert Client(raise_request_exception=False).get(f"/{query}", HTTP_HOST=host).status_code == 400

    [record] = [one for one in caplog.records if one.name.startswith("django.security")]
    assert record.exc_info is None


@pytest.mark.django_db
def test_a_form_from_before_signing_in_again_is_explained(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)

    answer = client.post("/accounts/logout/")

    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/borrow/confirm/", "/keys/paper/", "/files/archive/"])
def test_where_only_a_button_leads_is_said_in_words(owner: User, path: str) -> None:
    client = Client()
    client.force_login(owner)

    answer = client.get(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "press the button there" in answer.text


@pytest.mark.django_db
def test_whoever_is_no_administrator_is_told_so_in_one_line_of_the_log(
    owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    client.force_login(owner)

    answer = client.get("/admin/", follow=True)

    assert (answer.status_code, "Only administrators" in answer.text) == (403, True)
    [record] = [one for one in caplog.records if one.name == "django.request"]
    assert record.exc_info is None
