"""Where a job stands and waits for people: its trap or approval with the buttons that answer it, and all other buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobs.lifecycle import Status
from jobs.models import Approval, ApprovalSignature, Job, Trap
from jobs.monitor import refusals, times
from jobs.monitor.dialogs import DIALOGS
from jobs.monitor.operations import log_address
from jobs.monitor.situation import Situation
from jobs.waits import remaining
from jobs.wording import translated
from permissions import principals

TRAP_ANSWERS: Final = ("retry", "skip", "abort", "pause", "resume")
SIGNATURES: Final = ("approve", "reject")
_FIRST: Final = {
    Status.EXPIRED: "reschedule",
    Status.ERROR: "rerun",
    Status.ABEND: "rerun",
    Status.CANCELLED: "rerun",
    Status.REJECTED: "rerun",
    Status.READY: "run_now",
}
"""What most people come for, by status; answers to a trap or approval stand in their own panel."""

ON_TIMEOUT: Final[dict[str, Promise | str]] = {
    "abort": _("Then it is aborted: the step fails."),
    "skip": _("Then it is skipped: the job goes on after the operation."),
    "retry": _("Then it is retried; when no retries are left, it is aborted."),
}
"""What happens when the time of a trap runs out, by its ``on_timeout``."""


HINTS: Final[dict[str, Promise | str]] = {
    "schedule": _("Run now begins at once; Reschedule moves the date."),
    "semaphore": _("It goes on by itself when one of them lets go. An administrator can add slots."),
    "worker": _(
        "It goes on by itself when a worker is free. An administrator sees the workers in the administration."
    ),
    "daemon": _(
        "Nothing begins, expires or goes on until it runs again. Call whoever runs this installation."
    ),
}
"""What can be done about a wait, by its kind."""


@dataclass(frozen=True, slots=True)
class Button:
    """A link to the page of an action. ``tone`` is ``primary``, ``grave`` or empty."""

    key: str
    label: str
    href: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class TrapPanel:
    """A trap.

    Attributes:
        trap: As it is recorded.
        error: In the reader's language.
        href: The lines of the operation in the log.
        left: How much time is left, in words.
        is_paused: Whether the clock stands.
        on_timeout: What happens when the time runs out.
        buttons: What the reader may answer.
        why_not: Why the reader may not retry, or not answer at all; empty when they may.
    """

    trap: Trap
    error: str
    href: str
    left: str
    is_paused: bool
    on_timeout: Promise | str
    buttons: list[Button]
    why_not: SafeString | str


@dataclass(frozen=True, slots=True)
class ApprovalPanel:
    """An approval.

    Attributes:
        approval: As it is recorded.
        href: The lines of the operation in the log.
        named: Who is named and means something here: may see the environment, and is not left out for having created it.
        hides_some: There are others named, to whom that means nothing.
        signed: How many have approved.
        signatures: Of everybody, in their order.
        buttons: What the reader may do.
        why_not: Why the reader may not sign; empty when they may.
    """

    approval: Approval
    href: str
    named: list[str]
    hides_some: bool
    signed: int
    signatures: list[ApprovalSignature]
    buttons: list[Button]
    why_not: SafeString | str


def bar(situation: Situation) -> list[Button]:
    """Return the buttons of what the reader may do, in the order of the actions, without those of the panels."""
    job = situation.job
    elsewhere = {*(TRAP_ANSWERS if situation.trap else ()), *(SIGNATURES if situation.approval else ())}
    found = [key for key in situation.available if key not in elsewhere]
    return buttons(job, found, first=_FIRST.get(Status(job.status), ""))


def trap_panel(situation: Situation) -> TrapPanel | None:
    """Return the trap that the job is in."""
    trap = situation.trap
    if trap is None:
        return None
    return TrapPanel(
        trap=trap,
        error=translated(trap.error),
        href=log_address(situation.job, trap.attempt, trap.operation),
        left=times.left(remaining(trap, situation.now).total_seconds()),
        is_paused=trap.deadline is None,
        on_timeout=ON_TIMEOUT.get(trap.on_timeout, trap.on_timeout),
        buttons=_answers(situation, TRAP_ANSWERS),
        why_not=_why_not(situation, "retry"),
    )


def _named(job: Job, approval: Approval) -> list[str]:
    """Return the approvers to whom being named means something."""
    seeing = principals.seeing(dict.fromkeys(approval.approvers), job.environment)
    left_out = {f"user:{job.created_by.get_username()}"} if approval.exclude_creator else set()
    return [name for name in seeing if name not in left_out]


def approval_panel(situation: Situation) -> ApprovalPanel | None:
    """Return the approval that the job waits for."""
    approval = situation.approval
    if approval is None or situation.job.status != Status.PENDING_APPROVAL:
        return None
    signatures = list(approval.signatures.all())
    named = _named(situation.job, approval)
    return ApprovalPanel(
        approval=approval,
        href=log_address(situation.job, approval.attempt, approval.operation),
        named=named,
        hides_some=len(named) < len(set(approval.approvers)),
        signed=sum(signature.approves for signature in signatures),
        signatures=signatures,
        buttons=_answers(situation, SIGNATURES),
        why_not=_why_not(situation, "approve"),
    )


def buttons(job: Job, keys: list[str], *, first: str = "") -> list[Button]:
    """Return a button for each action of ``keys``; that of ``first`` stands out."""
    found = []
    for key in keys:
        dialog = DIALOGS[key]
        tone = "primary" if key == first else "grave" if dialog.is_grave else ""
        found.append(Button(key, str(dialog.label), reverse("monitor:action", args=[job.pk, key]), tone))
    return found


def _answers(situation: Situation, keys: tuple[str, ...]) -> list[Button]:
    return buttons(situation.job, [key for key in keys if key in situation.available], first=keys[0])


def _why_not(situation: Situation, key: str) -> SafeString | str:
    refusal = situation.refusals.get(key)
    return "" if refusal is None else refusals.sentence(refusal, situation.user)
