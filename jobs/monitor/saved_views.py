"""Saved views on the pages: kept from the monitor, listed, renamed, shared, made the usual one, deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from jobs import saved_views, selectors
from jobs.exceptions import InvalidInput
from jobs.filters import NEGATION
from jobs.models import SavedView
from jobs.models.view import Sharing
from jobs.monitor import listing, search
from jobs.monitor.gate import reader, signed_in
from jobs.monitor.view_query import NO_VIEW, Query, canonical, pairs, read_query
from permissions import policy
from permissions.models import User

OPEN: Final = "open"
"""The parameter of the monitor that opens a view by its number."""


@dataclass(frozen=True, slots=True)
class State:
    """Which view the monitor shows, and the others.

    Attributes:
        view: The view that the address came from, ``None`` when it came from none.
        is_changed: Whether the address says something else by now.
        is_own: Whether the reader may change the view.
        views: All views that the reader has.
        keep: The address of the page that keeps what is shown as a view; empty when there is nothing to keep.
        query: What a view would keep.
    """

    view: SavedView | None
    is_changed: bool
    is_own: bool
    views: list[SavedView]
    keep: str
    query: str


def state(user: User, parameters: QueryDict, query: Query) -> State:
    """Return what the monitor says about views. Two queries, and a few more for a view of somebody else."""
    views = saved_views.listed(user)
    view = next((each for each in views if each.pk == query.view), None)
    if view is None and query.view is not None:
        view = saved_views.find(user, query.view)
    now = canonical(parameters)
    changed = view is not None and now != canonical(QueryDict(_for_reader(user, view)[0]))
    keep = f"{reverse('monitor:view-new')}?{now}" if now or view else ""
    return State(view, changed, view is not None and view.owner_id == user.pk, views, keep, now)


def opening(request: HttpRequest) -> str:
    """Return the address of the view that a request opens: the one it names, or the usual one when it says nothing.

    Empty when it opens none.

    Raises:
        Http404: It names a view that the reader does not have.
    """
    user = reader(request)
    if OPEN in request.GET:
        text = request.GET[OPEN]
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
        view = saved_views.find(user, number)
        if view is None:
            raise Http404
    else:
        view = None if request.GET else saved_views.usual(user)
        if view is None:
            return ""
    query, hidden = _for_reader(user, view)
    if hidden:
        messages.error(request, str(_HIDDEN.get(hidden, _HIDDEN_THINGS)))
        return f"{reverse('monitor:list')}?view={NO_VIEW}"
    return f"{reverse('monitor:list')}?{urlencode([('view', view.pk)])}{'&' if query else ''}{query}"


def _for_reader(user: User, view: SavedView) -> tuple[str, str]:
    """Return a view's parameters without codes and names that ``user`` may not know of, and which filter has no others."""
    found = parse_qsl(view.query)
    if view.owner_id == user.pk:
        return view.query, ""
    hidden = ""
    for name, known in _KNOWN.items():
        wanted = {value for given, value in found if given == name}
        either = wanted | {value for given, value in found if given == f"{NEGATION}{name}"}
        if not either:
            continue
        seen = either.intersection(known(user, either))
        found = [
            (given, value)
            for given, value in found
            if given not in {name, f"{NEGATION}{name}"} or value in seen
        ]
        if wanted and not wanted & seen:
            hidden = hidden or name
    return urlencode(found), hidden


_KNOWN: Final[dict[str, Callable[[User, Collection[str]], Iterable[str]]]] = {
    "environment": lambda user, codes: (
        policy.environments_for(user).filter(code__in=codes).values_list("code", flat=True)
    ),
    "project": lambda user, codes: (
        selectors.visible_projects(user).filter(code__in=codes).values_list("code", flat=True)
    ),
    "nature": lambda user, codes: (
        selectors.visible_natures(user).filter(code__in=codes).values_list("code", flat=True)
    ),
    "rule": lambda user, slugs: (
        selectors.visible_rules(user).filter(slug__in=slugs).values_list("slug", flat=True)
    ),
    "created_by": lambda user, names: User.objects.filter(
        Exists(selectors.visible_jobs(user).filter(created_by=OuterRef("pk"))), username__in=names
    ).values_list("username", flat=True),
}
"""Which of some codes a reader may know of, by filter."""

_HIDDEN: Final[dict[str, Promise]] = {
    "environment": gettext_lazy("This view is about environments that you do not see."),
}
_HIDDEN_THINGS: Final = gettext_lazy("This view is about projects, rules or people that you do not see.")


