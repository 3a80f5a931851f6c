"""The page with all that people and the daemon decided about a job, a part at a time."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.monitor import past
from jobs.monitor.gate import signed_in, visible_job

PAGE: Final = 100


@signed_in
@require_safe
def audit(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show records, the newest first; ``before`` names the record that the page above ended with."""
    job = visible_job(request, job_id)
    before = request.GET.get("before", "")
    found = selectors.audit_of(job).order_by("-id")
    if before.isascii() and before.isdecimal() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    rows = list(found[: PAGE + 1])
    context = {
        "job": job,
        "records": past.named(rows[:PAGE]),
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "is_first": not before,
        "section": "monitor",
    }
    return render(request, "monitor/records.html", context)
