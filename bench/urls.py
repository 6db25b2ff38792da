"""The application's addresses, and two pages that do nothing: what session and user cost alone,
and what they cost in the frame of every page.
"""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.backends.django import Template
from django.urls import path

from marginsite.urls import urlpatterns as ours

FRAMED = (
    '{% extends "base.html" %}{% block content %}<p>Hello, {{ user.get_username }}</p>'
    "{% endblock %}"
)


def hello(request: HttpRequest) -> HttpResponse:
    """Greet the person, through the same middleware as every page."""
    return HttpResponse(f"<p>Hello, {request.user.get_username()}</p>")


def framed(request: HttpRequest) -> HttpResponse:
    """The same greeting as a page of the site."""
    return HttpResponse(_framed().render({}, request))


@cache
def _framed() -> Template:
    return engines["django"].from_string(FRAMED)


urlpatterns = [path("bench/hello/", hello), path("bench/framed/", framed), *ours]
