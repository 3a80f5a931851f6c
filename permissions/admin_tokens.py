"""Administration of API tokens: made here, shown once, never changed. Only superusers see and make those of others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from permissions import once, policy, tokens
from permissions.models import ApiToken, User
from permissions.token_forms import LimitsMixin, environments_field, future, rights_field


class ApiTokenForm(LimitsMixin, forms.ModelForm[ApiToken]):
    """A new token; ``asker`` is set by the page."""

    asker: User
    rights = rights_field()
    environments = environments_field()

    class Meta:
        model = ApiToken
        fields = ("user", "name", "expires_at", "rights", "environments")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what the asker may see; who is no superuser makes tokens for nobody else."""
        super().__init__(*args, **kwargs)
        self.offer(self.asker)
        if "user" in self.fields:
            self.fields["user"].label = _("User")
        else:
            self.instance.user = self.asker

    def clean_expires_at(self) -> datetime | None:
        """Refuse what is past."""
        return future(self.cleaned_data["expires_at"])

    def clean(self) -> dict[str, Any]:
        """Have the limits checked for whom the token is."""
        found = super().clean() or self.cleaned_data
        owner = found.get("user") if "user" in self.fields else self.asker
        if owner is not None:
            self.check(owner)
        found.update({name: limit for name, limit in self.limits().items() if name in found})
        return found


class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens for programs."""

    form = ApiTokenForm
    list_display = ("hint", "user", "name", "limited_to", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("hint", "name", "user__username")
    fields = ("user", "name", "expires_at", "limited_to", "hint", "created_at", "last_used_at")
    readonly_fields = ("limited_to", "hint", "created_at", "last_used_at")
    autocomplete_fields = ("user",)

    class Media:
        css = {"all": ("permissions/admin.css",)}  # noqa: RUF012  # Django's own way

    @admin.display(description=_("limits"))
    def limited_to(self, token: ApiToken) -> str:
        """Say what it is limited to."""
        return limits_in_words(token)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Leave the tokens of others to superusers."""
        found: QuerySet[ApiToken] = super().get_queryset(request)
        return (
            found
            if policy.administers(request.user)
            else found.filter(user__username=request.user.get_username())
        )

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """Ask for a new token's own facts only."""
        if obj:
            return self.fields
        asked = ("name", "expires_at", "rights", "environments")
        return ("user", *asked) if policy.administers(request.user) else asked

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Tell the form who asks."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.asker = request.user
        return form

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Say no: a token is made and taken away."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Say no to the tokens of others, unless a superuser asks."""
        mine = obj is None or obj.user_id == request.user.pk or policy.administers(request.user)
        return mine and super().has_delete_permission(request, obj)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make nothing when the form that is sent has made its token already."""
        context = {**(extra_context or {}), "form_key": once.key_for(request)}
        with transaction.atomic():
            if request.method == "POST" and self.has_add_permission(request) and once.is_used_up(request):
                return self._shown(request, "", 409)
            answer: HttpResponse = super().add_view(request, form_url, context)
        return answer

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make the token, and keep it for the answer to this request alone."""
        assert isinstance(request.user, User)
        owner = obj.user if request.user.administers else request.user
        token = tokens.issue(owner, name=obj.name, expires_at=obj.expires_at, **form.limits())
        made = ApiToken.objects.get(digest=tokens.digest(token))
        obj.pk, obj.user, obj.hint, obj.created_at = made.pk, owner, made.hint, made.created_at
        obj.digest = made.digest
        request._clarive_token = token  # type: ignore[attr-defined]
        once.use_up(request)

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, this once: it goes into no cookie, no session and no cache."""
        return self._shown(request, request._clarive_token)  # type: ignore[attr-defined]

    def _shown(self, request: HttpRequest, token: str, status: int = 200) -> HttpResponse:
        """Return the page that shows a token, or, when there is none, says that it was shown."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("New API token"),
            "token": token,
        }
        answer = TemplateResponse(request, "admin/permissions/apitoken/made.html", context, status=status)
        add_never_cache_headers(answer)
        return answer


def limits_in_words(token: ApiToken) -> str:
    """Return what a token is limited to, as lists show it."""
    parts = [", ".join(names) for names in (token.rights, token.environments) if names is not None]
    return "; ".join(parts) or gettext("none")
