"""One action on several jobs: what will happen to each is shown first, then what was done to each.

Jobs are named by their numbers, or by what the list is filtered by. It is the same code as on a job's own page, job by job; one
that has changed since it was shown is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from jobs import filters, selectors
from jobs.bulk import Order, carry_out
from jobs.exceptions import InvalidInput
from jobs.monitor import bulk_rows
from jobs.monitor.bulk_form import BulkForm
from jobs.monitor.bulk_rows import Row
from jobs.monitor.dialogs import DIALOGS, Dialog
from jobs.monitor.gate import actor, reader, signed_in
from jobs.monitor.view_query import read_filter
from jobs.monitor.wrong_values import no_value, unknown_names
from jobs.wording import translated

MOST_JOBS: Final = 200
"""So many at once: each is done, and shown, one after the other while its asker waits."""

MOST_COUNTED: Final = 10_000
KEYS: Final = (
    "approve", "reject", "retry", "skip", "abort", "pause", "resume", "run_now", "reschedule", "cancel", "rerun", "rollback",
    "comment", "hold", "release", "delete",
)  # fmt: skip
"""What can be done to several jobs, in the order in which it is offered."""

_KNOWN: Final = (*filters.PARAMETERS, "action", "all", "job", "back")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs are meant.

    Attributes:
        numbers: Of the jobs, the newest first.
        by_filter: Whether a filter named them.
    """

    numbers: list[int]
    by_filter: bool


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def bulk(request: HttpRequest) -> HttpResponse:
    """Ask whether an action on several jobs is really meant, or do it and say what came of each."""
    given = request.POST if request.method == "POST" else request.GET
    key = given.get("action", "")
    dialog = DIALOGS[key] if key in KEYS else None
    try:
        if key and dialog is None:
            raise InvalidInput({"action": [no_value(key, {key: DIALOGS[key].label for key in KEYS})]})
        if request.method == "POST":
            return _send(request, dialog)
        choice = chosen(request)
    except InvalidInput as error:
        texts = [translated(text) for texts in error.errors.values() for text in texts]
        return _page(request, "monitor/bulk_refused.html", {"texts": texts}, 400)
    if dialog is None:
        return _choose(request, choice)
    rows = _expected(request, dialog, choice.numbers)
    return _ask(request, dialog, BulkForm(dialog.key), rows)


def chosen(request: HttpRequest) -> Choice:
    """Return which jobs the address names.

    Raises:
        InvalidInput: None, too many, or what can be no number or filter; or something that means nothing here, such as
            a filter with a letter missing, without which there would be more jobs.
    """
    if unknown := unknown_names(request.GET, _KNOWN):
        raise InvalidInput(
            {name: [f"{name[:60]}: {text}" for text in texts] for name, texts in unknown.items()}
        )
    if request.GET.get("all"):
        return Choice(_matching(request), by_filter=True)
    texts = list(dict.fromkeys(request.GET.getlist("job")))
    if not texts:
        raise InvalidInput({"job": [_("Choose at least one job.")]})
    if not all(bulk_rows.is_number(text) for text in texts):
        raise InvalidInput({"job": [_("These are no numbers of jobs.")]})
    if len(texts) > MOST_JOBS:
        raise InvalidInput({"job": [_too_many(len(texts))]})
    return Choice(sorted(map(int, texts), reverse=True), by_filter=False)


def _matching(request: HttpRequest) -> list[int]:
    """Return the numbers of the jobs that the filter in the address keeps.

    Raises:
        InvalidInput: The filter is none, or keeps none or too many.
    """
    given = {name: values for name, values in request.GET.lists() if any(values)}
    wanted = read_filter(given)
    if wanted == selectors.JobFilter():
        raise InvalidInput({"all": [_("Without a filter that would be all jobs: say at least one filter.")]})
    jobs = selectors.visible_jobs(reader(request)).filter(wanted.condition()).order_by("-id")
    found = list(jobs.values_list("pk", flat=True)[: MOST_JOBS + 1])
    if len(found) > MOST_JOBS:
        raise InvalidInput({"all": [_too_many(jobs[:MOST_COUNTED].count())]})
    if not found:
        raise InvalidInput({"all": [_("No job matches these filters any more.")]})
    return found


def _too_many(number: int) -> str:
    text = _(
        "%(number)s jobs are meant, and at most %(most)d are done at once: narrow the filter or choose fewer."
    )
    shown = f"{MOST_COUNTED}+" if number >= MOST_COUNTED else str(number)
    return text % {"number": shown, "most": MOST_JOBS}


