"""An action on several jobs from the admin's list: what will happen to each is shown first, then what was done to each.

It is the same code as on a job's own page, job by job: the same rights, the same refusals, one audit record each. A job that has
changed since it was shown is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from jobs import selectors
from jobs.audit import Actor
from jobs.bulk import Order, carry_out
from jobs.models import AuditRecord, Job
from jobs.monitor.bulk_form import BulkForm
from jobs.monitor.bulk_rows import Row, done, expected, read_seen
from jobs.monitor.dialogs import DIALOGS
from jobs.monitor.gate import reader

MOST_JOBS: Final = 100
PREFIX: Final = "job_"


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
    return _ask(model_admin, request, BulkForm(key), expected(jobs, key, user, now))


def _confirmed(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, key: str, now: datetime
) -> HttpResponse | None:
    seen = read_seen(request.POST.getlist("seen"), MOST_JOBS)
    if not seen:
        messages.error(request, gettext("The form does not say how you saw the jobs. Choose them again."))
        return None
    user = reader(request)
    form = BulkForm(key, request.POST)
    if not form.is_valid():
        jobs = selectors.visible_jobs(user).in_bulk(list(seen))
        found = sorted(jobs.values(), key=lambda job: -job.pk)
        return _ask(model_admin, request, form, expected(found, key, user, now))
    actor = Actor(user, AuditRecord.Source.ADMIN.value, request.META.get("REMOTE_ADDR", ""))
    order = Order(key, actor, form.params, seen)
    rows = [done(outcome, key, user) for outcome in carry_out(order, list(seen))]
    return _page(model_admin, request, key, "result.html", rows, None)


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
        "zone": timezone.get_current_timezone_name(),
        "n_fitting": ngettext("%(n)d job", "%(n)d jobs", len(fitting)) % {"n": len(fitting)},
        "n_refused": ngettext("%(n)d job", "%(n)d jobs", refused) % {"n": refused},
        "refused": refused,
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, f"admin/jobs/job/{template}", context)
