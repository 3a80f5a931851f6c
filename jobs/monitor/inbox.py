"""The page of what waits for its reader: approvals to sign and traps to answer, what ends soonest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from jobs import inbox as domain
from jobs.inbox import KINDS, Decision
from jobs.models import Approval, Trap
from jobs.monitor import polling, standing, times
from jobs.monitor.gate import is_htmx, reader, signed_in
from jobs.monitor.operations import log_address
from jobs.monitor.wrong_values import unknown_in
from jobs.waits import remaining
from jobs.wording import translated

ROWS: Final = 100
SOON: Final = 15 * times.MINUTE
"""Seconds; what has less time left stands out."""

_LONGEST_LINE: Final = 300
_FIRST: Final = {"approval": "approve", "trap": "retry"}
"""What stands out; where no retry is left, nothing does."""
TABS: Final[tuple[tuple[str, Promise | str], ...]] = (
    ("", gettext_lazy("Everything")),
    ("approval", gettext_lazy("Approvals")),
    ("trap", gettext_lazy("Traps")),
)


@dataclass(frozen=True, slots=True)
class Item:
    """A decision as the page shows it.

    Attributes:
        decision: What waits.
        left: How much time is left, in words; empty when there is no limit.
        is_soon: Whether that is little.
        is_paused: Whether the clock of the trap stands.
        then: What happens when the time is over; empty when there is no limit.
        error: The first line of what went wrong, for a trap.
        facts: Signatures or retries, in words.
        href: The lines of the operation in the log.
        buttons: What the reader may answer.
    """

    decision: Decision
    left: str
    is_soon: bool
    is_paused: bool
    then: Promise | str
    error: str
    facts: str
    href: str
    buttons: list[standing.Button]


@signed_in
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader; a poll gets 204 while nothing has changed."""
    now, kind = timezone.now(), request.GET.get("kind", "")
    mistakes = unknown_in(request.GET, ["kind"])
    if kind and kind not in KINDS:
        mistakes.append(_("Kind: write approval or trap, or leave it out."))
        kind = ""
    if mistakes and is_htmx(request):
        return HttpResponse(status=400)
    for mistake in mistakes:
        messages.error(request, mistake)
    found = domain.waiting(reader(request), ROWS + 1, (kind,) if kind else KINDS)
    items = [_item(decision, now) for decision in found[:ROWS]]
    version = _version(items, len(found))
    if is_htmx(request) and polling.is_known(request, version):
        return polling.nothing_new(version)
    context: dict[str, Any] = {
        "section": "inbox",
        "items": items,
        "kind": kind,
        "tabs": TABS,
        "most": ROWS,
        "has_more": len(found) > ROWS,
        "version": version,
        "address": f"{request.path}?kind={kind}" if kind else request.path,
    }
    template = "monitor/_inbox.html" if is_htmx(request) else "monitor/inbox.html"
    return render(request, template, context, status=400 if mistakes else 200)


@require_safe
def waiting(request: HttpRequest) -> HttpResponseBase:
    """Return the number on the bar of every page; 204 while it is the one that is ``shown``.

    A page whose session has ended stays as it is, for it may be a form that somebody fills in: the parts that show more than a
    number load it again.
    """
    if is_htmx(request) and not request.user.is_authenticated:
        return HttpResponse(status=204)
    return _waiting(request)


@signed_in
def _waiting(request: HttpRequest) -> HttpResponse:
    number = domain.shown(domain.count(reader(request)))
    if is_htmx(request) and request.GET.get("shown") == number:
        return HttpResponse(status=204)
    return render(request, "monitor/_waiting.html", {"waiting": number})


def _item(decision: Decision, now: datetime) -> Item:
    wait, seconds = decision.wait, _seconds(decision, now)
    return Item(
        decision=decision,
        left="" if seconds is None else times.left(seconds),
        is_soon=decision.until is not None and seconds is not None and seconds < SOON,
        is_paused=isinstance(wait, Trap) and wait.deadline is None,
        then=_then(decision),
        error=_line(translated(wait.error)) if isinstance(wait, Trap) else "",
        facts=_retries(wait) if isinstance(wait, Trap) else _signatures(wait),
        href=log_address(decision.job, wait.attempt, wait.operation),
        buttons=standing.buttons(decision.job, list(decision.may), first=_FIRST[decision.kind]),
    )


def _seconds(decision: Decision, now: datetime) -> float | None:
    """Return how much time is left, ``None`` without a limit."""
    if isinstance(decision.wait, Trap):
        return remaining(decision.wait, now).total_seconds()
    return None if decision.until is None else (decision.until - now).total_seconds()


def _then(decision: Decision) -> Promise | str:
    if isinstance(decision.wait, Trap):
        return standing.ON_TIMEOUT.get(decision.wait.on_timeout, decision.wait.on_timeout)
    return "" if decision.until is None else _("Then the job expires.")


def _line(error: str) -> str:
    """Return the first line of an error that says anything, shortened to what a row has room for."""
    line = next((line for line in error.splitlines() if line.strip()), "").strip()
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


def _signatures(approval: Approval) -> str:
    given = [signature.user.get_username() for signature in approval.signatures.all() if signature.approves]
    text = ngettext("%(given)d of %(n)d signature", "%(given)d of %(n)d signatures", approval.minimum) % {
        "given": len(given),
        "n": approval.minimum,
    }
    return f"{text}: {', '.join(given)}" if given else text


def _retries(trap: Trap) -> str:
    if trap.max_retries:
        return _("retried %(n)d of %(most)d times") % {"n": trap.retries, "most": trap.max_retries}
    if not trap.retries:
        return _("not retried yet")
    return ngettext("retried %(n)d time", "retried %(n)d times", trap.retries) % {"n": trap.retries}


def _version(items: list[Item], found: int) -> str:
    """Return what changes whenever the page would look different."""
    return polling.version_of(
        found,
        [
            (
                item.decision.kind, item.decision.wait.pk, item.decision.until, item.decision.may, item.left, item.is_soon,
                item.facts, item.error,
            )
            for item in items
        ],
        translation.get_language(),
        timezone.get_current_timezone_name(),
        timezone.localdate(),
    )  # fmt: skip
