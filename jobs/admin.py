"""Administration of projects, waits and semaphores; the modules beside this one hold the larger tables."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, ForeignKey, JSONField, Model, OuterRef, Q, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from jobs import admin_beat, admin_dry_run, admin_schedules, audit, semaphores
from jobs.admin_audit import AuditRecordAdmin
from jobs.admin_base import BoundedInline, ReadOnlyAdmin, author_of
from jobs.admin_jobs import JobAdmin
from jobs.admin_natures import NatureAdmin
from jobs.admin_retention import RetentionPolicyAdmin
from jobs.admin_secrets import SecretAdmin
from jobs.admin_subscriptions import SubscriptionAdmin
from jobs.admin_workers import WorkerAdmin
from jobs.models import (
    Approval,
    ApprovalSignature,
    AuditRecord,
    Job,
    Nature,
    Project,
    ProjectEnvironment,
    RetentionPolicy,
    Secret,
    Semaphore,
    SemaphoreRequest,
    Subscription,
    Trap,
    WorkerSeen,
)
from jobs.secrets import credentials
from permissions import policy
from permissions.admin_shown import KeepsWhatOthersChanged
from permissions.fields import VariablesField
from rules.admin import MORE_PAGES

admin.site.register(AuditRecord, AuditRecordAdmin)
admin.site.register(Job, JobAdmin)
admin.site.register(Nature, NatureAdmin)
admin.site.register(RetentionPolicy, RetentionPolicyAdmin)
admin.site.register(Secret, SecretAdmin)
admin.site.register(Subscription, SubscriptionAdmin)
admin_schedules.register(admin.site)
admin_beat.register(admin.site)
admin.site.register(WorkerSeen, WorkerAdmin)
MORE_PAGES.append(admin_dry_run.pages)


def _variables_of(model: type[Model]) -> VariablesField:
    """Return the field of variables that refuses what the database cannot keep."""
    field = model._meta.get_field("variables")
    assert isinstance(field, JSONField)
    return VariablesField(label=capfirst(field.verbose_name), help_text=field.help_text)


class ProjectForm(ModelForm[Project]):
    """A project as people write it."""

    variables = _variables_of(Project)

    class Meta:
        model = Project
        fields = ("code", "name", "repository", "credential", "username", "variables")

    def clean_credential(self) -> str:
        """Refuse the name of a secret that is not there."""
        name = str(self.cleaned_data["credential"])
        if name and credentials.secret_of(name, self.instance.pk) is None:
            raise ValidationError(_("There is no such secret for all environments."))
        return name


class ProjectEnvironmentForm(ModelForm[ProjectEnvironment]):
    """Variables as people write them."""

    variables = _variables_of(ProjectEnvironment)

    class Meta:
        model = ProjectEnvironment
        fields = ("project", "environment", "variables")


class ProjectEnvironmentInline(BoundedInline):
    """Variables of the project in one environment."""

    model = ProjectEnvironment
    form = ProjectEnvironmentForm
    extra = 0

    def most_rows(self, request: HttpRequest, obj: Model | None) -> int:
        """Return how many environments can be chosen."""
        return policy.environments_for(request.user).count()

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
class ProjectAdmin(KeepsWhatOthersChanged[Project]):
    """Projects with their repository and variables."""

    form = ProjectForm
    list_display = ("code", "name", "repository")
    search_fields = ("code", "name", "repository")
    inlines = (ProjectEnvironmentInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Keep the code, by which rules, subscriptions, views and programs know it.

        Only those who see all environments say where a secret is taken: it is for all of them.
        """
        code = ("code",) if obj is not None else ()
        if policy.rights_of(request.user).sees_all:
            return code
        own = (*code, "credential", "username")
        return ("repository", *own) if isinstance(obj, Project) and obj.credential else own

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


class SignatureInline(BoundedInline):
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

    told = ("error",)

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


class RequestInline(BoundedInline):
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
class SemaphoreAdmin(KeepsWhatOthersChanged[Semaphore]):
    """Semaphores and how many slots each has. One that somebody holds or waits for stays."""

    list_display = ("name", "slots")
    search_fields = ("name",)
    inlines = (RequestInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Semaphore]:
        """Leave out what may tell of environments that the administrator does not see.

        A semaphore belongs to none; who does not see them all sees those that visible jobs, and no others, use or wait for.
        """
        found: QuerySet[Semaphore] = super().get_queryset(request)
        if policy.rights_of(request.user).sees_all:
            return found
        requests = SemaphoreRequest.objects.filter(semaphore=OuterRef("pk"))
        visible = Q(job__environment__in=policy.environments_for(request.user))
        return found.filter(Exists(requests), ~Exists(requests.exclude(visible)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no to those who do not see every environment: jobs of any of them may use it."""
        return super().has_add_permission(request) and policy.rights_of(request.user).sees_all

    def has_change_permission(self, request: HttpRequest, obj: Semaphore | None = None) -> bool:
        """Say no to the same ones."""
        return super().has_change_permission(request, obj) and policy.rights_of(request.user).sees_all

    def has_delete_permission(self, request: HttpRequest, obj: Semaphore | None = None) -> bool:
        """Say no to the same ones."""
        return super().has_delete_permission(request, obj) and policy.rights_of(request.user).sees_all

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Keep the name, by which rules know it."""
        return ("name",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Semaphore, form: ModelForm[Any], change: bool) -> None:
        """Record who set the slots, and grant new ones at once to those who wait longest."""
        super().save_model(request, obj, form, change)
        author = author_of(request)
        audit.record_setting(author, "set_semaphore", now=timezone.now(), comment=f"{obj.name}: {obj.slots}")
        transaction.on_commit(semaphores.grant_freed)
