"""One page for every action of a job: it says what will happen, takes what the action needs, and does it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from jobs import selectors
from jobs.actions.base import every_action
from jobs.exceptions import InvalidInput, JobChanged, JobNotFound
from jobs.models import AuditRecord, Job
from jobs.monitor import refusals
from jobs.monitor.action_forms import ActionForm
from jobs.monitor.dialogs import DIALOGS, Dialog
from jobs.monitor.gate import actor, reader, signed_in, visible_job
from jobs.monitor.situation import Situation
from jobs.wording import ACTION_LABELS, translated

LAST_RECORDS = 3


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def action(request: HttpRequest, job_id: int, key: str) -> HttpResponse:
    """Ask whether an action is really meant, or do it and go to the job.

    What is refused is said in place with its HTTP status; nothing was done then, and nothing that was typed is lost.
    """
    dialog = DIALOGS.get(key)
    if dialog is None:
        raise Http404
    situation = _situation(request, job_id)
    if request.method == "POST":
        return _do(request, dialog, situation)
    refusal = situation.refusals.get(key)
    form = dialog.form(situation)
    form.propose(request.GET)
    return _page(request, dialog, form, refusal)


def _situation(request: HttpRequest, job_id: int) -> Situation:
    return Situation(visible_job(request, job_id), reader(request), timezone.now())


def _do(request: HttpRequest, dialog: Dialog, situation: Situation) -> HttpResponse:
    form = dialog.form(situation, request.POST)
    refusal = situation.refusals.get(dialog.key)
    if refusals.is_forbidden(refusal):
        return _page(request, dialog, form, refusal)
    if not form.is_valid():
        return _not_understood(request, dialog, form)
    try:
        job = every_action()[dialog.key].execute(
            situation.job.pk, actor=actor(request), now=timezone.now(), seen=form.seen(), **form.params()
        )
    except JobNotFound:
        raise Http404 from None
    except InvalidInput as error:
        form.refuse({name: [translated(text) for text in texts] for name, texts in error.errors.items()})
        return _page(request, dialog, form, error)
    except refusals.REFUSALS as error:
        return _refused(request, dialog, situation, error)
    messages.success(request, f"{job.name}: {dialog.done}")
    return redirect("monitor:list") if dialog.key == "delete" else redirect("monitor:job", job.pk)


def _not_understood(request: HttpRequest, dialog: Dialog, form: ActionForm) -> HttpResponse:
    """Return the form with what is wrong in it; that the job has changed matters more, and may be the reason."""
    job, seen = form.situation.job, form.seen()
    if seen is not None and (seen.attempt, seen.status) != _state(job):
        return _refused(request, dialog, form.situation, JobChanged(job.name, job.attempt, job.status))
    return _page(request, dialog, form, InvalidInput({}))


def _state(job: Job) -> tuple[int, str]:
    return job.attempt, job.status


def _refused(request: HttpRequest, dialog: Dialog, before: Situation, error: Exception) -> HttpResponse:
    """Return the form once more, about the job as it is now: whoever sends it again has seen that."""
    situation = _situation(request, before.job.pk)
    data: QueryDict = request.POST.copy()
    data["seen_attempt"], data["seen_status"] = (str(part) for part in _state(situation.job))
    return _page(request, dialog, dialog.form(situation, data), error)


def _page(request: HttpRequest, dialog: Dialog, form: ActionForm, error: Exception | None) -> HttpResponse:
    """Return the page of an action.

    Args:
        request: Of a reader.
        dialog: The action.
        form: Its form, about the job as it is now.
        error: Why it was refused, or would be; ``None`` to ask.
    """
    situation = form.situation
    refusal = situation.refusals.get(dialog.key)
    context: dict[str, Any] = {
        "job": situation.job,
        "dialog": dialog,
        "form": form,
        "can": refusal is None,
        "consequences": dialog.consequences(situation) if refusal is None else None,
        "has_changed": isinstance(error, JobChanged),
        "is_invalid": isinstance(error, InvalidInput),
        "was_sent": request.method == "POST",
        "refusal": refusals.sentence(error, situation.user) if error else "",
        "now": situation.now,
        "zone": timezone.get_current_timezone_name(),
        "section": "monitor",
    }
    if isinstance(error, JobChanged):
        context |= {"seen": _seen(request), "records": _last_records(situation.job)}
    status = refusals.status_of(error) if error else 200
    return render(request, "monitor/action.html", context, status=status)


def _seen(request: HttpRequest) -> dict[str, str]:
    """Return what the asker saw; it was read by the form before."""
    return {"attempt": request.POST["seen_attempt"], "status": request.POST["seen_status"]}


def _last_records(job: Job) -> list[tuple[str, AuditRecord]]:
    found = selectors.audit_of(job).order_by("-id")[:LAST_RECORDS]
    return [(str(ACTION_LABELS.get(record.action, record.action)), record) for record in found]
