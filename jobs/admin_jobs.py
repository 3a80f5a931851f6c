"""Administration of jobs: for reading, with the actions of the monitor and the same rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobs import admin_bulk, selectors
from jobs.actions import base
from jobs.admin_audit import status_label
from jobs.admin_base import CappedPaginator, ReadOnlyAdmin, VisibleEnvironmentFilter
from jobs.models import Job, OperationRun
from jobs.monitor import standing
from jobs.monitor.bulk import KEYS
from jobs.wording import ACTION_LABELS
from permissions.models import User

MOST_STEPS: Final = 40
MOST_OPERATIONS: Final = 200
MOST_RECORDS: Final = 20
SHORT_SHA: Final = 7
_SHOWN: Final = ("path", "identifier", "name", "key", "step", "status", "error", "started_at", "finished_at")

Shell = Callable[[admin.ModelAdmin[Any], HttpRequest, QuerySet[Job]], HttpResponse | None]


class JobAdmin(ReadOnlyAdmin):
    """Jobs of the environments that the administrator may see; each links to its page and its log."""

    list_display = (
        "name",
        "environment",
        "status",
        "step",
        "project",
        "rule",
        "created_by",
        "created_at",
        "page",
    )
    list_filter = (
        "status",
        "step",
        VisibleEnvironmentFilter,
        "type",
        "urgent",
        ("created_at", admin.DateFieldListFilter),
    )
    # Only the beginning of a name has an index.
    search_fields = ("name__startswith",)
    search_help_text = _("The beginning of a job's name, such as N.PROD-000")
    ordering = ("-id",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    # What the engine keeps for itself has no words for people.
    fields = (
        "name", "type", "rule", "rule_version", "environment", "project", "what", "technologies", "status", "step", "outcome",
        "reason", "attempt", "rollback", "urgent", "comment", "variables", "created_by", "created_at", "scheduled_at",
        "max_start_at", "started_at", "finished_at", "done", "runs_on",
    )  # fmt: skip
    change_form_template = "admin/jobs/job/change_form.html"
    told = ("reason",)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what people do to several jobs on the monitor; who may do it to which is decided job by job."""
        if IS_POPUP_VAR in request.GET:
            return {}
        names = {f"{admin_bulk.PREFIX}{key}": key for key in KEYS}
        return {name: (_shell(key), name, str(ACTION_LABELS[key])) for name, key in names.items()}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a job with its steps, operations and audit, and links to what the administrator may do with it."""
        job = self.get_object(request, unquote(object_id))
        found = _context(job, request) if job is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **found})

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let every administrator in: which jobs are there is decided by the rights per environment."""
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the jobs on the first page of the admin."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Begin, as all reads of jobs do, at what the user may see; the list leaves out what is large."""
        match = request.resolver_match
        if match is not None and match.url_name == "jobs_job_changelist":
            return selectors.lean_jobs(request.user)
        return selectors.visible_jobs(request.user)

    @admin.display(description=_("revisions"))
    def what(self, job: Job) -> str:
        """Name what is deployed."""
        return ", ".join(f"{each.ref} ({each.sha[:SHORT_SHA]})" for each in job.revisions.all()) or "–"

    @admin.display(description=_("natures"))
    def technologies(self, job: Job) -> str:
        """Name what was found in it."""
        return ", ".join(job.natures.order_by("code").values_list("code", flat=True)) or "–"

    @admin.display(description=_("progress"))
    def done(self, job: Job) -> str:
        """Show how far it is."""
        return f"{job.percent} %"

    @admin.display(description=_("worker"))
    def runs_on(self, job: Job) -> str:
        """Name the worker that has it."""
        return job.claimed_by or "–"

    @admin.display(description=_("page"))
    def page(self, job: Job) -> SafeString:
        """Link to the job's own page and to its log."""
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            reverse("monitor:job", args=[job.pk]),
            _("Open"),
            reverse("monitor:log", args=[job.pk]),
            _("Log"),
        )


def _shell(key: str) -> Shell:
    def shell(
        model_admin: admin.ModelAdmin[Any], request: HttpRequest, chosen: QuerySet[Job]
    ) -> HttpResponse | None:
        return admin_bulk.run(model_admin, request, chosen, key)

    return shell


def _context(job: Job, request: HttpRequest) -> dict[str, Any]:
    user = request.user
    if not isinstance(user, User):
        return {}
    operations = OperationRun.objects.filter(job=job, attempt=job.attempt).order_by("id").only(*_SHOWN)
    records = selectors.audit_of(job).order_by("-id")[:MOST_RECORDS]
    refusals = base.refusals_of_all(job, user, now=timezone.now())
    return {
        "links": standing.buttons(job, [key for key, refusal in refusals.items() if refusal is None]),
        "steps": list(job.step_runs.order_by("-attempt", "-started_at")[:MOST_STEPS]),
        "operations": list(operations[:MOST_OPERATIONS]),
        "most_operations": MOST_OPERATIONS,
        "records": [
            (
                ACTION_LABELS.get(record.action, record.action),
                status_label(record.from_status),
                status_label(record.to_status),
                record,
            )
            for record in records
        ],
        "sees_audit": user.has_perm("jobs.view_auditrecord"),
    }
