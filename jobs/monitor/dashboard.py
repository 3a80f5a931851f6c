"""The page of one job: how it is, what it does, why it waits, who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from jobs import timeline
from jobs.blockers import blockers
from jobs.lifecycle import ENDED, Status
from jobs.models import Job, JobHold
from jobs.monitor import log_lines, operations, past, polling, remaining, standing, values
from jobs.monitor.contents import contents_panel
from jobs.monitor.gate import is_htmx, reader, signed_in, visible_job
from jobs.monitor.operation_rows import Hidden, Row
from jobs.monitor.rail import rail
from jobs.monitor.situation import Situation
from jobs.wording import translated

TAIL_LINES: Final = 25
_IN_PANELS: Final = frozenset({"trap", "approval"})
"""What a job waits for that has a panel of its own."""


@signed_in
@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job; a poll gets 204 while nothing has changed. An ended job is asked for, too: somebody may run it again."""
    found = visible_job(request, job_id)
    situation = Situation(found, reader(request), timezone.now())
    attempt = _attempt(request, found)
    context = _context(situation, attempt, _window(request))
    version = _version(context, situation.now)
    if is_htmx(request) and polling.is_known(request, version):
        return polling.nothing_new(version)
    context |= _more_context(situation, attempt)
    context |= {"version": version, "now": situation.now, "section": "monitor"}
    if not is_htmx(request):
        return render(request, "monitor/job.html", context)
    return render(request, "monitor/_job.html", context)


def _attempt(request: HttpRequest, job: Job) -> int:
    """Return the attempt to show, the present one unless the address names another that there is."""
    text = request.GET.get("attempt", "")
    if text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= job.attempt:
        return int(text)
    return job.attempt


def _window(request: HttpRequest) -> operations.Window:
    """Return which operations the address asks for: those of one step from a place on, or the important ones of all."""
    step, start = request.GET.get("step", ""), request.GET.get("from", "0")
    if step not in timeline.SHOWN_STEPS:
        return operations.Window()
    is_number = start.isascii() and start.isdecimal() and len(start) < 9
    return operations.Window(step, int(start) if is_number else 0)


def _context(situation: Situation, attempt: int, window: operations.Window) -> dict[str, Any]:
    job, now = situation.job, situation.now
    waits_for = blockers(job, now)
    trap, approval = standing.trap_panel(situation), standing.approval_panel(situation)
    runs = list(job.step_runs.filter(attempt__in={attempt, job.attempt}))
    records, has_more_records = past.records_of(job)
    return {
        "job": job,
        "attempt": attempt,
        "attempts": past.attempts_of(job, attempt),
        "is_ended": Status(job.status) in ENDED,
        "rail": rail(job, (run for run in runs if run.attempt == job.attempt)),
        "timeline": operations.drawn(
            job, attempt, now, [run for run in runs if run.attempt == attempt], window
        ),
        "revisions": list(job.revisions.all()),
        "natures": list(job.natures.all()),
        "contents": contents_panel(job),
        "blockers": [
            (translated(each.detail), each, standing.HINTS.get(each.kind, ""))
            for each in waits_for
            if each.kind not in _IN_PANELS
        ],
        "who": {each.kind: each.who for each in waits_for},
        "bar": standing.bar(situation),
        "trap": trap,
        "approval": approval,
        "may_rerun": "rerun" in situation.available,
        # The panel of the trap says it.
        "reason": translated(job.reason) if trap is None else "",
        "records": records,
        "has_more_records": has_more_records,
        "tail": log_lines.tail(job, TAIL_LINES, attempt),
    }


def _more_context(situation: Situation, attempt: int) -> dict[str, Any]:
    """Return what changes only together with something of ``_context``, so that a poll need not read it."""
    job = situation.job
    return {
        "values": values.values_of(job, attempt),
        "approvals": past.approvals_of(job),
        "traps": [(translated(trap.error), trap) for trap in past.traps_of(job)],
        "neighbours": past.neighbours_of(job, situation.user),
        "hold": JobHold.objects.filter(job=job).first(),
        "may_hold": situation.refusals.get("hold", job) is None,
    }


def _seen(row: Row | Hidden) -> object:
    """Return what of a row makes the page look different."""
    return row.count if isinstance(row, Hidden) else (row.path, row.status, row.seconds, row.ran_in)


def _version(context: dict[str, Any], now: datetime) -> str:
    """Return what changes whenever the page would look different."""
    job: Job = context["job"]
    return polling.version_of(
        job.status, job.step, job.percent, job.attempt, job.reason, job.log_lines, job.operations_done, job.comment,
        job.scheduled_at, job.max_start_at, job.started_at, job.finished_at, job.claimed_by, job.rollback,
        [_seen(row) for group in context["timeline"].groups for row in group.rows],
        [(each.kind, each.ended_at, int(each.seconds // 60)) for each in context["timeline"].waits],
        [(text, blocker) for text, blocker, _hint in context["blockers"]],
        context["bar"], context["trap"], context["approval"], context["who"],
        [record.pk for _, record in context["records"]],
        [nature.code for nature in context["natures"]],
        context["contents"] and context["contents"].contents.settled_at, context["timeline"].step, remaining.span(job, now),
        context["attempt"], translation.get_language(), timezone.get_current_timezone_name(),
    )  # fmt: skip
