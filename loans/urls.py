"""The application's URLs, each group one page family: part of the outside contract."""

from django.urls import URLPattern, path

from loans.views import health, rates

app_name = "loans"

# Health: open, and silent on anything private
health_urls = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

# Rates: what borrowing costs
rates_urls = [
    path("rates/", rates.rates, name="rates"),
    path("rates/<str:symbol>/", rates.rate, name="rate"),
]

urlpatterns: list[URLPattern] = [*health_urls, *rates_urls]
