"""The administration's site: puts what the whole product asks of its pages before those of each app.

Apps at the bottom know no jobs, so their pages cannot ask what refers to a row. They are registered here as everywhere,
and get it on the way, as the API's views get their door.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from jobs.admin_references import KeepsReferenced
from permissions import policy


class OfTheProduct(KeepsReferenced):
    """What comes before each model's own pages."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the permission before looking, as the other pages do: whether there is such a thing is nobody's business."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class Administration(admin.AdminSite):
    """Deletes nothing that something refers to, and tells nothing of what the reader may not see, whatever is registered."""

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register pages that ask what all of them must."""
        chosen = admin_class or admin.ModelAdmin
        if not issubclass(chosen, OfTheProduct):
            members = {"__doc__": chosen.__doc__, "__module__": chosen.__module__}
            chosen = type(chosen.__name__, (OfTheProduct, chosen), members)
        super().register(model_or_iterable, chosen, **options)

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Leave out what was done to things that the reader may not see now, which may be less than once, or that are gone.

        Every page is given them and hardly any shows them, so they are looked for only then.
        """
        found = SimpleLazyObject(lambda: self._log_entries(request))
        return cast("QuerySet[LogEntry]", found)

    def _log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        entries: QuerySet[LogEntry] = super().get_log_entries(request)
        if policy.rights_of(request.user).sees_all:
            return entries
        seen = Q(pk=None)
        for model, model_admin in self._registry.items():
            # The others are for reading only, so nothing is noted of them.
            if model_admin.has_change_permission(request) or model_admin.has_delete_permission(request):
                visible = model_admin.get_queryset(request).order_by()
                keys = visible.annotate(as_text=Cast("pk", TextField())).values("as_text")
                seen |= Q(content_type=ContentType.objects.get_for_model(model), object_id__in=keys)
        return entries.filter(seen)
