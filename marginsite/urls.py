"""The site's URLs: the application at the root, sign-in under /accounts/, Django admin under
/admin/.
"""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from loans.views import sign_in  # which also hears of second factors

admin.site.login = secure_admin_login(admin.site.login)


@login_not_required
def favicon(request: HttpRequest) -> HttpResponse:
    """The icon, for what asks for it without reading a page: the admin, a file, old browsers."""
    return HttpResponse(status=302, headers={"Location": static("img/mark.svg")})


urlpatterns = [
    path("favicon.ico", favicon),
    path("", include("loans.urls")),
    *([] if settings.SENDS_MAIL else [path("accounts/password/reset/", sign_in.without_mail)]),
    path("accounts/", include("allauth.urls")),
    # The admin's own page neither counts wrong passwords nor writes the change down.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
]
