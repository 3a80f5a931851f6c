"""The log of a job: a thousand lines at a time from any place, followed while the job runs, and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs.lifecycle import ENDED, Status
from jobs.log import reader
from jobs.log.reader import LogFilter, Page
from jobs.models import Job
from jobs.monitor import polling, remaining
from jobs.monitor.gate import is_htmx, signed_in, visible_job
from jobs.monitor.log_lines import LEVELS, ROOM, Lines, render_lines

LINES: Final = 1000
LINES_ABOVE: Final = 200
"""How many lines stand above the one that a link names."""

MOST_OPERATIONS: Final = 500
LONGEST_TEXT: Final = 500
_LARGEST: Final = 2**62
_AFTERWORD: Final = timedelta(seconds=10)
"""How long a log is still followed once its job has ended: what a cancellation did is written a little later."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which lines are wanted and where the page begins, as the address says.

    Attributes:
        wanted: The filter.
        after: Show what follows this line.
        before: Show what stands before this line.
        line: Show this line with some above it.
    """

    wanted: LogFilter
    after: int | None = None
    before: int | None = None
    line: int | None = None

    @property
    def is_tail(self) -> bool:
        """Whether the end is wanted, where new lines come."""
        return self.after is None and self.before is None and self.line is None

    @property
    def is_filtered(self) -> bool:
        """Whether lines of the attempt are left out."""
        return replace(self.wanted, attempt=None) != LogFilter()

    def query(self, **place: object) -> str:
        """Return the query of an address with the same filter and another place."""
        wanted = self.wanted
        pairs: list[tuple[str, object]] = [("attempt", wanted.attempt)]
        pairs += [("level", level) for level in sorted(wanted.levels)]
        pairs += [("operation", wanted.operation)] if wanted.operation else []
        pairs += [("step", wanted.step)] if wanted.step else []
        pairs += [("q", wanted.q)] if wanted.q else []
        return "?" + urlencode(
            [*pairs, *((name, value) for name, value in place.items() if value is not None)]
        )


@signed_in
@require_safe
def log(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a part of the log; the page asks for what follows its last line while the job runs."""
    job = visible_job(request, job_id)
    place = read_place(request.GET, job)
    if is_htmx(request) and place.after is not None:
        return _more(request, job, place)
    page = _read(job, place)
    attempt = place.wanted.attempt or (page.entries[0].attempt if page.entries else job.attempt)
    lines = render_lines(page.entries, attempt=attempt)
    context = {
        **_live(job, place, lines, page.next_after),
        "section": "monitor",
        "attempts": range(1, job.attempt + 1),
        "attempt": attempt,
        "levels": [(code, label, code in place.wanted.levels) for code, label in LEVELS.items()],
        "operations": _operations(job, attempt),
        "operation": place.wanted.operation or "",
        "text": place.wanted.q,
        "is_filtered": place.is_filtered,
        "earlier": place.query(before=page.entries[0].id) if _has_earlier(page, place) else "",
        "later": place.query(after=page.next_after)
        if not place.is_tail and _has_later(job, page, place)
        else "",
        "beginning": place.query(after=0),
        "end": place.query(),
        "is_live": place.is_tail and not _is_over(job, timezone.now()),
        "download": place.query(),
    }
    return render(request, "monitor/log.html", context)


def _more(request: HttpRequest, job: Job, place: Place) -> HttpResponse:
    """Answer a poll: the lines that came since, and how the job is; 204 when neither changed, 286 when it is over."""
    assert place.after is not None
    page = reader.read_entries(job.pk, place.wanted, after=place.after, limit=LINES, room=ROOM)
    skipped = 0
    if page.has_more:
        # Faster than anybody reads: show the newest and say how many were left out.
        newest = reader.tail(job.pk, LINES, place.wanted, ROOM)
        skipped = newest.entries[0].id - place.after - 1
        page = newest
    version = _version(job, page.next_after)
    is_over = _is_over(job, timezone.now())
    if not page.entries and not is_over and polling.is_known(request, version):
        return polling.nothing_new(version)
    lines = render_lines(
        page.entries, attempt=place.wanted.attempt or job.attempt, place=request.GET.get("shown", "")
    )
    context = {**_live(job, place, lines, page.next_after), "is_live": not is_over, "skipped": skipped}
    context["gap"] = place.query(after=place.after)
    status = polling.STOP_POLLING if is_over else 200
    return render(request, "monitor/_log_more.html", context, status=status)


