"""The admin's pages with a table of rights: of one environment, of all of them, of a user or of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from permissions import granting, grids
from permissions.catalog import LABELS, SHORT_LABELS, Right
from permissions.delegation import Reach, knows_groups
from permissions.exceptions import Clash, GrantRefused, RightsChanged
from permissions.granting import Resolve
from permissions.grids import Row, Ticks
from permissions.models import Environment, User
from permissions.policy import Principal

_PAGE: Final = "admin/permissions/rights.html"


@dataclass(frozen=True, slots=True)
class Table:
    """One table of rights and its form.

    Attributes:
        title: Of its page.
        head: Of the column of its rows.
        address: Where the form goes to, which is also its page.
        back: Where somebody goes who saved it on the page of what it belongs to.
        crumbs: Names and addresses above it.
        rows: Returns the rows, with the ticks somebody wished for and what their form showed first.
        resolve: Finds what the rows stand for.
        candidates: Keys of whom a row may be added for; ``None`` when no row may be.
    """

    title: str
    head: str
    address: str
    back: str
    crumbs: tuple[tuple[str, str], ...]
    rows: Callable[[Ticks | None, Ticks | None], list[Row]]
    resolve: Resolve
    candidates: Callable[[], list[str]] | None = None

    def context(self, **more: Any) -> dict[str, Any]:
        """Return what the form's template needs."""
        rows = self.rows(more.get("ticks"), more.get("carried"))
        return {
            "table": self,
            "rows": rows,
            "columns": [(right, SHORT_LABELS[right], LABELS[right]) for right in Right],
            "may_save": any(row.editable for row in rows) or self.candidates is not None,
            "candidates": self.candidates() if self.candidates else None,
            **more,
        }


def of_environment(environment: Environment | None, request: HttpRequest, *, may_grant: bool) -> Table:
    """Return the table of an environment, of all of them when ``None``."""
    reach = Reach(request.user, may_grant=may_grant)
    names = (environment.pk,) if environment else ()
    address = "admin:permissions_environment_rights" + ("" if environment else "_everywhere")
    listing = reverse("admin:permissions_environment_changelist")
    back = reverse("admin:permissions_environment_change", args=names) if environment else listing
    crumbs = [(str(Environment._meta.verbose_name_plural).capitalize(), listing)]
    if environment:
        crumbs.append((environment.code, back))
    return Table(
        title=_("Rights on %(where)s")
        % {"where": environment.code if environment else _("all environments")},
        head=_("User or group"),
        address=reverse(address, args=names),
        back=back,
        crumbs=tuple(crumbs),
        rows=lambda ticks, carried: grids.of_environment(environment, reach, ticks, carried),
        resolve=_known_rows(environment, reach, request),
        candidates=(lambda: _candidates(request)) if reach.rights_on(environment) else None,
    )


def of_principal(principal: Principal, request: HttpRequest, *, may_grant: bool) -> Table:
    """Return the table of a user or group."""
    reach = Reach(request.user, may_grant=may_grant)
    is_user = isinstance(principal, User)
    model, view = (User, "permissions_user") if is_user else (Group, "auth_group")
    back = reverse(f"admin:{view}_change", args=[principal.pk])
    return Table(
        title=_("Rights of %(who)s") % {"who": grids.key_of(principal)},
        head=_("Environment"),
        address=reverse(f"admin:{view}_rights", args=[principal.pk]),
        back=back,
        crumbs=(
            (str(model._meta.verbose_name_plural).capitalize(), reverse(f"admin:{view}_changelist")),
            (str(principal), back),
        ),
        rows=lambda ticks, carried: grids.of_principal(principal, reach, ticks, carried),
        resolve=granting.rows_of_principal(principal, reach),
    )


def page(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    table: Table,
    questions: Sequence[tuple[str, str]] = (),
) -> HttpResponse:
    """Show the table, or keep what was sent and come back.

    Args:
        model_admin: Of what the table belongs to. Who asks may look at it, and whoever posts may change it.
        request: Of the admin.
        table: Which.
        questions: Names and addresses of pages that explain it.
    """
    if request.method == "POST" and not model_admin.has_change_permission(request):
        raise PermissionDenied
    status, more = _keep(request, table) if request.method == "POST" else (200, {})
    if status == 302:
        return redirect(table.back if request.POST.get("from") == "change" else table.address)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": table.title,
        "opts": model_admin.opts,
        "questions": questions,
        **table.context(**more),
    }
    return TemplateResponse(request, _PAGE, context, status=status)


def _keep(request: HttpRequest, table: Table) -> tuple[int, dict[str, Any]]:
    """Keep what was sent; return the status of the answer, and what the page shows when it comes again."""
    assert isinstance(request.user, User)
    wishes = granting.read(
        request.POST.getlist("shown"),
        request.POST.getlist("granted"),
        request.POST.get("added", ""),
        request.POST.getlist("begins"),
    )
    try:
        changed = granting.keep(wishes, table.resolve, request.user)
    except GrantRefused as error:
        return 400, _again(error, wishes)
    except RightsChanged as error:
        return 409, {"clashes": [_words(clash) for clash in error.clashes], "ticks": wishes.ticked}
    messages.success(request, _kept(changed))
    return 302, {}


def _again(error: GrantRefused, wishes: granting.Wishes) -> dict[str, Any]:
    """Return what shows a refused form again, as it was sent: also what it showed first, since that is what was decided on."""
    ticks, carried = dict(wishes.ticked), dict(wishes.shown)
    if wishes.added:
        ticks.pop(wishes.added, None)
    return {"refusals": error.messages, "ticks": ticks, "carried": carried, "added": wishes.added}


def _kept(changed: int) -> str:
    if not changed:
        return _("Nothing was changed.")
    text = ngettext("One right was changed.", "%(number)d rights were changed.", changed)
    return text % {"number": changed}


def _words(clash: Clash) -> dict[str, str]:
    """Return a clash as the page names it."""
    nothing = _("nothing")
    sides = {"shown": clash.shown, "present": clash.present, "wished": clash.wished}
    named = {side: grids.written(rights).replace(",", ", ") or nothing for side, rights in sides.items()}
    return {"label": clash.label, **named}


def _candidates(request: HttpRequest) -> list[str]:
    """Return the keys of the groups and active users that the asker may know of."""
    groups = Group.objects.order_by("name") if knows_groups(request.user) else Group.objects.none()
    users = User.objects.filter(is_active=True).order_by("username")
    if not request.user.has_perm("permissions.view_user"):
        users = users.none()
    names = [f"group:{name}" for name in groups.values_list("name", flat=True)]
    return [*names, *(f"user:{name}" for name in users.values_list("username", flat=True))]


def _known_rows(environment: Environment | None, reach: Reach, request: HttpRequest) -> Resolve:
    """Return what finds users and groups by key: those in the table, and those that the asker may know of."""
    find = granting.rows_of_environment(environment)
    missing = {
        kind
        for kind, permission in (("user", "permissions.view_user"), ("group", "auth.view_group"))
        if not request.user.has_perm(permission)
    }

    def resolve(keys: Iterable[str]) -> dict[str, granting.Target]:
        found = find(keys)
        if not missing:
            return found
        shown = {row.key for row in grids.of_environment(environment, reach)}
        return {
            key: target
            for key, target in found.items()
            if key in shown or key.partition(":")[0] not in missing
        }

    return resolve
