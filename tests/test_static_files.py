"""What is served beside our own files: the chart library's two, and an icon at its old address."""

from io import StringIO
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings


def test_only_the_needed_files_of_the_chart_library_are_collected(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT, told = tmp_path, StringIO()

    call_command("collectstatic", "--noinput", "--dry-run", verbosity=2, stdout=told)

    lines = [line for line in told.getvalue().splitlines() if "/uplot/" in line]
    assert {line.rsplit("/", 1)[1].rstrip("'") for line in lines} == {
        "uPlot.iife.js",
        "uPlot.min.css",
    }


def test_nothing_beside_them_is_found() -> None:
    assert finders.find("uplot/uPlot.iife.js")
    assert finders.find("uplot/uPlot.mousewheel.js") is None
    assert finders.find("uplot/__init__.py") is None


def test_who_asks_for_the_icon_at_its_old_address_is_sent_to_ours() -> None:
    answer = Client().get("/favicon.ico")

    assert answer.status_code == 302
    assert finders.find(answer.headers["Location"].removeprefix("/static/"))
