"""The admin's pages that answer: who can, why not, and all that somebody may do."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from permissions import explain, grids, policy
from permissions.catalog import LABELS, RIGHT_OF_ACTION, SHORT_LABELS, Right
from permissions.delegation import Reach, knows_groups
from permissions.echoes import EchoesLittle
from permissions.explain import Grants, Standing
from permissions.models import Environment, User
from permissions.people import people, person
from permissions.policy import Principal

STANDINGS: Final = {
    Standing.HOLDS: _("counts"),
    Standing.SUPERUSER: _("superuser: holds all rights"),
    Standing.INACTIVE: _("inactive: may do nothing"),
    Standing.UNSEEING: _("holds it without view_monitor, so it does not count"),
    Standing.LACKS: _("does not hold it"),
}


class WhoForm(EchoesLittle, forms.Form):
    """A right and an environment."""

    right = forms.ChoiceField(label=_("Right"))
    environment = forms.ChoiceField(label=_("Environment"))

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Offer the environments that the asker may see."""
        super().__init__(*args, **kwargs)
        codes = policy.environments_for(request.user).values_list("code", flat=True)
        self._offer("right", [(right.value, f"{right.value}: {LABELS[right]}") for right in Right])
        self._offer("environment", [(code, code) for code in codes])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def asked(self) -> tuple[Right, str]:
        """The right, and the code of the environment."""
        return Right(self.cleaned_data["right"]), self.cleaned_data["environment"]


