"""The log as a file: as text or as JSON lines, of any length, a piece at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from jobs.log import reader
from jobs.log.as_json import json_lines
from jobs.models import Job
from jobs.monitor.gate import signed_in, visible_job
from jobs.monitor.log_place import read_place


@signed_in
@require_safe
def download(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Send the lines that the filter keeps, folded or not; ``line`` asks for one, ``format=ndjson`` for JSON."""
    job = visible_job(request, job_id)
    place = read_place(request.GET, job)
    name, kind, suffix = _file_name(job), "text/plain; charset=utf-8", "log"
    if place.line is not None:
        pieces, name = _one_line(job, place.line), f"{name}-{place.line}"
    elif request.GET.get("format") == "ndjson":
        pieces, kind, suffix = json_lines(job.pk, place.wanted), "application/x-ndjson", "ndjson"
    else:
        pieces = reader.iter_text(job.pk, place.wanted)
    content = off_the_loop(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}.{suffix}"'
    return response


def _one_line(job: Job, line: int) -> Iterator[bytes]:
    for entry in reader.read_entries(job.pk, after=line - 1, up_to=line).entries:
        yield entry.text.encode() + b"\n"


def _file_name(job: Job) -> str:
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in job.name
    )


async def off_the_loop(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces, each read on the request's thread, so that the event loop never waits for the database."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece
