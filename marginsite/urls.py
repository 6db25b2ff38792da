"""The site's URLs: the application at the root, sign-in under /accounts/, Django admin under
/admin/.
"""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

admin.site.login = secure_admin_login(admin.site.login)

urlpatterns = [
    path("", include("loans.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
