"""Administration of projects and natures; jobs and the audit are for reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobs import selectors
from jobs.models import AuditRecord, Job, Nature, Project, ProjectEnvironment
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


class ProjectEnvironmentInline(admin.TabularInline[ProjectEnvironment, Project]):
    """Variables of the project in one environment."""

    model = ProjectEnvironment
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin[Project]):
    """Projects with their repository and variables."""

    list_display = ("code", "name", "repository")
    search_fields = ("code", "name", "repository")
    inlines = (ProjectEnvironmentInline,)


@admin.register(Nature)
class NatureAdmin(admin.ModelAdmin[Nature]):
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
    list_filter = ("status", "step", "environment", "type", "urgent")
    search_fields = ("name", "comment")
    ordering = ("-id",)
    show_full_result_count = False
    exclude = ("claim", "stash", "rule_pins", "natures")

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
    list_filter = ("action", "source", "environment")
    search_fields = ("job_name", "user", "comment")
    ordering = ("-id",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRecord]:
        """Leave out what happened in environments that the user may not see."""
        found: QuerySet[AuditRecord] = super().get_queryset(request)
        if policy.rights_of(request.user).sees_all:
            return found
        return found.filter(environment__in=policy.environments_for(request.user).values("code"))
