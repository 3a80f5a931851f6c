"""Administration of secrets: they are set and deleted here, and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from jobs import selectors
from jobs.admin_base import author_of
from jobs.models import Secret
from jobs.secrets import vault
from jobs.secrets.forms import SHORTEST
from permissions import policy

hides_the_value = method_decorator(sensitive_post_parameters("value"))


class WriteOnly(forms.Textarea):
    """A field of several lines that never shows what was in it, not even after a mistake elsewhere."""

    def format_value(self, value: Any) -> None:
        """Return nothing."""
        return


class SecretForm(forms.ModelForm[Secret]):
    """Name, scope and the new value."""

    value = forms.CharField(
        label=_("Value"),
        strip=False,
        widget=WriteOnly(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("It is encrypted and never shown again. Write it anew to change it."),
    )

    class Meta:
        model = Secret
        fields = ("name", "environment", "project")

    def clean_name(self) -> str:
        """Refuse what rules cannot read."""
        name = str(self.cleaned_data["name"])
        if vault.mistake_in_name(name):
            raise ValidationError(
                _("Use letters, digits and _, begin with a letter; words such as if and not are taken.")
            )
        return name

    def clean_value(self) -> str:
        """Refuse what cannot be kept or hidden."""
        value = str(self.cleaned_data["value"])
        if vault.mistake_in_value(vault.normal(value)):
            raise ValidationError(
                _("Write between %(least)d characters and %(most)d KiB, and not asterisks alone."),
                params={"least": SHORTEST, "most": vault.LARGEST_BYTES // 1024},
            )
        return value


class SecretAdmin(admin.ModelAdmin[Secret]):
    """Secrets by name and scope, of the environments that the administrator may see."""

    form = SecretForm
    list_display = ("name", "environment", "project", "changed_at", "changed_by")
    list_select_related = ("environment", "project")
    search_fields = ("name",)
    show_full_result_count = False

    @hides_the_value
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Keep the value out of reports of errors."""
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        """Leave out environments that the administrator may not see."""
        visible = policy.environments_for(request.user)
        found: QuerySet[Secret] = super().get_queryset(request)
        return found.filter(Q(environment=None) | Q(environment__in=visible))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        """Offer the same ones only, and no secret for all environments to whoever does not see all of them."""
        if db_field.name == "environment":
            kwargs["queryset"] = policy.environments_for(request.user)
            kwargs["required"] = not policy.rights_of(request.user).sees_all
        elif db_field.name == "project":
            kwargs["queryset"] = selectors.visible_projects(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Secret | None = None) -> bool:
        """Let only those who see all environments change what jobs in all of them read."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Secret | None = None) -> bool:
        """Ask for the same."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Let name and scope be chosen once: the value is tied to them."""
        return ("name", "environment", "project") if obj is not None else ()

    def save_model(
        self, request: HttpRequest, obj: Secret, form: forms.ModelForm[Secret], change: bool
    ) -> None:
        """Encrypt the value and record who set it."""
        scope = vault.Scope(obj.environment, obj.project)
        by = author_of(request)
        vault.keep(obj.name, form.cleaned_data["value"], scope, by=by, now=timezone.now())
        obj.pk = Secret.objects.get(name=obj.name, environment=obj.environment, project=obj.project).pk

    def delete_model(self, request: HttpRequest, obj: Secret) -> None:
        """Delete it and record who did."""
        scope = vault.Scope(obj.environment, obj.project)
        vault.forget(obj.name, scope, by=author_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Secret]) -> None:
        """Delete several, each with its record."""
        for secret in queryset.select_related("environment", "project"):
            self.delete_model(request, secret)


def _may_touch(request: HttpRequest, secret: Secret | None) -> bool:
    is_for_all = secret is not None and secret.environment_id is None
    return not is_for_all or policy.rights_of(request.user).sees_all
