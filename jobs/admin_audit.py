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
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from jobs.admin_base import CappedPaginator, ReadOnlyAdmin, VisibleEnvironmentFilter
from jobs.audit import GRANT
from jobs.choices import StatusChoice
from jobs.models import AuditRecord
from jobs.monitor.log_download import off_the_loop
from jobs.record_words import said
from jobs.wording import ACTION_LABELS
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
_SHOWN: Final = 300
_STATUSES: Final = dict(StatusChoice.choices)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


_VERBS: Final[dict[str, Promise]] = {
    "create": _("Create"),
    "change": _("Change"),
    "delete": _("Delete"),
    "set": _("Set"),
    "drain": _("Drain"),
    "resume": _("Resume"),
    "run": _("Run now"),
    "unlock": _("Unlock"),
    "end": _("End all"),
}
_KINDS: Final[dict[str, Promise]] = {
    "user": _("user"),
    "group": _("group"),
    "environment": _("environment"),
    "project": _("project"),
    "nature": _("nature"),
    "rule": _("rule"),
    "token": _("token"),
    "schedule": _("schedule"),
    "subscription": _("subscription"),
    "retention": _("retention policy"),
    "semaphore": _("semaphore"),
    "secret": _("secret"),
    "identity": _("identity elsewhere"),
    "worker": _("worker"),
    "sign_in": _("sign-in"),
    "sessions": _("sessions"),
}


def worded(action: str) -> str:
    """Return what an action of a record is called: one of a job as its button, one of the configuration with its kind."""
    if action == GRANT:
        return gettext("Grant of rights")
    if action in ACTION_LABELS:
        return str(ACTION_LABELS[action])
    verb, _sign, kind = action.partition("_")
    if verb in _VERBS and kind in _KINDS:
        return f"{_VERBS[verb]}: {_KINDS[kind]}"
    return action


class ActionFilter(admin.AllValuesFieldListFilter):
    """The actions that there are, in the reader's words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the choices with their words."""
        for choice in super().choices(changelist):
            yield {**choice, "display": worded(str(choice["display"]))}


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

    readonly_fields = ("did", "became")
    list_display = ("at", "user", "did", "about", "environment", "became", "source")
    list_filter = (
        ("at", admin.DateFieldListFilter),
        UserFilter,
        ("action", ActionFilter),
        "source",
        VisibleEnvironmentFilter,
    )
    # The page of a job links to its records.
    linked_lookups = ("job_id",)
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

    def get_fields(self, request: HttpRequest, obj: AuditRecord | None = None) -> list[Any]:
        """Return what the page of a record shows: what was done in words, not by its name."""
        words = {"action": "did", "to_status": "became", "comment": "explained"}
        names = [field.name for field in self.opts.concrete_fields if not field.primary_key]
        return [words.get(name, name) for name in names if name != "from_status"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Call the record by what was done, in the reader's words."""
        if kwargs.get("obj") is not None:
            context = {**context, "subtitle": self.did(kwargs["obj"])}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("action"), ordering="action")
    def did(self, record: AuditRecord) -> str:
        """Show what was done in the reader's words."""
        return worded(record.action)

    @admin.display(description=_("what"))
    def about(self, record: AuditRecord) -> str:
        """Show the job and why, or what was changed; all of it is on the record's own page."""
        return Truncator(" · ".join(filter(None, (record.job_name, said(record))))).chars(_SHOWN)

    @admin.display(description=_("comment"))
    def explained(self, record: AuditRecord) -> str:
        """Show all that the record says, in the reader's words."""
        return said(record)

    @admin.display(description=_("status"))
    def became(self, record: AuditRecord) -> str:
        """Show what the decision made of the job's status."""
        if record.from_status == record.to_status:
            return status_label(record.to_status)
        return " → ".join(status_label(status) for status in (record.from_status, record.to_status) if status)

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


def status_label(status: str) -> str:
    """Return what a status is called in the reader's language."""
    return str(_STATUSES.get(status, status))


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
