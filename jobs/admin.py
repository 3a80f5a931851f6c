"""Administration of projects and natures; jobs and the audit are for reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobs import selectors
from jobs.admin_secrets import SecretAdmin
from jobs.models import AuditRecord, Job, Nature, Project, ProjectEnvironment, Secret
from permissions import policy

admin.site.register(Secret, SecretAdmin)


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
    list_filter = ("status", "step", VisibleEnvironmentFilter, "type", "urgent")
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
