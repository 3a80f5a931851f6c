"""The admin's page with the rights granted on one environment, or on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from permissions import policy
from permissions.catalog import LABELS, Right
from permissions.models import Environment, User
from permissions.policy import Principal

_NAMES: Final = frozenset(right.value for right in Right)


@dataclass(frozen=True, slots=True)
class Holder:
    """A user or group with what was granted to it here; rights it has through a group are not its own."""

    principal: Principal
    rights: frozenset[Right]

    @property
    def key(self) -> str:
        """Its name in the form, ``group:ops``."""
        return key_of(self.principal)

    @property
    def cells(self) -> list[tuple[Right, bool]]:
        """Every right, and whether it is granted."""
        return [(right, right in self.rights) for right in Right]


def page(
    model_admin: admin.ModelAdmin[Environment], request: HttpRequest, environment_id: int | None
) -> HttpResponse:
    """Show the rights, or keep what was sent and come back.

    Args:
        model_admin: Who may change environments decides who may grant on them.
        request: Of the admin.
        environment_id: ``None`` for the rights on all environments.
    """
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    environment = None
    if environment_id is not None:
        environment = Environment.objects.filter(pk=environment_id).first()
        if environment is None:
            raise Http404
    if request.method == "POST":
        changed = keep(
            environment,
            request.POST.getlist("shown"),
            request.POST.getlist("granted"),
            request.POST.get("added", ""),
        )
        text = _("The rights are kept.") if changed else _("Nothing was changed.")
        messages.success(request, text)
        return redirect(request.path)
    return TemplateResponse(
        request, "admin/permissions/environment/rights.html", _context(model_admin, request, environment)
    )


def _context(
    model_admin: admin.ModelAdmin[Environment], request: HttpRequest, environment: Environment | None
) -> dict[str, Any]:
    found = holders(environment)
    taken = {holder.key for holder in found}
    principals: list[Principal] = [
        *Group.objects.order_by("name"),
        *User.objects.filter(is_active=True).order_by("username"),
    ]
    where = environment.code if environment else _("all environments")
    return {
        **model_admin.admin_site.each_context(request),
        "title": _("Rights on %(where)s") % {"where": where},
        "opts": Environment._meta,
        "environment": environment,
        "rights": [(right, LABELS[right]) for right in Right],
        "holders": found,
        "candidates": [key for key in map(key_of, principals) if key not in taken],
    }


def holders(environment: Environment | None) -> list[Holder]:
    """Return who was granted something here, groups first, each in order of name."""
    found: dict[Principal, set[Right]] = {}
    for principal, right in policy.grants_on(environment):
        found.setdefault(principal, set()).add(right)
    ordered = sorted(found.items(), key=lambda item: key_of(item[0]))
    return [Holder(principal, frozenset(rights)) for principal, rights in ordered]


@transaction.atomic
def keep(environment: Environment | None, shown: list[str], granted: list[str], added: str) -> int:
    """Make the rights what the form says, and return how many grants that changed.

    Args:
        environment: ``None`` for all.
        shown: Principals that the form showed: whoever was granted something meanwhile is left alone.
        granted: Ticked boxes, ``group:ops=restart``.
        added: A principal to add, by its key; it begins by seeing the monitor.
    """
    wanted: Mapping[str, set[Right]] = {key: set() for key in shown}
    for box in granted:
        key, _sign, name = box.rpartition("=")
        if key in wanted and name in _NAMES:
            wanted[key].add(Right(name))
    if added:
        wanted = {**wanted, added: wanted.get(added, set()) | {Right.VIEW_MONITOR}}
    before = {holder.key: holder.rights for holder in holders(environment)}
    changed = 0
    for key, rights in wanted.items():
        principal = _principal(key)
        if principal is None:
            continue
        held = before.get(key, frozenset())
        for right in rights - held:
            policy.grant(principal, right, environment)
        for right in held - rights:
            policy.revoke(principal, right, environment)
        changed += len(rights ^ held)
    return changed


def key_of(principal: Principal) -> str:
    """Return the name of a principal in forms and in the API: ``group:ops``, ``user:ana``."""
    return f"user:{principal.username}" if isinstance(principal, User) else f"group:{principal.name}"


def _principal(key: str) -> Principal | None:
    kind, _sign, name = key.partition(":")
    if kind == "user":
        return User.objects.filter(username=name).first()
    return Group.objects.filter(name=name).first() if kind == "group" else None
