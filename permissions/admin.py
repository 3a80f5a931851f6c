"""Administration of users, groups, environments, rights and API tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from permissions import admin_grants, admin_sign_in, tokens
from permissions.models import ApiToken, Environment, User

admin.site.site_header = _("Clarive Monitor: administration")
admin.site.site_title = _("Clarive Monitor")
admin.site.index_title = _("Administration")

__all__ = ["admin_sign_in"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Users, with what they chose for the pages."""

    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Pages"), {"fields": ("language", "time_zone", "theme")}),
    )
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")


@admin.register(Environment)
class EnvironmentAdmin(admin.ModelAdmin[Environment]):
    """Environments; each has a page with the rights granted on it, and one page is for the rights on all."""

    list_display = ("code", "name", "position", "swatch", "expiry", "expiry_urgent", "rights_link")
    list_display_links = ("code", "name")
    search_fields = ("code", "name")
    change_list_template = "admin/permissions/environment/change_list.html"
    change_form_template = "admin/permissions/environment/change_form.html"

    @admin.display(description=_("colour"))
    def swatch(self, environment: Environment) -> SafeString:
        """Show the colour; it is drawn, since the pages' policy allows no style in the markup."""
        return format_html(
            '<svg width="14" height="14" role="img" aria-label="{0}"><rect width="14" height="14" rx="3" fill="{0}"/></svg>',
            environment.colour,
        )

    @admin.display(description=_("rights"))
    def rights_link(self, environment: Environment) -> SafeString:
        """Link to the rights granted on the environment."""
        address = reverse("admin:permissions_environment_rights", args=[environment.pk])
        return format_html('<a href="{}">{}</a>', address, _("Rights"))

    def get_urls(self) -> list[URLPattern]:
        """Add the pages with rights."""
        return [
            path(
                "rights/",
                self.admin_site.admin_view(self.rights_everywhere),
                name="permissions_environment_rights_everywhere",
            ),
            path(
                "<int:environment_id>/rights/",
                self.admin_site.admin_view(self.rights),
                name="permissions_environment_rights",
            ),
            *super().get_urls(),
        ]

    def rights(self, request: HttpRequest, environment_id: int) -> HttpResponse:
        """Show and keep the rights granted on one environment."""
        return admin_grants.page(self, request, environment_id)

    def rights_everywhere(self, request: HttpRequest) -> HttpResponse:
        """Show and keep the rights granted on all environments, also those to come."""
        return admin_grants.page(self, request, None)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens for programs: made here, shown once, never changed."""

    list_display = ("hint", "user", "name", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("hint", "name", "user__username")
    fields = ("user", "name", "expires_at", "hint", "created_at", "last_used_at")
    readonly_fields = ("hint", "created_at", "last_used_at")
    autocomplete_fields = ("user",)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """Ask for a new token's own facts only."""
        return self.fields if obj else ("user", "name", "expires_at")

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Say no: a token is made and taken away."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make the token and show it, this once."""
        token = tokens.issue(obj.user, name=obj.name, expires_at=obj.expires_at)
        made = ApiToken.objects.get(digest=tokens.digest(token))
        obj.pk, obj.hint, obj.created_at, obj.digest = made.pk, made.hint, made.created_at, made.digest
        messages.warning(
            request,
            format_html("{} <code>{}</code>", _("Copy the token now, it is not shown again:"), token),
        )