class WhyForm(WhoForm):
    """A user, a right, an environment, and perhaps an action."""

    user = forms.CharField(
        label=_("User"),
        max_length=150,
        widget=forms.TextInput(attrs={"list": "users", "autocomplete": "off", "spellcheck": "false"}),
    )
    action = forms.ChoiceField(label=_("Action"), required=False)
    field_order = ("user", "right", "environment", "action")

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Offer the actions too."""
        super().__init__(request, *args, **kwargs)
        self._offer("action", [("", gettext("any")), *((key, key) for key in RIGHT_OF_ACTION)])

    def clean_user(self) -> User:
        """Return the user that is named."""
        name = self.cleaned_data["user"]
        found = User.objects.filter(username=name).first()
        if found is None:
            raise ValidationError(gettext("There is no user %(name)s."), params={"name": name})
        return found


def addresses(model_admin: admin.ModelAdmin[User]) -> list[URLPattern]:
    """Return the addresses of the pages; whoever may look at users may ask."""

    def view(page: Any) -> Any:
        def guarded(request: HttpRequest, **named: Any) -> HttpResponse:
            if not model_admin.has_view_permission(request):
                raise PermissionDenied
            template, context, status = page(request, **named)
            whole = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, **context}
            return TemplateResponse(request, f"admin/permissions/user/{template}.html", whole, status=status)

        return model_admin.admin_site.admin_view(require_safe(guarded))

    return [
        path("who-can/", view(who_can), name="permissions_user_who_can"),
        path("why-not/", view(why_not), name="permissions_user_why_not"),
        path("<int:user_id>/overview/", view(overview), name="permissions_user_overview"),
    ]


Answer = tuple[str, dict[str, Any], int]
"""Template, what it needs, and the status."""


def who_can(request: HttpRequest) -> Answer:
    """Say who holds a right on an environment, and through what. At most ten queries, however many users there are."""
    asked = bool(request.GET)
    form = WhoForm(request, request.GET if asked else None)
    context: dict[str, Any] = {"title": gettext("Who can?"), "form": form}
    if not form.is_valid():
        return "who_can", context, 400 if asked else 200
    right, code = form.asked
    there = Environment.objects.filter(code=code)
    every_user, every_group = User.objects.all(), Group.objects.all()
    found = policy.read_grants(users=every_user, groups=every_group, environments=there)
    grants = Grants(found, names_groups=knows_groups(request.user))
    names = [principal.partition(":")[::2] for principal in grants.principals()]
    concerned = every_user.filter(
        Q(is_superuser=True)
        | Q(username__in=[name for kind, name in names if kind == "user"])
        | Q(groups__name__in=[name for kind, name in names if kind == "group"])
    ).distinct()
    keys = dict(concerned.values_list("username", "pk"))
    holders: list[dict[str, Any]] = [
        {
            "name": holder.person.username,
            "counts": holder.standing.counts,
            "standing": STANDINGS[holder.standing],
            "sources": explain.listed(holder.sources),
            "overview": reverse("admin:permissions_user_overview", args=[keys[holder.person.username]]),
            "why": why_address(holder.person.username, right, code),
        }
        for holder in explain.who_can(people(concerned), right, code, grants)
        if holder.person.username in keys
    ]
    context.update(
        holders=holders, number=sum(holder["counts"] for holder in holders), right=right, code=code
    )
    context.update(label=LABELS[right], asked=True, environment=there.first())
    return "who_can", context, 200


def why_not(request: HttpRequest) -> Answer:
    """Say why a user may or may not use a right on an environment, link by link."""
    asked = bool(request.GET)
    form = WhyForm(request, request.GET if asked else None)
    users = User.objects.order_by("username").values_list("username", flat=True)
    context: dict[str, Any] = {"title": gettext("Why not?"), "form": form, "users": users}
    if not form.is_valid():
        return "why_not", context, 400 if asked else 200
    (right, code), user = form.asked, form.cleaned_data["user"]
    grants = Grants(
        policy.read_grants(
            users=User.objects.filter(pk=user.pk),
            groups=Group.objects.all(),
            environments=Environment.objects.filter(code=code),
        ),
        names_groups=knows_groups(request.user),
    )
    groups = list(Group.objects.order_by("name").values_list("name", flat=True))
    context["explanation"] = explain.why(
        person(user), right, code, grants, action=form.cleaned_data["action"], groups=groups
    )
    context["subject"] = user
    return "why_not", context, 200


def overview(request: HttpRequest, user_id: int) -> Answer:
    """Show all that a user may do, environment by environment."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    rows = [
        {
            "row": row,
            "cells": [
                {
                    "cell": cell,
                    "may": user.is_active and (user.is_superuser or (cell.held and cell.counts)),
                    "why": why_address(user.username, cell.right, row.key) if row.key != "*" else "",
                    "sources": [
                        *([gettext("own grant")] if cell.own else []),
                        *dict.fromkeys(source.text for source in cell.sources),
                    ],
                }
                for cell in row.cells
            ],
        }
        for row in grids.of_principal(user, Reach(request.user, may_grant=False))
    ]
    columns = [(right, SHORT_LABELS[right], LABELS[right]) for right in Right]
    title = gettext("Everything %(user)s may do") % {"user": user.username}
    return "overview", {"title": title, "subject": user, "matrix": rows, "columns": columns}, 200


def why_address(username: str, right: Right, code: str) -> str:
    """Return the address of the page that says why a user may or may not."""
    query = urlencode({"user": username, "right": right.value, "environment": code})
    return f"{reverse('admin:permissions_user_why_not')}?{query}"


def of_principal(principal: Principal) -> list[tuple[str, str]]:
    """Return names and addresses of the pages that explain the rights of a user or group."""
    if isinstance(principal, Group):
        return [(gettext("Who can?"), reverse("admin:permissions_user_who_can"))]
    asking = urlencode({"user": principal.username, "right": "view_monitor"})
    return [
        (gettext("Everything %(user)s may do") % {"user": principal.username},
         reverse("admin:permissions_user_overview", args=[principal.pk])),
        (gettext("Why not?"), f"{reverse('admin:permissions_user_why_not')}?{asking}"),
    ]  # fmt: skip


def of_environment(environment: Environment | None) -> list[tuple[str, str]]:
    """Return names and addresses of the pages that explain the rights on an environment."""
    if environment is None:
        return [(gettext("Who can?"), reverse("admin:permissions_user_who_can"))]
    query = urlencode({"right": "view_monitor", "environment": environment.code})
    return [(gettext("Who can?"), f"{reverse('admin:permissions_user_who_can')}?{query}")]
