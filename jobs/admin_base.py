"""What the administration of several tables shares: reading only, and nothing of hidden environments."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from jobs.audit import Author
from jobs.models import AuditRecord
from jobs.wording import translated
from permissions import policy

MOST_COUNTED: Final = 10_000
"""A list is counted so far and no further: counting a million rows takes longer than showing them."""


def author_of(request: HttpRequest) -> Author:
    """Return who acts through the admin, and from which address."""
    name = request.user.get_username()
    return Author(name, AuditRecord.Source.ADMIN.value, request.META.get("REMOTE_ADDR", ""))


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """For looking only: what is shown here changes by actions, never by hand.

    Attributes:
        told: Fields with messages of the engine, which are kept in English and read in the reader's language.
    """

    told: ClassVar[tuple[str, ...]] = ()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return what is shown, never to be saved, with its messages in the reader's language."""
        found: Any = super().get_object(request, object_id, from_field)
        for name in self.told if found is not None else ():
            setattr(found, name, translated(getattr(found, name)))
        return found

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


class CappedPaginator(Paginator[Any]):
    """Counts up to ``MOST_COUNTED``; older rows are found by filters."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most so many."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class BoundedInline(admin.TabularInline[Any, Any]):
    """Makes no more forms than there can be rows; Django would make two thousand if a request says that it has as many."""

    spare: ClassVar = 20
    """Rows may come and go between showing the page and sending it."""

    def most_rows(self, request: HttpRequest, obj: Model | None) -> int:
        """Return how many rows there can be: those that are there, unless an inline knows better."""
        if obj is None or obj.pk is None:
            return 0
        key = _get_foreign_key(self.parent_model, self.model, fk_name=self.fk_name)
        return int(self.model._default_manager.filter(**{key.name: obj}).count())

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> Any:
        """Return the set of forms with its bound."""
        bound = self.most_rows(request, obj) + self.spare
        wanted = self.get_max_num(request, obj)
        most = bound if wanted is None else min(wanted, bound)
        return super().get_formset(request, obj, **{"max_num": most, "absolute_max": bound, **kwargs})
