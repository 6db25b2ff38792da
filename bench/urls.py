"""The application's addresses, and one page that does nothing: what session and user cost alone."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from marginsite.urls import urlpatterns as ours


def hello(request: HttpRequest) -> HttpResponse:
    """Greet the person, through the same middleware as every page."""
    return HttpResponse(f"<p>Hello, {request.user.get_username()}</p>")


urlpatterns = [path("bench/hello/", hello), *ours]
