"""Administration of retention: policies, and what they would remove if the daemon looked now."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from jobs.models import RetentionPolicy, RetentionState
from jobs.retention.figures import dry_run
from permissions import policy
from permissions.admin_shown import KeepsWhatOthersChanged

MOST_SECONDS: Final = 3.0
"""So long somebody waits for the dry run; the command counts to the end."""


class RetentionPolicyAdmin(KeepsWhatOthersChanged[RetentionPolicy]):
    """Policies, of the environments that the administrator may see."""

    list_display = ("removes", "environment_shown", "rule_shown", "outcome", "kept")
    list_display_links = ("removes", "environment_shown", "rule_shown")
    list_select_related = ("environment", "rule")
    list_filter = ("removes", "outcome")
    search_fields = ("environment__code", "rule__slug")
    fields = ("removes", "environment", "rule", "outcome", "keep_days", "keep_jobs")
    show_full_result_count = False
    change_list_template = "admin/jobs/retentionpolicy/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the dry run."""
        view = self.admin_site.admin_view(self.dry_run_view)
        return [path("dry_run/", view, name="jobs_retentionpolicy_dry_run"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RetentionPolicy]:
        """Leave out environments that the administrator may not see."""
        visible = policy.environments_for(request.user)
        found: QuerySet[RetentionPolicy] = super().get_queryset(request)
        return found.filter(Q(environment=None) | Q(environment__in=visible))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        """Offer the same ones only, and no policy for all environments to whoever does not see all of them."""
        if db_field.name == "environment":
            kwargs["queryset"] = policy.environments_for(request.user)
            kwargs["required"] = not policy.rights_of(request.user).sees_all
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> bool:
        """Let only those who see all environments change what jobs in all of them fall under."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> bool:
        """Ask for the same."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def dry_run_view(self, request: HttpRequest) -> HttpResponse:
        """Show what would be removed now, by policies that the administrator may see."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = dry_run(timezone.now(), seconds=MOST_SECONDS)
        visible = set(self.get_queryset(request).values_list("pk", flat=True))
        sees_all = policy.rights_of(request.user).sees_all
        # Figures of a policy for all environments tell of jobs in hidden ones.
        shown = [
            figures
            for figures in found.policies
            if figures.policy.pk in visible and (sees_all or figures.policy.environment_id is not None)
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("What retention would remove now"),
            "found": found,
            "rows": [(figures, self.kept(figures.policy)) for figures in shown],
            "state": RetentionState.objects.filter(pk=1).first() if sees_all else None,
            "sees_all": sees_all,
        }
        return TemplateResponse(request, "admin/jobs/retentionpolicy/dry_run.html", context)

    # --- The list ---

    @admin.display(description=_("environment"), ordering="environment__code")
    def environment_shown(self, row: RetentionPolicy) -> str:
        """Name the environment."""
        return row.environment.code if row.environment is not None else gettext("any environment")

    @admin.display(description=_("rule"), ordering="rule__slug")
    def rule_shown(self, row: RetentionPolicy) -> str:
        """Name the rule."""
        return row.rule.slug if row.rule is not None else gettext("any rule")

    @admin.display(description=_("kept"), ordering="keep_days")
    def kept(self, row: RetentionPolicy) -> str:
        """Say what keeps a job."""
        if row.is_for_ever:
            return gettext("for ever")
        limits = []
        if row.keep_days is not None:
            limits.append(ngettext("%(n)d day", "%(n)d days", row.keep_days) % {"n": row.keep_days})
        if row.keep_jobs is not None:
            limits.append(
                ngettext("the newest job", "the newest %(n)d jobs", row.keep_jobs) % {"n": row.keep_jobs}
            )
        return gettext(" or ").join(limits)


def _may_touch(request: HttpRequest, row: RetentionPolicy | None) -> bool:
    is_for_all = row is not None and row.environment_id is None
    return not is_for_all or policy.rights_of(request.user).sees_all
