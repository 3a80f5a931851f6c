"""The menu of a row: what its reader may do with the job at this moment, asked for when it is opened."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs.actions.base import refusals_of_all
from jobs.monitor.bulk import KEYS
from jobs.monitor.gate import is_htmx, reader, signed_in, visible_job
from jobs.monitor.standing import buttons


@signed_in
@require_safe
def menu(request: HttpRequest, job_id: int) -> HttpResponse:
    """Return the entries; who comes without the list gets the job's page, which offers the same."""
    if not is_htmx(request):
        return redirect("monitor:job", visible_job(request, job_id).pk)
    try:
        job = visible_job(request, job_id)
    except Http404:
        return render(request, "monitor/_menu.html", {"job": None}, status=404)
    refusals = refusals_of_all(job, reader(request), now=timezone.now())
    may = {key for key, refusal in refusals.items() if refusal is None}
    if "release" in may:
        # It could be held anew, for another reason; as on its page, what is on hold is offered its release alone.
        may.discard("hold")
    found = buttons(job, [key for key in KEYS if key in may])
    return render(request, "monitor/_menu.html", {"job": job, "buttons": found})