@signed_in
@require_safe
def views(request: HttpRequest) -> HttpResponse:
    """Show the reader's views and those that others share with them."""
    user = reader(request)
    usual = saved_views.usual(user)
    found = saved_views.listed(user)
    context = {
        "section": "monitor",
        "own": [_described(view, usual) for view in found if view.owner_id == user.pk],
        "shared": [_described(view, usual) for view in found if view.owner_id != user.pk],
    }
    return render(request, "monitor/views.html", context)


def _described(view: SavedView, usual: SavedView | None) -> dict[str, Any]:
    return {"view": view, "is_usual": usual is not None and usual.pk == view.pk}


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Ask for a name and keep what the monitor showed as a view; what is refused is said in place."""
    user = reader(request)
    given = QueryDict(request.POST.get("query", "")) if request.method == "POST" else request.GET
    view = SavedView(owner=user, query=canonical(given))
    if request.method != "POST":
        return _form(request, view)
    return _save(request, view)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Show a view's name and sharing; ``do`` says what is done to it: ``save``, ``replace``, ``usual``, ``unusual``, ``delete``.

    Views of others can be made the usual one, and nothing else.
    """
    user = reader(request)
    found = saved_views.find(user, view_id)
    if found is None:
        raise Http404
    do = request.POST.get("do", "save")
    if request.method == "POST" and do in {"usual", "unusual"}:
        try:
            saved_views.set_usual(user, found if do == "usual" else None)
        except InvalidInput:
            raise Http404 from None
        messages.success(
            request, _("The monitor opens with “%(name)s”.") % {"name": found.name}
            if do == "usual" else _("The monitor opens with all jobs.")
        )  # fmt: skip
        return redirect("monitor:views")
    if found.owner_id != user.pk:
        raise Http404
    if request.method != "POST":
        return _form(request, found)
    if do == "delete":
        saved_views.delete(found)
        messages.success(request, _("The view “%(name)s” is deleted.") % {"name": found.name})
        return redirect("monitor:views")
    if do == "replace":
        return _replace(request, found)
    return _save(request, found)


def _replace(request: HttpRequest, found: SavedView) -> HttpResponse:
    """Keep what the monitor shows now in a view that there is."""
    found.query = canonical(QueryDict(request.POST.get("query", "")))
    try:
        read_query(QueryDict(found.query))
        saved_views.save(found, now=timezone.now())
    except InvalidInput as error:
        return _form(request, found, error.errors, status=400)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": found.name})
    return redirect(f"{reverse('monitor:list')}?{OPEN}={found.pk}")


def _save(request: HttpRequest, found: SavedView) -> HttpResponse:
    """Take name and sharing from the form, and keep the view."""
    sharing, group = request.POST.get("sharing", Sharing.NOBODY.value), request.POST.get("group", "")
    found.name = request.POST.get("name", "")
    found.sharing = sharing if sharing in Sharing.values else Sharing.NOBODY.value
    number = int(group) if group.isascii() and group.isdecimal() and len(group) < 10 else 0
    wanted = found.sharing == Sharing.GROUP
    found.group = Group.objects.filter(pk=number).first() if wanted else None
    try:
        read_query(QueryDict(found.query))
        saved_views.save(found, now=timezone.now())
        if request.POST.get("usual"):
            saved_views.set_usual(found.owner, found)
    except InvalidInput as error:
        return _form(request, found, error.errors, status=400)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": found.name})
    return redirect(f"{reverse('monitor:list')}?{OPEN}={found.pk}")


def _form(
    request: HttpRequest, found: SavedView, errors: dict[str, list[str]] | None = None, status: int = 200
) -> HttpResponse:
    user = reader(request)
    parameters = QueryDict(found.query)
    everyone = saved_views.may_share_with_everyone(user)
    context = {
        "section": "monitor",
        "view": found,
        "errors": errors or {},
        "others": [text for name, texts in (errors or {}).items() if name != "name" for text in texts],
        "groups": saved_views.groups_of(user),
        "sharings": [
            (value, label)
            for value, label in Sharing.choices
            if value != Sharing.EVERYONE or everyone or found.sharing == Sharing.EVERYONE
        ],
        "text": search.written(parameters),
        "rest": [
            (listing.label_of(name), value)
            for name, value in pairs(parameters, only=("ordering", "columns", "group"))
        ],
        "query": found.query,
    }
    return render(request, "monitor/view.html", context, status=status)
