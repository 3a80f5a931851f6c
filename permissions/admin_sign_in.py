"""Administration of signing in: locked-out names, what happened, and who somebody is elsewhere. For superusers alone."""

from __future__ import annotations

from typing import Any, Final

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from permissions import throttle
from permissions.models import ExternalIdentity, User

# django-axes has no Spanish of its own; named here, its words are in our catalogue.
AXES_WORDS: Final = (
    _("access attempt"), _("access attempts"), _("access failure"), _("access failures"), _("access log"), _("access logs"),
    _("User Agent"), _("IP Address"), _("Username"), _("Path"), _("Attempt Time"), _("Failed Logins"), _("Access lock out"),
    _("Logout Time"), _("access attempt expiration"), _("access attempt expirations"),
)  # fmt: skip


def _called(entry: Any) -> str:
    """Return what an entry of django-axes is called: who and when, in no language."""
    moment = date_format(timezone.localtime(entry.attempt_time), "SHORT_DATETIME_FORMAT")
    return " · ".join(filter(None, (entry.username, entry.ip_address, moment)))


# Titles, histories and boxes to tick call them so; its own names are English sentences.
for _model in (AccessAttempt, AccessFailureLog, AccessLog):
    _model.__str__ = _called


class SuperusersOnly(admin.ModelAdmin[Any]):
    """Pages that nobody else may open, whatever Django's permissions say."""

    @admin.display(description=_("User Agent"), ordering="user_agent")
    def browser(self, entry: Any) -> str:
        """Return what the browser of a sign-in called itself."""
        return throttle.browser_of(entry)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the asker is a superuser."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether the asker is a superuser."""
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no: these are written by signing in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False


@admin.register(AccessAttempt)
class AccessAttemptAdmin(SuperusersOnly):
    """Failures that count now; forgetting them lets the name try again."""

    list_display = (
        "attempt_time",
        "username",
        "ip_address",
        "failures_since_start",
        "browser",
        "path_info",
    )
    list_filter = ("attempt_time",)
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "username", "ip_address", "failures_since_start", "browser", "path_info")
    readonly_fields = ("browser",)
    actions = ("unlock",)

    @admin.action(description=_("Forget these failures and unlock"))
    def unlock(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the chosen names and addresses try again, and leave a note of who did that."""
        for attempt in queryset:
            self.log_change(request, attempt, f"unlocked {attempt.username} from {attempt.ip_address}")
        count = throttle.unlock(queryset)
        text = ngettext("%(count)d entry forgotten.", "%(count)d entries forgotten.", count) % {
            "count": count
        }
        messages.success(request, text)


@admin.register(AccessLog)
class AccessLogAdmin(SuperusersOnly):
    """Who signed in, from where, and when they signed out."""

    list_display = ("attempt_time", "logout_time", "username", "ip_address", "browser", "path_info")
    list_filter = ("attempt_time",)
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "logout_time", "username", "ip_address", "browser", "path_info")
    readonly_fields = ("browser",)


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(SuperusersOnly):
    """Every failure that was counted, and with which one a lock-out began."""

    list_display = ("attempt_time", "username", "ip_address", "locked_out", "browser", "path_info")
    list_filter = ("attempt_time", "locked_out")
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "username", "ip_address", "locked_out", "browser", "path_info")
    readonly_fields = ("browser",)


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(SuperusersOnly):
    """Who somebody is at the provider or in the directory; by hand for accounts that are there already."""

    list_display = ("user", "issuer", "subject", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "subject", "issuer")
    fields = ("user", "issuer", "subject", "created_at", "last_used_at")
    readonly_fields = ("created_at", "last_used_at")
    autocomplete_fields = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say whether the asker is a superuser."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether the asker is a superuser."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_active and request.user.is_superuser
