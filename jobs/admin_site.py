"""What the administration shows beside its tables, to staff who may not see every environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from permissions import policy


class Administration(admin.AdminSite):
    """The site. Recent actions tell of what the reader may see now, which may be less than they once did."""

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Leave out what was done to things that the reader may not see, or that are gone."""
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


class CarefulAdmin(admin.ModelAdmin[Any]):
    """A table whose pages tell nothing of things that the reader may not see."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the permission before looking, as the other pages do: whether there is such a thing is nobody's business."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """Name what refers to a thing only to those who see all environments: jobs, variables and secrets are of one each."""
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        if policy.rights_of(request.user).sees_all:
            return to_delete, counts, missing, protected
        named: list[Model] = list(objs)
        some = [_("something, perhaps in an environment that you may not see")] if protected else []
        return (
            [str(one) for one in named],
            {self.opts.verbose_name_plural: len(named)},
            missing,
            some,
        )
