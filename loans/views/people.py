"""What a person sets for oneself: the time zone."""

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from loans.forms.shares import PreferenceForm
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Preference
from loans.views.keys import see_other


@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HtmxHttpRequest) -> HttpResponse:
    """Choose the zone in which times are shown."""
    preference = Preference.objects.filter(person=request.user).first()
    zone = preference.time_zone if preference else "UTC"
    form = PreferenceForm(request.POST or None, initial={"time_zone": zone})
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data["time_zone"]
        Preference.objects.update_or_create(person=request.user, defaults={"time_zone": chosen})
        messages.success(request, f"Times are shown in {chosen.replace('_', ' ')}.")
        return see_other("loans:settings")
    wrong = form.is_bound and not form.is_valid()
    context = {"form": form, "zone": zone}
    return render_page(request, "loans/settings.html", context, status=422 if wrong else 200)
