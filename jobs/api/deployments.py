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
from jobs.models import Job
from jobs.representation import instant

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

        return pagination.written_out(request, BY_PLACE, read, str, _represented)


def represent_deployment(job: Job) -> dict[str, Any]:
    """Return what ``job`` brought, which comes with its revisions read already."""
    revisions = [{"ref": revision.ref, "sha": revision.sha} for revision in job.revisions.all()]
    return {
        "environment": job.environment.code,
        "project": job.project.code if job.project else None,
        "revision": revisions[0] if revisions else None,
        "revisions": revisions,
        "job": job.pk,
        "job_name": job.name,
        "since": instant(job.finished_at),
    }


def _represented(found: Sequence[Place]) -> list[Any]:
    return [represent_deployment(job) for job in deployments.jobs_of(found)]


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
    return Wanted(codes.get("environment"), codes.get("project"), _moment(request))


def _moment(request: Request) -> datetime | None:
    text = pagination.single(request, "at")
    if text is None:
        return None
    try:
        return filters.parse_time(text)
    except ValueError as error:
        raise InvalidInput({"at": [str(error)]}) from None
