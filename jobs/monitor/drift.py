"""How far two environments are apart in one project: the commits that each has and the other one lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from jobs.contents import drift as comparing
from jobs.contents.drift import Drift
from jobs.contents.history import Commits
from jobs.deployments import Brought
from jobs.models import Job
from jobs.monitor import places
from jobs.monitor.gate import reader, signed_in
from jobs.monitor.places import Cell
from permissions.models import Environment

MOST_COMMITS: Final = 100
"""So many commits are listed of each side."""
COMPARED: Final = ("project", "from", "to")
"""What an address says of what is compared."""


@dataclass(frozen=True, slots=True)
class Side:
    """The commits that one environment has and the other one lacks."""

    there: Environment
    here: Environment
    commits: Commits


@signed_in
@require_safe
def drift(request: HttpRequest) -> HttpResponse:
    """Show the commits between two environments of a project, now or at a moment of the past.

    Raises:
        Http404: There is no such project or environment for this reader.
    """
    user, asked = reader(request), places.read_asked(request, COMPARED)
    project, first, second = (request.GET.get(name, "") for name in COMPARED)
    if not (project or first or second):
        return redirect("monitor:deployments")
    if any("\0" in code for code in (project, first, second)):
        raise Http404
    found = comparing.read(user, project, (first, second), asked.at, most=MOST_COMMITS)
    if found is None:
        raise Http404
    context = {
        "section": "deployments",
        "project": found.project,
        "asked": asked,
        "at_text": places.written(asked.at),
        "environments": [found.first, found.second],
        "cells": _cells(found),
        "problems": found.problems,
        "sides": _sides(found),
        "is_same": found.is_same and found.in_first is not None,
        "back": places.address(asked) if asked.at else "",
        "notes": asked.mistakes,
    }
    return render(request, "monitor/drift.html", context, status=400 if asked.mistakes else 200)


def _cells(found: Drift) -> list[tuple[Environment, Cell | None]]:
    """Return what each of the two has, and whether the job that brought it is still there."""
    numbers = [each.job for each in (found.in_first, found.in_second) if each]
    kept = set(Job.objects.filter(pk__in=numbers).values_list("pk", flat=True))

    def cell(environment: Environment, brought: Brought | None) -> Cell | None:
        return Cell(environment, brought, brought.job in kept) if brought else None

    pairs = ((found.first, found.in_first), (found.second, found.in_second))
    return [(environment, cell(environment, brought)) for environment, brought in pairs]


def _sides(found: Drift) -> list[Side]:
    """Return the commits of both sides; nothing when they are the same, or not known."""
    if found.is_same:
        return []
    sides = ((found.first, found.second, found.ahead), (found.second, found.first, found.behind))
    return [Side(there, here, commits) for there, here, commits in sides if commits is not None]
