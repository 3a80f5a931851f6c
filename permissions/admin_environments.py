"""Administration of environments, and of the rights granted on them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from permissions import admin_grants, admin_questions, durations, locks, policy
from permissions.admin_deletion import ReadableDeletion
from permissions.admin_shown import KeepsWhatOthersChanged
from permissions.fields import DurationField, VariablesField
from permissions.models import Environment


class EnvironmentForm(forms.ModelForm[Environment]):
    """An environment as people write it."""

    expiry = DurationField(
        initial=Environment._meta.get_field("expiry").default,
        help_text=_(
            "How long after its planned date a job may still begin RUN; past that it expires. Such as 1d or 90m."
        ),
    )
    expiry_urgent = DurationField(
        initial=Environment._meta.get_field("expiry_urgent").default,
        help_text=_("The same for urgent jobs, usually shorter. Such as 1h."),
    )
    variables = VariablesField(
        help_text=_('A JSON object that the rules of all jobs here see, such as {"replicas": 3}.'),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin labels as those of the other fields."""
        super().__init__(*args, **kwargs)
        for name in ("expiry", "expiry_urgent", "variables"):
            self.fields[name].label = capfirst(str(label_for_field(name, Environment)))

    class Meta:
        model = Environment
        fields = ("code", "name", "position", "colour", "expiry", "expiry_urgent", "variables")
        widgets = {"colour": forms.TextInput(attrs={"type": "color"})}  # noqa: RUF012  # Django's own way
        help_texts = {  # noqa: RUF012
            "code": _("What rules, programs and grants call it. It cannot be changed later."),
            "position": _("Environments are listed by this number, then by code."),
            "colour": _("Marks the environment on the pages."),
        }


class EnvironmentAdmin(KeepsWhatOthersChanged[Environment], ReadableDeletion[Environment]):
    """Environments; each has a page with the rights granted on it, and one page is for the rights on all."""

    form = EnvironmentForm
    fields = ("code", "name", "position", "colour", "expiry", "expiry_urgent", "variables")
    list_display = ("code", "name", "position", "swatch", "normal_expiry", "urgent_expiry", "rights_link")
    list_display_links = ("code", "name")
    search_fields = ("code", "name")
    change_list_template = "admin/permissions/environment/change_list.html"
    change_form_template = "admin/permissions/environment/change_form.html"

    @admin.display(description=_("colour"))
    def swatch(self, environment: Environment) -> SafeString:
        """Show the colour; it is drawn, since the pages' policy allows no style in the markup."""
        return format_html(
            '<svg width="14" height="14" role="img" aria-label="{0}"><rect width="14" height="14" rx="3" fill="{0}"/></svg>',
            environment.colour,
        )

    @admin.display(description=_("expiry"), ordering="expiry")
    def normal_expiry(self, environment: Environment) -> str:
        """Show it as people write it."""
        return durations.text(environment.expiry)

    @admin.display(description=_("expiry when urgent"), ordering="expiry_urgent")
    def urgent_expiry(self, environment: Environment) -> str:
        """Show it as people write it."""
        return durations.text(environment.expiry_urgent)

    @admin.display(description=_("rights"))
    def rights_link(self, environment: Environment) -> SafeString:
        """Link to the rights granted on the environment."""
        address = reverse("admin:permissions_environment_rights", args=[environment.pk])
        return format_html('<a href="{}">{}</a>', address, _("Rights"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Environment]:
        """Leave out environments that the administrator may not see."""
        visible = policy.environments_for(request.user)
        found: QuerySet[Environment] = super().get_queryset(request).filter(pk__in=visible.values("pk"))
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Environment | None = None) -> Any:
        """Keep the code: rules, grants, tokens and names of jobs have it."""
        return ("code",) if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no to those who would not see what they made."""
        return super().has_add_permission(request) and policy.rights_of(request.user).sees_all

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        """Save under the lock, which is taken before any row."""
        locks.hold()
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages with rights."""
        return [
            path(
                "rights/",
                self.admin_site.admin_view(self.rights_everywhere),
                name="permissions_environment_rights_everywhere",
            ),
            path(
                "<int:environment_id>/rights/",
                self.admin_site.admin_view(self.rights),
                name="permissions_environment_rights",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Add the pages that explain its rights."""
        environment = self.get_object(request, object_id)
        questions = admin_questions.of_environment(environment) if environment else []
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "questions": questions}
        )

    def rights(self, request: HttpRequest, environment_id: int) -> HttpResponse:
        """Show and keep the rights granted on one environment."""
        self._require_view(request)
        environment = self.get_queryset(request).filter(pk=environment_id).first()
        if environment is None:
            raise Http404
        return self._page(request, environment)

    def rights_everywhere(self, request: HttpRequest) -> HttpResponse:
        """Show and keep the rights granted on all environments, also those to come."""
        self._require_view(request)
        return self._page(request, None)

    def _page(self, request: HttpRequest, environment: Environment | None) -> HttpResponse:
        may_grant = self.has_change_permission(request)
        table = admin_grants.of_environment(environment, request, may_grant=may_grant)
        return admin_grants.page(self, request, table, admin_questions.of_environment(environment))

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
