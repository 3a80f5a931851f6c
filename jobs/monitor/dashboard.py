"""The page of one job: how it is, what it does, why it waits, who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.blockers import blockers
from jobs.lifecycle import ENDED, Status
from jobs.models import AuditRecord, Job
from jobs.monitor import log_lines, operations, polling, remaining, standing
from jobs.monitor.contents import contents_panel
from jobs.monitor.gate import is_htmx, reader, signed_in, visible_job
from jobs.monitor.rail import rail
from jobs.monitor.situation import Situation
from jobs.wording import ACTION_LABELS, ORIGIN_LABELS, translated

TAIL_LINES: Final = 25
_IN_PANELS: Final = frozenset({"trap", "approval"})
"""What a job waits for that has a panel of its own."""

MOST_RECORDS: Final = 100


@signed_in
@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show a job; a poll gets 204 while nothing has changed, and 286 with the last state once the job has ended."""
    found = visible_job(request, job_id)
    situation = Situation(found, reader(request), timezone.now())
    context = _context(situation, _attempt(request, found))
    version = _version(context, situation.now)
    if is_htmx(request) and polling.is_known(request, version):
        return polling.nothing_new(version)
    context |= {"version": version, "now": situation.now, "section": "monitor"}
    if not is_htmx(request):
        return render(request, "monitor/job.html", context)
    status = polling.STOP_POLLING if context["is_ended"] else 200
    return render(request, "monitor/_job.html", context, status=status)


def _attempt(request: HttpRequest, job: Job) -> int:
    """Return the attempt to show, the present one unless the address names another that there is."""
    text = request.GET.get("attempt", "")
    if text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= job.attempt:
        return int(text)
    return job.attempt


def _context(situation: Situation, attempt: int) -> dict[str, Any]:
    job, now = situation.job, situation.now
    waits_for = blockers(job, now)
    trap, approval = standing.trap_panel(situation), standing.approval_panel(situation)
    return {
        "job": job,
        "attempt": attempt,
        "attempts": range(1, job.attempt + 1),
        "is_ended": Status(job.status) in ENDED,
        "rail": rail(job, job.step_runs.filter(attempt=job.attempt)),
        "groups": operations.by_step(job, attempt, now),
        "revisions": list(job.revisions.all()),
        "natures": list(job.natures.all()),
        "contents": contents_panel(job),
        "variables": _variables(job),
        "blockers": [(translated(each.detail), each) for each in waits_for if each.kind not in _IN_PANELS],
        "who": {each.kind: each.who for each in waits_for},
        "bar": standing.bar(situation),
        "trap": trap,
        "approval": approval,
        # The panel of the trap says it.
        "reason": translated(job.reason) if trap is None else "",
        "records": _records(job),
        "tail": log_lines.tail(job, TAIL_LINES, attempt),
    }


def _variables(job: Job) -> list[tuple[str, Any, str]]:
    """Return name, value and origin of the job's variables, as they were merged when it was created."""
    return [
        (name, merged["value"], str(ORIGIN_LABELS.get(merged["origin"], merged["origin"])))
        for name, merged in sorted(job.variables.items())
    ]


def _records(job: Job) -> list[tuple[str, AuditRecord]]:
    found = selectors.audit_of(job).order_by("-id")[:MOST_RECORDS]
    return [(str(ACTION_LABELS.get(record.action, record.action)), record) for record in found]


def _version(context: dict[str, Any], now: datetime) -> str:
    """Return what changes whenever the page would look different."""
    job: Job = context["job"]
    return polling.version_of(
        job.status, job.step, job.percent, job.attempt, job.reason, job.log_lines, job.operations_done, job.comment,
        job.scheduled_at, job.max_start_at, job.started_at, job.finished_at, job.claimed_by, job.rollback,
        [(row.path, row.status, row.seconds) for group in context["groups"] for row in group.rows],
        [(text, blocker) for text, blocker in context["blockers"]],
        context["bar"], context["trap"], context["approval"], context["who"],
        [record.pk for _, record in context["records"]],
        [nature.code for nature in context["natures"]],
        context["contents"] and context["contents"].contents.settled_at, remaining.span(job, now),
        context["attempt"], translation.get_language(), timezone.get_current_timezone_name(),
    )  # fmt: skip
