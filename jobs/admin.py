"""Administration of projects and natures; jobs and the audit are for reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobs import audit, selectors, semaphores
from jobs.actions import base
from jobs.admin_secrets import SecretAdmin
from jobs.admin_site import CarefulAdmin
from jobs.audit import Author
from jobs.models import (
    Approval,
    ApprovalSignature,
    AuditRecord,
    Job,
    Nature,
    Project,
    ProjectEnvironment,
    Secret,
    Semaphore,
    SemaphoreRequest,
    Trap,
)
from jobs.monitor import standing
from permissions import policy
from permissions.models import User

admin.site.register(Secret, SecretAdmin)


class ReadOnlyAdmin(CarefulAdmin):
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


class ProjectEnvironmentInline(admin.TabularInline[ProjectEnvironment, Project]):
    """Variables of the project in one environment."""

    model = ProjectEnvironment
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProjectEnvironment]:
        """Leave out environments that the administrator may not see."""
        visible = policy.environments_for(request.user)
        found: QuerySet[ProjectEnvironment] = super().get_queryset(request).filter(environment__in=visible)
        return found

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Offer the same ones only."""
        if db_field.name == "environment":
            kwargs["queryset"] = policy.environments_for(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Project)
class ProjectAdmin(CarefulAdmin):
    """Projects with their repository and variables."""

    list_display = ("code", "name", "repository")
    search_fields = ("code", "name", "repository")
    inlines = (ProjectEnvironmentInline,)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, dict[str, Any]]]:
        """Say what was changed without naming environments: whoever may see the project reads its history."""
        found: list[dict[str, dict[str, Any]]] = super().construct_change_message(
            request, form, formsets, add
        )
        for message in found:
            for about in message.values():
                if "object" in about:
                    about["object"] = str(form.instance)
        return found


@admin.register(Nature)
class NatureAdmin(CarefulAdmin):
    """Natures with their patterns."""

    list_display = ("code", "name", "include", "exclude")
    search_fields = ("code", "name")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs of the environments that the administrator may see; each links to its page."""

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
    list_filter = ("status", "step", VisibleEnvironmentFilter, "type", "urgent")
    search_fields = ("name", "comment")
    ordering = ("-id",)
    show_full_result_count = False
    exclude = ("claim", "cancelled_claim", "stash", "rule_pins", "natures")
    change_form_template = "admin/jobs/job/change_form.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a job with links to the pages of what the administrator may do with it."""
        job = self.get_object(request, unquote(object_id))
        links = _links(job, request) if job is not None else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "links": links})

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let every administrator in: which jobs are there is decided by the rights per environment."""
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the jobs on the first page of the admin."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Begin, as all reads of jobs do, at what the user may see."""
        return selectors.visible_jobs(request.user)

    @admin.display(description=_("page"))
    def page(self, job: Job) -> SafeString:
        """Link to the job's own page."""
        return format_html('<a href="{}">{}</a>', reverse("monitor:job", args=[job.pk]), _("Open"))


def _links(job: Job, request: HttpRequest) -> list[standing.Button]:
    if not isinstance(request.user, User):
        return []
    return standing.buttons(job, base.available(job, request.user, now=timezone.now()))


class WaitAdmin(ReadOnlyAdmin):
    """What jobs wait for or waited for, of the environments that the administrator may see."""

    list_select_related = ("job__environment",)
    search_fields = ("job__name", "name")
    ordering = ("-id",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out jobs that the administrator may not see."""
        found: QuerySet[Any] = super().get_queryset(request)
        return found.filter(job__environment__in=policy.environments_for(request.user))


class SignatureInline(admin.TabularInline[ApprovalSignature, Approval]):
    """Who signed."""

    model = ApprovalSignature
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: people sign on the job's page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let whoever may see approvals see their signatures."""
        return request.user.has_perm("jobs.view_approval")


@admin.register(Approval)
class ApprovalAdmin(WaitAdmin):
    """Approvals with their signatures."""

    list_display = ("job", "name", "step", "attempt", "result", "minimum", "began_at", "closed_at")
    list_filter = ("result", "step")
    inlines = (SignatureInline,)


@admin.register(Trap)
class TrapAdmin(WaitAdmin):
    """Traps with their answers."""

    list_display = (
        "job",
        "name",
        "step",
        "attempt",
        "answer",
        "retries",
        "deadline",
        "began_at",
        "closed_at",
    )
    list_filter = ("answer", "on_timeout", "step")


class RequestInline(admin.TabularInline[SemaphoreRequest, Semaphore]):
    """Who holds a slot and who waits for one, among the jobs that the administrator may see."""

    model = SemaphoreRequest
    fields = readonly_fields = ("job", "path", "asked_at", "granted_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: rules ask."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let whoever may see the semaphore see its queue."""
        return request.user.has_perm("jobs.view_semaphore") or request.user.has_perm("jobs.change_semaphore")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SemaphoreRequest]:
        """Leave out jobs that the administrator may not see."""
        visible = policy.environments_for(request.user)
        found: QuerySet[SemaphoreRequest] = super().get_queryset(request)
        return found.filter(job__environment__in=visible).select_related("job")


@admin.register(Semaphore)
class SemaphoreAdmin(CarefulAdmin):
    """Semaphores and how many slots each has. One that somebody holds or waits for stays."""

    list_display = ("name", "slots")
    search_fields = ("name",)
    inlines = (RequestInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Keep the name, by which rules know it."""
        return ("name",) if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Semaphore | None = None) -> bool:
        """Say no while somebody uses it."""
        is_used = obj is not None and obj.requests.exists()
        return not is_used and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Semaphore, form: ModelForm[Any], change: bool) -> None:
        """Record who set the slots, and grant new ones at once to those who wait longest."""
        super().save_model(request, obj, form, change)
        author = Author(
            request.user.get_username(),
            AuditRecord.Source.ADMIN.value,
            request.META.get("REMOTE_ADDR", ""),
        )
        audit.record_setting(author, "set_semaphore", now=timezone.now(), comment=f"{obj.name}: {obj.slots}")
        transaction.on_commit(semaphores.grant_freed)


@admin.register(AuditRecord)
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
    list_filter = ("action", "source", VisibleEnvironmentFilter)
    search_fields = ("job_name", "user", "comment")
    ordering = ("-id",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRecord]:
        """Leave out what happened in environments that the user may not see."""
        found: QuerySet[AuditRecord] = super().get_queryset(request)
        if policy.rights_of(request.user).sees_all:
            return found
        return found.filter(environment__in=policy.environments_for(request.user).values("code"))