def _live(job: Job, place: Place, lines: Lines, last: int) -> dict[str, Any]:
    return {
        "job": job,
        "lines": lines,
        "version": _version(job, last),
        "more": place.query(after=last, shown=lines.last_place),
    }


def _version(job: Job, last: int) -> str:
    return polling.version_of(job.status, job.step, job.percent, remaining.span(job, timezone.now()), last)


def _is_over(job: Job, now: datetime) -> bool:
    return Status(job.status) in ENDED and job.finished_at is not None and now - job.finished_at > _AFTERWORD


def _read(job: Job, place: Place) -> Page:
    if place.line is not None:
        begin = max(0, place.line - LINES_ABOVE)
        page = reader.read_entries(job.pk, place.wanted, after=begin, limit=LINES, room=ROOM)
        if not page.has_more or page.next_after >= place.line:
            return page
        # What stands above leaves no room for the line itself.
        begin = place.line - 1
        return reader.read_entries(job.pk, place.wanted, after=begin, limit=LINES, room=ROOM)
    if place.after is not None:
        return reader.read_entries(job.pk, place.wanted, after=place.after, limit=LINES, room=ROOM)
    return reader.read_entries_before(job.pk, place.wanted, before=place.before, limit=LINES, room=ROOM)


def _has_earlier(page: Page, place: Place) -> bool:
    if not page.entries:
        return False
    if place.after is None and place.line is None:
        return page.has_more
    return page.entries[0].id > 1


def _has_later(job: Job, page: Page, place: Place) -> bool:
    return page.next_after < job.log_lines if place.before is not None else page.has_more


def read_place(query: QueryDict, job: Job) -> Place:
    """Return what the address asks for; what is no number or no level counts as not given, for it only narrows a view."""
    levels = frozenset(level for level in query.getlist("level") if level in LEVELS)
    attempt = _number(query, "attempt")
    line = _number(query, "line")
    if attempt is None or not 1 <= attempt <= job.attempt:
        # A link to a line holds whatever attempt the line belongs to.
        attempt = None if line is not None else job.attempt
    wanted = LogFilter(
        attempt=attempt,
        step=_text(query, "step") or None,
        operation=_text(query, "operation") or None,
        levels=levels,
        q=_text(query, "q"),
    )
    return Place(wanted, after=_number(query, "after"), before=_number(query, "before"), line=line)


def _text(query: QueryDict, name: str) -> str:
    """Return a text of the address; the database knows no null characters, so nothing can match one."""
    return query.get(name, "").replace("\x00", "\ufffd")[:LONGEST_TEXT]


def _number(query: QueryDict, name: str) -> int | None:
    text = query.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return None
    return min(int(text), _LARGEST)


def _operations(job: Job, attempt: int) -> list[tuple[str, str]]:
    """Return the operations of an attempt that may have lines, by id, each once."""
    rows = job.operation_runs.filter(attempt=attempt).order_by("id").values_list("identifier", "name", "step")
    found = {
        identifier: f"{step} · {name or identifier}" for identifier, name, step in rows[:MOST_OPERATIONS]
    }
    return list(found.items())


@signed_in
@require_safe
def download(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Send the lines that the filter keeps as a text file of any length, a piece at a time; ``line`` asks for one."""
    job = visible_job(request, job_id)
    place = read_place(request.GET, job)
    name = _file_name(job)
    if place.line is not None:
        pieces, name = _one_line(job, place.line), f"{name}-{place.line}"
    else:
        pieces = reader.iter_text(job.pk, place.wanted)
    content = off_the_loop(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.log"'
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
