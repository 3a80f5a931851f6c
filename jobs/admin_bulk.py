"""An action on several jobs from the admin's list: what will happen to each is shown first, then what was done to each.

It is the same code as on a job's own page, job by job: the same rights, the same refusals, one audit record each. A job that has
changed since it was shown is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from jobs import selectors
from jobs.actions.base import MOST_COMMENT, Asker, Seen, actions
from jobs.audit import Actor
from jobs.bulk import Order, Outcome, carry_out, proposed_step
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput, JobNotFound
from jobs.lifecycle import RERUN_STEPS, Step
from jobs.models import AuditRecord, Job
from jobs.monitor import refusals
from jobs.monitor.dialogs import DIALOGS
from jobs.monitor.gate import reader
from jobs.monitor.situation import Situation
from jobs.wording import translated
from permissions import policy
from permissions.echoes import EchoesLittle
from permissions.models import User

MOST_JOBS: Final = 100
PREFIX: Final = "job_"
KEYS: Final = (
    "run_now",
    "cancel",
    "rerun",
    "approve",
    "reject",
    "retry",
    "skip",
    "abort",
    "pause",
    "resume",
    "rollback",
    "comment",
    "delete",
)
"""What needs nothing but a comment, or a step that each job proposes. New dates are given job by job."""

_SILENT: Final = ("run_now", "delete")
_NEEDS_COMMENT: Final = ("reject", "comment")


class BulkForm(EchoesLittle, forms.Form):
    """What the action takes, the same for all jobs."""

    step = forms.ChoiceField(
        label=_("Step"),
        required=False,
        choices=[
            ("", _("Where each job stands, or the last one that deployed")),
            *((step.value, step.value) for step in Step if step in RERUN_STEPS),
        ],
    )
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=MOST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, key: str, data: QueryDict | None = None) -> None:
        """Leave out what the action does not take."""
        super().__init__(data)
        self.key = key
        if key != "rerun":
            del self.fields["step"]
        if key in _SILENT:
            del self.fields["comment"]
        else:
            self.fields["comment"].required = key in _NEEDS_COMMENT

    def params(self, job: Job) -> dict[str, Any]:
        """Return what the action takes for one job."""
        comment = self.cleaned_data.get("comment", "").replace("\r\n", "\n")
        if self.key in _SILENT:
            return {}
        if self.key == "comment":
            return {"text": comment, "level": "comment"}
        if self.key == "rerun":
            return {"step": self.cleaned_data["step"] or proposed_step(job), "comment": comment}
        return {"comment": comment}


@dataclass(frozen=True, slots=True)
class Row:
    """A job of the selection.

    Attributes:
        job: As it is; ``None`` when it is gone.
        name: Its name, or its number when it is gone.
        seen: What the form carries: number, attempt and status.
        refusal: Why it is not done; empty when it is.
        sentences: What will happen, or what was done.
    """

    job: Job | None
    name: str
    seen: str
    refusal: SafeString | str
    sentences: list[str]


def run(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, chosen: QuerySet[Job], key: str
) -> HttpResponse | None:
    """Ask, or do it when it was asked before.

    Args:
        model_admin: The list's.
        request: A POST of the list, or of the page that asks.
        chosen: What was ticked; the page that asks says itself which jobs it showed.
        key: Of the action.
    """
    user, now = reader(request), timezone.now()
    if "confirmed" in request.POST:
        return _confirmed(model_admin, request, key, now)
    jobs = list(chosen.order_by("-id")[: MOST_JOBS + 1])
    if len(jobs) > MOST_JOBS:
        text = gettext("At most %(n)d jobs at once: choose fewer.")
        messages.error(request, text % {"n": MOST_JOBS})
        return None
    return _ask(model_admin, request, BulkForm(key), [_expected(job, key, user, now) for job in jobs])


def _confirmed(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, key: str, now: datetime
) -> HttpResponse | None:
    seen = _seen(request.POST.getlist("seen"))
    if not seen:
        messages.error(request, gettext("The form does not say how you saw the jobs. Choose them again."))
        return None
    user = reader(request)
    form = BulkForm(key, request.POST)
    if not form.is_valid():
        jobs = selectors.visible_jobs(user).in_bulk(list(seen))
        found = sorted(jobs.values(), key=lambda job: -job.pk)
        return _ask(model_admin, request, form, [_expected(job, key, user, now) for job in found])
    actor = Actor(user, AuditRecord.Source.ADMIN.value, request.META.get("REMOTE_ADDR", ""))
    order = Order(key, actor, form.params, seen)
    rows = [_done(outcome, key, user) for outcome in carry_out(order, list(seen))]
    return _page(model_admin, request, key, "result.html", rows, None)


def _seen(carried: Iterable[str]) -> dict[int, Seen]:
    """Return what the page that asked showed, by number; nothing when that cannot be read."""
    found: dict[int, Seen] = {}
    for text in carried:
        pk, _sign, rest = text.partition(":")
        attempt, _sign, status = rest.partition(":")
        if not (pk.isdecimal() and attempt.isdecimal() and len(pk) < 19 and len(attempt) < 10):
            return {}
        if status not in StatusChoice.values:
            return {}
        found[int(pk)] = Seen(int(attempt), status)
    return found if len(found) <= MOST_JOBS else {}


def _expected(job: Job, key: str, user: User, now: datetime) -> Row:
    """Return what the action would do to a job as it is now."""
    asker = Asker(user, policy.rights_of(user).on(job.environment_id))
    refusal = actions()[key].refusal(job, asker, now=now)
    carried = f"{job.pk}:{job.attempt}:{job.status}"
    if refusal is not None:
        return Row(job, job.name, carried, refusals.sentence(refusal, user), [])
    found = DIALOGS[key].consequences(Situation(job, user, now))
    step = (
        [gettext("It begins at %(step)s unless you choose another step.") % {"step": proposed_step(job)}]
        if key == "rerun"
        else []
    )
    return Row(job, job.name, carried, "", [*step, *found.sentences, *found.warnings])


def _done(outcome: Outcome, key: str, user: User) -> Row:
    """Return what came of one job.

    Raises:
        Exception: A defect.
    """
    error = outcome.error
    if error is None:
        return Row(None if key == "delete" else outcome.job, outcome.name, "", "", [str(DIALOGS[key].done)])
    if isinstance(error, JobNotFound):
        gone = gettext("There is no such job any more.")
        return Row(None, outcome.name or str(outcome.job_id), "", gone, [])
    if isinstance(error, InvalidInput):
        said = " ".join(translated(text) for texts in error.errors.values() for text in texts)
        return Row(outcome.job, outcome.name, "", said, [])
    if isinstance(error, refusals.REFUSALS):
        return Row(outcome.job, outcome.name, "", refusals.sentence(error, user), [])
    raise error


def _ask(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, form: BulkForm, rows: list[Row]
) -> HttpResponse:
    return _page(model_admin, request, form.key, "confirm.html", rows, form)


def _page(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    key: str,
    template: str,
    rows: list[Row],
    form: BulkForm | None,
) -> HttpResponse:
    fitting = [row for row in rows if not row.refusal]
    refused = len(rows) - len(fitting)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("%(action)s: several jobs") % {"action": DIALOGS[key].label},
        "opts": model_admin.opts,
        "dialog": DIALOGS[key],
        "action": f"{PREFIX}{key}",
        "rows": rows,
        "fitting": fitting,
        "form": form,
        "n_fitting": ngettext("%(n)d job", "%(n)d jobs", len(fitting)) % {"n": len(fitting)},
        "n_refused": ngettext("%(n)d job", "%(n)d jobs", refused) % {"n": refused},
        "refused": refused,
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, f"admin/jobs/job/{template}", context)
