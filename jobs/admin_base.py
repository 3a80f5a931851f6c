"""What the administration of several models shares."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from permissions import policy


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """For looking only: what is shown here changes by actions, never by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False


class VisibleEnvironmentFilter(admin.SimpleListFilter):
    """Offers the environments that the administrator may see, and no others."""

    title = _("environment")
    parameter_name = "environment"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Return their codes."""
        return [(code, code) for code in policy.environments_for(request.user).values_list("code", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen one."""
        if self.value() is None:
            return queryset
        by_key = queryset.model._meta.get_field("environment").is_relation
        return queryset.filter(**{"environment__code" if by_key else "environment": self.value()})
