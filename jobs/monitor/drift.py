"""How far two environments are apart in one project: the commits that each has and the other one lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.contents import offering
from jobs.contents.history import Commits
from jobs.execution.origins import repository_of
from jobs.models import Project
from jobs.monitor import places
from jobs.monitor.gate import reader, signed_in
from jobs.monitor.places import Cell
from jobs.repositories import Repository
from permissions import policy

MOST_COMMITS: Final = 100
"""So many commits are listed of each side."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one environment has and the other one lacks; ``commits`` is ``None`` when that could not be found out."""

    cell: Cell
    other: Cell
    commits: Commits | None


@signed_in
@require_safe
def drift(request: HttpRequest) -> HttpResponse:
    """Show the commits between two environments of a project, now or at a moment of the past.

    Raises:
        Http404: There is no such project or environment for this reader.
    """
    user, asked = reader(request), places.read_asked(request)
    codes = [request.GET.get(name, "") for name in ("project", "from", "to")]
    if not any(codes):
        return redirect("monitor:deployments")
    if any("\0" in code for code in codes):
        raise Http404
    project = selectors.visible_projects(user).filter(code=codes[0]).first()
    visible = {
        each.code: each
        for each in policy.environments_for(user).defer("variables").filter(code__in=codes[1:])
    }
    pair = [visible.get(code) for code in codes[1:]]
    environments = [each for each in pair if each is not None]
    if project is None or len(environments) != 2:
        raise Http404
    (row,) = places.rows_of(user, environments, [project], asked.at)
    cells = [cell for _environment, cell in row.cells]
    context = {
        "section": "deployments",
        "project": project,
        "asked": asked,
        "at_text": places.written(asked.at),
        "environments": environments,
        "cells": row.cells,
        "sides": sides(project, cells),
        "is_same": all(cells) and len({cell.commits for cell in cells if cell}) == 1,
        "back": places.address(asked) if asked.at else "",
        "notes": asked.mistakes,
    }
    return render(request, "monitor/drift.html", context, status=400 if asked.mistakes else 200)


def sides(project: Project, cells: Sequence[Cell | None]) -> list[Side]:
    """Return what each of two places has that the other one lacks; nothing when one of them has nothing."""
    first, second = cells
    if first is None or second is None or first.commits == second.commits:
        return []
    repository = repository_of(project) if project.repository else None
    return [
        Side(cell, other, _between(repository, cell, other))
        for cell, other in ((first, second), (second, first))
    ]


def _between(repository: Repository | None, cell: Cell, other: Cell) -> Commits | None:
    if repository is None:
        return None
    return offering.brought(repository, sorted(other.commits), sorted(cell.commits), most=MOST_COMMITS)
