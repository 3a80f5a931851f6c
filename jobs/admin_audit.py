"""Administration of the audit: read, filter, export; nobody changes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from jobs.admin_base import CappedPaginator, ReadOnlyAdmin, VisibleEnvironmentFilter
from jobs.models import AuditRecord
from jobs.monitor.log import off_the_loop
from permissions import policy

COLUMNS: Final = (
    "id",
    "at",
    "user",
    "action",
    "job_id",
    "job_name",
    "environment",
    "from_status",
    "to_status",
    "step",
    "attempt",
    "source",
    "address",
    "comment",
)
_BATCH: Final = 1000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class UserFilter(admin.SimpleListFilter):
    """Takes a user's name; a list of all names would be long, and would tell them."""

    title = _("user")
    parameter_name = "user"
    template = "admin/jobs/_text_filter.html"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer nothing: it is written."""
        return []

    def has_output(self) -> bool:
        """Say that there is a field."""
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return what the field holds, and the other parameters of the list, which stay."""
        kept = {name: value for name, value in changelist.params.items() if name != self.parameter_name}
        chosen = {name: values[-1] if isinstance(values, list) else values for name, values in
                  changelist.filter_params.items() if name != self.parameter_name}  # fmt: skip
        yield {"value": self.value() or "", "kept": {**chosen, **kept}}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the records of the user with this name."""
        return queryset if not self.value() else queryset.filter(user=self.value())


class AuditRecordAdmin(ReadOnlyAdmin):
    """Who did what. The records outlive their jobs."""

    list_display = (
        "at",
        "user",
        "action",
        "job_name",
        "environment",
        "from_status",
        "to_status",
        "source",
        "address",
        "comment",
    )
    list_filter = (
        ("at", admin.DateFieldListFilter),
        UserFilter,
        "action",
        "source",
        VisibleEnvironmentFilter,
    )
    search_fields = ("job_name", "user", "comment")
    ordering = ("-id",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    change_list_template = "admin/jobs/auditrecord/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRecord]:
        """Leave out what happened in environments that the user may not see, and what is about none of them."""
        found: QuerySet[AuditRecord] = super().get_queryset(request)
        rights = policy.rights_of(request.user)
        if rights.everything:
            return found
        if rights.sees_all:
            return found.exclude(environment="")
        return found.filter(environment__in=policy.environments_for(request.user).values("code"))

    def get_urls(self) -> list[URLPattern]:
        """Add the export."""
        return [
            path("export/", self.admin_site.admin_view(self.export), name="jobs_auditrecord_export"),
            *super().get_urls(),
        ]

    @method_decorator(require_safe)
    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Send the records that the list's filters keep as CSV, newest first, a piece at a time."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseBadRequest(gettext("There is no such filter."))
        pieces = _pieces(found)
        content = off_the_loop(pieces) if isinstance(request, ASGIRequest) else pieces
        answer = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
        return answer


def _pieces(records: QuerySet[AuditRecord]) -> Iterator[bytes]:
    """Yield the lines in pieces. Each is read by itself, so that nothing is held open while a slow reader reads."""
    yield _written([COLUMNS])
    newest_first = records.order_by("-id")
    last: int | None = None
    while True:
        batch = list((newest_first if last is None else newest_first.filter(pk__lt=last))[:_BATCH])
        if not batch:
            return
        yield _written([_line(record) for record in batch])
        last = batch[-1].pk


def _line(record: AuditRecord) -> list[str]:
    found = []
    for name in COLUMNS:
        value = getattr(record, name)
        if name == "at":
            value = record.at.astimezone(UTC).isoformat()
        found.append(harmless("" if value is None else str(value)))
    return found


def harmless(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _written(lines: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue().encode("utf-8", "replace")