def _choose(request: HttpRequest, choice: Choice) -> HttpResponse:
    """Let the reader say what is to be done."""
    pairs = [(name, value) for name, values in request.GET.lists() for value in values if name != "action"]
    offered: list[tuple[Dialog, str]] = [
        (DIALOGS[key], "?" + urlencode([("action", key), *pairs])) for key in KEYS
    ]
    return _page(
        request, "monitor/bulk_choose.html", {"offered": offered, "n": _number(len(choice.numbers))}, 200
    )


def _send(request: HttpRequest, dialog: Dialog | None) -> HttpResponse:
    """Do it, or try it and take it back.

    Raises:
        InvalidInput: The form does not say what, or how the jobs were seen.
    """
    if dialog is None:
        raise InvalidInput({"action": [_("The form does not say what is to be done.")]})
    seen = bulk_rows.read_seen(request.POST.getlist("seen"), MOST_JOBS)
    if not seen:
        message = _("The form does not say how you saw the jobs. Choose them again.")
        raise InvalidInput({"seen": [message]})
    form = BulkForm(dialog.key, request.POST)
    if not form.is_valid():
        return _ask(request, dialog, form, _expected(request, dialog, list(seen)), status=400)
    dry_run = "try" in request.POST
    order = Order(dialog.key, actor(request), form.params, seen, dry_run)
    user = reader(request)
    outcomes = list(carry_out(order, list(seen)))
    if not dry_run:
        return _outcome(request, dialog, [bulk_rows.done(each, dialog.key, user) for each in outcomes])
    fitting = [each.job_id for each in outcomes if each.error is None]
    refused = [bulk_rows.done(each, dialog.key, user) for each in outcomes if each.error is not None]
    return _ask(request, dialog, form, _expected(request, dialog, fitting) + refused, was_tried=True)


def _expected(request: HttpRequest, dialog: Dialog, numbers: list[int]) -> list[Row]:
    """Return what the action would do to each job as it is now, in the order of ``numbers``; those that are not there last."""
    user, now = reader(request), timezone.now()
    known = [number for number in numbers if number <= selectors.LARGEST_ID]
    jobs = selectors.lean_jobs(user).in_bulk(known)
    there = [jobs[number] for number in numbers if number in jobs]
    absent = [bulk_rows.missing(str(number)) for number in numbers if number not in jobs]
    return bulk_rows.expected(there, dialog.key, user, now) + absent


def _ask(
    request: HttpRequest,
    dialog: Dialog,
    form: BulkForm,
    rows: list[Row],
    *,
    was_tried: bool = False,
    status: int = 200,
) -> HttpResponse:
    fitting = [row for row in rows if not row.refusal]
    context = {
        **_summary(dialog, rows),
        "form": form,
        "common": _common([row.sentences for row in fitting]),
        "warnings": list(dict.fromkeys(text for row in fitting for text in row.warnings)),
        "was_tried": was_tried,
        "zone": timezone.get_current_timezone_name(),
    }
    return _page(request, "monitor/bulk.html", context, status)


def _outcome(request: HttpRequest, dialog: Dialog, rows: list[Row]) -> HttpResponse:
    left = [row.job.pk for row in rows if row.refusal and row.job is not None]
    pairs = [
        ("action", dialog.key),
        *(("job", number) for number in left),
        ("back", request.POST.get("back", "")),
    ]
    context = {**_summary(dialog, rows), "again": f"?{urlencode(pairs)}" if left else ""}
    return _page(request, "monitor/bulk_done.html", context, 200)


def _summary(dialog: Dialog, rows: list[Row]) -> dict[str, Any]:
    fitting = [row for row in rows if not row.refusal]
    refused = [row for row in rows if row.refusal]
    return {
        "dialog": dialog,
        "fitting": fitting,
        "refused": refused,
        "n_fitting": _number(len(fitting)),
        "n_refused": _number(len(refused)),
    }


def _number(count: int) -> str:
    return ngettext("%(n)d job", "%(n)d jobs", count) % {"n": count}


def _common(sentences: list[Any]) -> list[str | Promise]:
    """Return the sentences that are said of every job, in their order: they are said once."""
    if not sentences:
        return []
    first, *others = sentences
    return [text for text in first if all(text in other for other in others)]


def _page(request: HttpRequest, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    given: QueryDict = request.POST if request.method == "POST" else request.GET
    back = given.get("back", "")
    address = reverse("monitor:list")
    return render(
        request,
        template,
        {
            **context,
            "section": "monitor",
            "back": back,
            "back_address": f"{address}?{back}" if back else address,
        },
        status=status,
    )
