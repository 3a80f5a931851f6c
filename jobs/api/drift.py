"""How far two environments are apart in one project."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import pagination
from jobs.api.deployments import moment, represent_place
from jobs.api.views import user_of
from jobs.contents import drift
from jobs.contents.drift import Drift
from jobs.contents.history import MOST_COMMITS, Commits
from jobs.deployments import Brought, Place
from jobs.exceptions import InvalidInput
from jobs.representation import instant
from permissions.models import Environment

NAMES: Final = ("project", "from", "to")
"""Parameters that have to be given."""


class DriftView(APIView):
    """``deployments/drift/``."""

    query_parameters = (*NAMES, "at")

    def get(self, request: Request) -> Response:
        """Return how far two environments are apart in a project: the commits that each has and the other one lacks."""
        names, at = _asked(request)
        pair = (names["from"], names["to"])
        found = drift.read(user_of(request), names["project"], pair, at, most=MOST_COMMITS)
        if found is None:
            raise Http404
        return Response(represent_drift(found))


def represent_drift(found: Drift) -> dict[str, Any]:
    """Return what each of two environments has, and the commits between them."""
    return {
        "project": found.project.code,
        "from": _place(found, found.first, found.in_first),
        "to": _place(found, found.second, found.in_second),
        "same": found.is_same,
        "ahead": _commits(found.ahead),
        "behind": _commits(found.behind),
        "problem": " ".join(found.problems),
    }


def _place(found: Drift, environment: Environment, brought: Brought | None) -> dict[str, Any] | None:
    return represent_place(Place(environment.code, found.project.code, brought)) if brought else None


def _commits(commits: Commits | None) -> dict[str, Any] | None:
    if commits is None:
        return None
    listed = [
        {"sha": each.sha, "author": each.author, "at": instant(each.at), "subject": each.subject}
        for each in commits.listed
    ]
    return {"commits": listed, "commits_count": commits.count}


def _asked(request: Request) -> tuple[Mapping[str, str], datetime | None]:
    """Return what is compared, and as it was when.

    Raises:
        InvalidInput: Names every parameter that is missing or not usable.
    """
    names: dict[str, str] = {}
    at, errors = None, {}
    try:
        names = pagination.words(request, *NAMES)
    except InvalidInput as error:
        errors.update(error.errors)
    try:
        at = moment(request)
    except InvalidInput as error:
        errors.update(error.errors)
    for name in NAMES:
        if not request.query_params.get(name):
            errors[name] = ["This parameter is required."]
    if errors:
        raise InvalidInput(errors)
    return names, at
