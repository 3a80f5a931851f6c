"""The log of a job: a window of lines from any place, followed while the job runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs.choices import StepChoice
from jobs.lifecycle import ENDED, Status
from jobs.log import places, reader
from jobs.models import Job
from jobs.monitor import log_search, polling, remaining
from jobs.monitor.gate import is_htmx, signed_in, visible_job
from jobs.monitor.log_headings import news
from jobs.monitor.log_lines import LEVELS, ROOM, Lines, render_lines
from jobs.monitor.log_place import MOST_OPERATIONS, Folds, Place, read_place
from jobs.monitor.log_window import PART_LINES, Window, look_of, read_window

_GO: Final = re.compile(r"\s*([0-9]{1,15})\s*(%?)\s*", re.ASCII)
_AFTERWORD: Final = timedelta(seconds=10)
"""How long a log is still followed once its job has ended: what a cancellation did is written a little later."""


@signed_in
@require_safe
def log(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a part of the log; the page asks for what follows its last line while the job runs."""
    job = visible_job(request, job_id)
    place = read_place(request.GET, job)
    if is_htmx(request) and "counted" in request.GET and place.text:
        return render(request, "monitor/_log_count.html", log_search.counted(request.GET, job, place))
    if is_htmx(request) and place.after is not None:
        return _more(request, job, place)
    if request.GET.get("part") == "1":
        return render(
            request, "monitor/_log_lines.html", _window(job, place, read_window(job, place, PART_LINES))
        )
    context: dict[str, Any] = {}
    if request.GET.get("go"):
        answer = _go(request.GET["go"], job, place)
        if isinstance(answer, HttpResponse):
            return answer
        context["go_error"] = answer
    if log_search.is_asked(request.GET, place):
        found = log_search.look(request.GET, job, place)
        if isinstance(found, HttpResponse):
            return found
        context["outcome"] = found
    elif place.text:
        context.update(log_search.counted(request.GET, job, place))
    window = read_window(job, place)
    context.update(_window(job, place, window))
    context.update(_controls(job, place, window))
    return render(request, "monitor/log.html", context)


def _go(text: str, job: Job, place: Place) -> HttpResponse | str:
    """Return the way to a line, or to a percentage of the attempt, or what is wrong with the text."""
    found = _GO.fullmatch(text)
    if found is None:
        return _("“%(text)s” is neither the number of a line nor a percentage such as 50 %%.") % {
            "text": text[:50]
        }
    number = int(found[1])
    if found[2]:
        first, last = places.bounds(job.pk, place.attempt)
        line = first + (last - first) * min(number, 100) // 100
        return HttpResponseRedirect(f"{place.query(near=line)}#L{line}")
    line = min(max(number, 1), max(job.log_lines, 1))
    return HttpResponseRedirect(f"{place.query(line=line)}#L{line}")


def _window(job: Job, place: Place, window: Window) -> dict[str, Any]:
    """Return what the lines need, with the links to what stands before and behind them."""
    lines = render_lines(window.rows, look_of(job, place, window.rows))
    return {
        **_live(job, place, lines, window.next_after),
        "earlier": place.query(before=window.first) if window.has_earlier else "",
        "later": place.query(after=window.next_after) if window.has_later else "",
        "is_asking": not window.has_later,
        "is_live": not window.has_later and _is_live(job, place),
        "is_filtered": place.is_filtered,
    }


def _controls(job: Job, place: Place, window: Window) -> dict[str, Any]:
    """Return what stands above the lines."""
    here = place.hit or window.first
    return {
        "section": "monitor",
        "place": place,
        "attempts": range(1, job.attempt + 1),
        "attempt": place.attempt,
        "levels": [(code, label, code in place.wanted.levels) for code, label in LEVELS.items()],
        "steps": StepChoice.values,
        "operations": _operations(job, place.attempt),
        "kept": [pair for pair in place.pairs() if pair[0] in {"fold", "open", "time", "wrap"}],
        "kept_for_go": place.pairs(),
        "last_line": job.log_lines,
        "query": place.query(),
        "next_hit": place.query(find="next", **{"from": place.hit or max(window.first - 1, 0)}),
        "previous_hit": place.query(find=log_search.BACKWARD, **{"from": here}),
        "beginning": place.query(after=0),
        "end": place.query() if not place.text else place.query(before=job.log_lines + 1),
        "fold_all": place.query_with(Folds(is_all=True), near=window.first),
        "unfold_all": place.query_with(Folds(), near=window.first) if place.folds else "",
        "other_clock": _here(
            replace(place, clock="clock" if place.clock == "relative" else "relative"), window
        ),
        "other_wrap": _here(replace(place, wrap="1" if place.wrap == "0" else "0"), window),
        "without_text": place.without_text().query(line=place.hit),
    }


def _here(place: Place, window: Window) -> str:
    """Return the address of the same lines, shown otherwise."""
    if place.is_tail and not place.text:
        return place.query()
    return place.query(near=None if place.anchor else window.first, hit=place.hit, line=place.line)


def _more(request: HttpRequest, job: Job, place: Place) -> HttpResponse:
    """Answer a poll: the lines that came since, and how the job is; 204 when neither changed.

    Also once the job has ended, only more slowly: somebody may run it again.
    """
    assert place.after is not None
    page = reader.read_entries(job.pk, place.shown, after=place.after, limit=PART_LINES, room=ROOM)
    skipped = 0
    if page.has_more:
        # Faster than anybody reads: show the newest and say how many were left out.
        newest = reader.tail(job.pk, PART_LINES, place.shown, ROOM)
        skipped = newest.entries[0].id - place.after - 1
        page = newest
    version = _version(job, place, page.next_after)
    if not page.entries and polling.is_known(request, version):
        return polling.nothing_new(version)
    look = look_of(job, place, page.entries, request.GET.get("shown", "")[:1000])
    lines = render_lines(page.entries, look)
    context = {**_live(job, place, lines, page.next_after), "is_asking": True, "skipped": skipped}
    context |= {
        "is_live": _is_live(job, place),
        "gap": place.query(after=place.after),
        "news": news(look.runs),
    }
    return render(request, "monitor/_log_more.html", context)


def _live(job: Job, place: Place, lines: Lines, last: int) -> dict[str, Any]:
    return {
        "job": job,
        "lines": lines,
        "version": _version(job, place, last),
        "newer_attempt": job.attempt if job.attempt > place.attempt else None,
        "more": place.query(after=last, shown=lines.last_place),
    }


def _version(job: Job, place: Place, last: int) -> str:
    left = remaining.span(job, timezone.now())
    known = job.status, job.step, job.percent, job.operations_done, job.attempt, left, last
    return polling.version_of(*known, _is_live(job, place))


def _is_live(job: Job, place: Place) -> bool:
    """Return whether more lines are to be expected: not of an attempt before the present one, nor long after the end."""
    if job.attempt > place.attempt:
        return False
    ended = Status(job.status) in ENDED and job.finished_at is not None
    return not (ended and job.finished_at and timezone.now() - job.finished_at > _AFTERWORD)


def _operations(job: Job, attempt: int) -> list[tuple[str, str]]:
    """Return the operations of an attempt that may have lines, by id, each once."""
    rows = job.operation_runs.filter(attempt=attempt).order_by("id").values_list("identifier", "name", "step")
    found = {
        identifier: f"{step} · {name or identifier}" for identifier, name, step in rows[:MOST_OPERATIONS]
    }
    return list(found.items())
