"""What is deployed where, in the environments that one may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import deployments, filters
from jobs.api import pagination
from jobs.api.views import query_of, user_of
from jobs.deployments import Place, Wanted
from jobs.exceptions import InvalidInput
from jobs.keyset import BadCursor, Cursor, Ordering
from jobs.representation import instant
from permissions import policy

BY_PLACE: Final = Ordering("place", "place", "str", tie="place")


class DeploymentsView(APIView):
    """``deployments/``."""

    query_parameters = ("environment", "project", "at", *pagination.PARAMETERS)

    def get(self, request: Request) -> Response:
        """Return what is deployed where, by environment and project; ``at`` says when, and is now otherwise."""
        asker, wanted = user_of(request), _wanted(request)

        def read(cursor: Cursor | None, count: int) -> list[Place]:
            return deployments.places(
                asker,
                wanted,
                beyond=None if cursor is None else _codes(str(cursor.value)),
                backward=cursor is not None and cursor.backward,
                inclusive=cursor is not None and cursor.inclusive,
                count=count,
            )

        def represented(found: Sequence[Place]) -> list[Any]:
            projects = {place.project for place in found}
            most = len(projects) * policy.environments_for(asker).count()
            elsewhere = Wanted(projects=projects, at=wanted.at)
            every = deployments.places(
                asker, elsewhere, beyond=None, backward=False, inclusive=False, count=most
            )
            newer = deployments.newer_elsewhere(every)
            return [represent_deployment(place, newer.get(str(place))) for place in found]

        return pagination.written_out(request, BY_PLACE, read, str, represented)


def represent_deployment(place: Place, newer_in: str | None) -> dict[str, Any]:
    """Return what is in a place, and which environment has something newer, ``None`` for none."""
    return {**represent_place(place), "newer_in": newer_in}


def represent_place(place: Place) -> dict[str, Any]:
    """Return what is in a place."""
    revisions = [{"ref": ref, "sha": sha} for ref, sha in place.brought.revisions]
    return {
        "environment": place.environment,
        "project": place.project,
        "revision": revisions[0],
        "revisions": revisions,
        "job": place.brought.job,
        "job_name": place.brought.job_name,
        "since": instant(place.brought.since),
    }


def _codes(place: str) -> tuple[str, str]:
    environment, blank, project = place.partition(" ")
    if not blank:
        raise BadCursor
    return environment, project


def _wanted(request: Request) -> Wanted:
    """Return what the query parameters ask for.

    Raises:
        InvalidInput: Names every parameter that is not usable.
    """
    query = query_of(request)
    codes = filters.parse_filter({name: query.get(name, []) for name in ("environment", "project")}).values
    return Wanted(codes.get("environment"), codes.get("project"), moment(request))


def moment(request: Request) -> datetime | None:
    """Return when ``at`` means, ``None`` for now.

    Raises:
        InvalidInput: It is no time.
    """
    text = pagination.single(request, "at")
    if text is None:
        return None
    try:
        return filters.parse_time(text)
    except ValueError as error:
        raise InvalidInput({"at": [str(error)]}) from None
