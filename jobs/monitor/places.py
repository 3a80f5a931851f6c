"""What is deployed where, as a table of projects and environments, now or at a moment of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import deployments, filters, selectors
from jobs.deployments import Brought, Wanted
from jobs.models import Job, Project
from jobs.monitor.gate import reader, signed_in
from jobs.monitor.wrong_values import unknown_in
from permissions import policy
from permissions.models import Environment, User

PROJECTS: Final = 50
"""So many projects are on one page."""
PARAMETERS: Final = ("environment", "q", "at", "after")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one environment has of one project.

    Attributes:
        environment: Where.
        brought: What it has.
        has_job: The job that brought it is still there.
        newest_in: Code of the environment that has the newest of what is newer; empty when nothing is.
    """

    environment: Environment
    brought: Brought
    has_job: bool
    newest_in: str = ""

    @property
    def commits(self) -> frozenset[str]:
        """The commits of what it has."""
        return frozenset(self.brought.shas)


@dataclass(frozen=True, slots=True)
class Row:
    """One project, with a cell for each environment: ``None`` where nothing of it is deployed."""

    project: Project
    cells: Sequence[tuple[Environment, Cell | None]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is deployed anywhere that the reader sees."""
        return all(cell is None for _environment, cell in self.cells)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        environments: Codes; empty for all.
        text: Part of a project's code or name.
        at: A moment of the past, ``None`` for now.
        after: Code of the project behind which the page begins.
        mistakes: What of the address could not be used, for the reader.
    """

    environments: tuple[str, ...] = ()
    text: str = ""
    at: datetime | None = None
    after: str = ""
    mistakes: tuple[str, ...] = ()


@signed_in
@require_safe
def places(request: HttpRequest) -> HttpResponse:
    """Show what is deployed where, fifty projects at a time."""
    user = reader(request)
    asked = read_asked(request)
    for mistake in asked.mistakes:
        messages.error(request, mistake)
    environments = list(policy.environments_for(user).defer("variables").order_by("position", "code"))
    shown = [each for each in environments if not asked.environments or each.code in asked.environments]
    projects = _projects(user, asked)
    rows = rows_of(user, shown, projects[:PROJECTS], asked.at)
    following = replace(asked, after=projects[PROJECTS - 1].code) if len(projects) > PROJECTS else None
    context = {
        "section": "deployments",
        "asked": asked,
        "at_text": written(asked.at),
        "environments": environments,
        "shown": shown,
        "rows": rows,
        "next": following and address(following),
        "first": asked.after and address(replace(asked, after="")),
        "is_narrowed": bool(asked.text or asked.environments),
    }
    return render(request, "monitor/deployments.html", context, status=400 if asked.mistakes else 200)


def read_asked(request: HttpRequest, more: Sequence[str] = ()) -> Asked:
    """Return what the address asks for; what cannot be used is named and left out.

    Args:
        request: Of the reader.
        more: Parameters that the page has besides.
    """
    query = request.GET
    at, mistakes = None, unknown_in(query, (*PARAMETERS, *more))
    if text := query.get("at", ""):
        try:
            at = filters.parse_time(text, zone=timezone.get_current_timezone())
        except ValueError as error:
            mistakes.append(f"{_('At')}: {_(str(error))}")
    values = {name: query.get(name, "").strip()[:200] for name in ("q", "after")}
    codes = tuple(dict.fromkeys(code for code in query.getlist("environment")[:200] if code))
    if any("\0" in value for value in (*values.values(), *codes)):
        mistakes.append(_("Null characters are not allowed."))
        values, codes = dict.fromkeys(values, ""), ()
    return Asked(codes, values["q"], at, values["after"], tuple(mistakes))


def address(asked: Asked) -> str:
    """Return the query that asks for this."""
    pairs = [("environment", code) for code in asked.environments]
    pairs += [("q", asked.text), ("at", written(asked.at)), ("after", asked.after)]
    return "?" + urlencode([(name, value) for name, value in pairs if value])


def written(at: datetime | None) -> str:
    """Return a moment as an address carries it, an empty text for now."""
    return "" if at is None else timezone.localtime(at).isoformat()


def _projects(user: User, asked: Asked) -> list[Project]:
    """Return the projects of a page, and one more when there are more."""
    found = selectors.visible_projects(user).filter(code__gt=asked.after).defer("variables")
    if asked.text:
        found = found.filter(Q(code__icontains=asked.text) | Q(name__icontains=asked.text))
    return list(found.order_by("code")[: PROJECTS + 1])


def rows_of(
    user: User, environments: Sequence[Environment], projects: Sequence[Project], at: datetime | None
) -> list[Row]:
    """Return a row for each project, in a constant number of queries.

    Args:
        user: Who reads.
        environments: Those that they see, in the order of the columns.
        projects: In the order of the rows.
        at: A moment of the past, ``None`` for now.
    """
    codes = [project.code for project in projects]
    most = len(codes) * policy.environments_for(user).count()
    # Also of environments that are not shown: something newer may be there.
    found = deployments.places(
        user, Wanted(projects=codes, at=at), beyond=None, backward=False, inclusive=False, count=most
    )
    numbers = [place.brought.job for place in found]
    kept = set(Job.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    newer = deployments.newer_elsewhere(found)
    shown = {each.code: each for each in environments}
    cells = {
        (place.environment, place.project): Cell(
            shown[place.environment], place.brought, place.brought.job in kept, newer.get(str(place), "")
        )
        for place in found
        if place.environment in shown
    }
    return [
        Row(project, [(each, cells.get((each.code, project.code))) for each in environments])
        for project in projects
    ]
