"""The log of a job: pages of entries, and all of it as a download."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import filters, selectors
from jobs.api import pagination
from jobs.api.views import attempt_of, user_of
from jobs.choices import StepChoice
from jobs.exceptions import InvalidInput
from jobs.log.as_json import json_lines, represent_entry
from jobs.log.codec import Level
from jobs.log.reader import LogFilter, iter_text, read_entries, read_entries_before
from jobs.log.room import Room
from jobs.models import Job

DEFAULT_LIMIT: Final = 1000
MOST: Final = 5000
LEVELS: Final = tuple(level.code for level in Level)
FILTERS: Final = ("attempt", "step", "operation", "level", "q")

_LONGEST: Final = {"operation": 500, "q": filters.LONGEST_TEXT}


def _weigh(text: str) -> int:
    """Return the size of a text in JSON, where a control character takes six bytes."""
    return len(json.dumps(text, ensure_ascii=False).encode())


ROOM: Final = Room(size=2 << 20, weigh=_weigh)
"""For the texts of one page, as JSON; none is cut."""


def filter_of(request: Request, job: Job) -> LogFilter:
    """Return which lines the asker wants; without ``attempt`` those of the current one.

    Raises:
        InvalidInput: Names each parameter that is not usable.
    """
    step, operation, text = (pagination.single(request, name) or None for name in ("step", "operation", "q"))
    errors: dict[str, list[str]] = {}
    if step is not None and step not in StepChoice.values:
        errors["step"] = [filters.unknown(step, StepChoice.values)]
    levels = [level for level in request.query_params.getlist("level") if level]
    if wrong := [level for level in levels if level not in LEVELS]:
        errors["level"] = [filters.unknown(level, LEVELS) for level in wrong]
    for name, value in (("operation", operation), ("q", text)):
        if value is not None and len(value) > _LONGEST[name]:
            errors[name] = [f"Use at most {_LONGEST[name]} characters."]
    if errors:
        raise InvalidInput(errors)
    return LogFilter(attempt_of(request, job), step, operation, frozenset(levels), text or "")


class LogView(APIView):
    """``jobs/{id}/log/``."""

    query_parameters = (*FILTERS, "after", "limit")

    def get(self, request: Request, job_id: int) -> Response:
        """Return lines in the order they were written, from the one after ``after`` on."""
        job = selectors.visible_job(user_of(request), job_id)
        wanted = filter_of(request, job)
        after = pagination.integer_of(request, "after", least=0, most=selectors.LARGEST_ID) or 0
        limit = pagination.limit_of(request, default=DEFAULT_LIMIT, most=MOST)
        page = read_entries(job.pk, wanted, after=after, limit=limit, room=ROOM)
        following = pagination.address(request, after=str(page.next_after)) if page.has_more else None
        return Response(
            {
                "next": following,
                "previous": _previous(request, job, wanted, after, limit) if after else None,
                "results": [represent_entry(entry) for entry in page.entries],
            }
        )


def _previous(request: Request, job: Job, wanted: LogFilter, after: int, limit: int) -> str | None:
    """Return the address of the page that ends where this one begins, ``None`` when nothing stands before it."""
    before = read_entries_before(job.pk, wanted, before=after + 1, limit=limit, room=ROOM).entries
    return pagination.address(request, after=str(before[0].id - 1)) if before else None


class TextRenderer(BaseRenderer):
    """Stands for ``text/plain`` when the answer's form is chosen."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"


class LinesRenderer(BaseRenderer):
    """Stands for NDJSON when the answer's form is chosen."""

    media_type = "application/x-ndjson"
    format = "ndjson"


class LogDownloadView(APIView):
    """``jobs/{id}/log/download/``: text as it was written, or one JSON object a line when ``Accept`` asks for it."""

    query_parameters = FILTERS
    renderer_classes = (TextRenderer, LinesRenderer)

    def get(self, request: Request, job_id: int) -> StreamingHttpResponse:
        """Return the log as a file, in pieces."""
        job = selectors.visible_job(user_of(request), job_id)
        wanted = filter_of(request, job)
        as_lines = isinstance(request.accepted_renderer, LinesRenderer)
        pieces = json_lines(job.pk, wanted) if as_lines else iter_text(job.pk, wanted)
        suffix = "ndjson" if as_lines else "log"
        return StreamingHttpResponse(
            _for_server(request._request, pieces),
            content_type="application/x-ndjson" if as_lines else "text/plain; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{job.name}-{wanted.attempt}.{suffix}"',
                "X-Content-Type-Options": "nosniff",
            },
        )


def _for_server(request: HttpRequest, pieces: Iterator[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
    """Return ``pieces`` as the server reads them: an ASGI server would collect all of a plain iterator first."""
    return _piecewise(pieces) if isinstance(request, ASGIRequest) else pieces


async def _piecewise(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    read = sync_to_async(lambda: next(pieces, None))
    while (piece := await read()) is not None:
        yield piece
