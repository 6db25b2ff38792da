"""People and groups: who may sign in, and who is an administrator. Nobody is deleted: what a person
did stays theirs.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from loans.admin.base import Audited, ReadOnly
from loans.models import Preference
from loans.services import second_factors
from loans.services.audit import By

for replaced in (User, Group, Authenticator, UserSession, EmailAddress):
    if admin.site.is_registered(replaced):
        admin.site.unregister(replaced)


@admin.register(User)
class PeopleAdmin(Audited, UserAdmin):
    """People: made here, and made inactive here when they leave."""

    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody: take away the tick at "active" instead."""
        return False


@admin.register(Group)
class GroupsAdmin(Audited, GroupAdmin):
    """Groups of people, for rights in this admin."""


@admin.register(Authenticator)
class FactorAdmin(ReadOnly):
    """Second factors: which there are, never their secrets. A lost one is removed here."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    fields = ("user", "type", "created_at", "last_used_at")

    def log_deletions(self, request: HttpRequest, queryset: models.QuerySet) -> Any:
        """Tell the trail whose they were, and the admin's own history."""
        by = By(request.user, timezone.now(), request.META.get("REMOTE_ADDR"))
        for factor in queryset:
            by.record("second_factor_removed", **second_factors.facts_of(factor))
        return admin.ModelAdmin.log_deletions(self, request, queryset)

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        """Remove it, and recovery codes that stand in for nothing without it."""
        super().delete_model(request, obj)
        second_factors.forget_dangling(obj.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may delete second factors by Django's rights."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(Preference)
class PreferenceAdmin(ReadOnly):
    """Time zones people have chosen."""

    list_display = ("person", "time_zone")
