"""What each action will do to a job, in sentences: people read it before they do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.actions.rollback import MOST_NAMED
from jobs.lifecycle import RUNNER_STATUSES, Status, Step
from jobs.models import OperationRun
from jobs.monitor import times
from jobs.monitor.operations import log_address
from jobs.monitor.situation import Situation
from jobs.waits import remaining

_DEPLOYING: Final = (Step.PRE, Step.RUN)


@dataclass(frozen=True, slots=True)
class Listing:
    """Things that an action is about, under a heading.

    Attributes:
        heading: What they are.
        items: One line each.
        is_ordered: Whether their order means something.
    """

    heading: str
    items: Sequence[str]
    is_ordered: bool = False


@dataclass(frozen=True, slots=True)
class Consequences:
    """What an action will do.

    Attributes:
        sentences: What happens.
        warnings: What one might believe that happens, and does not; or what is dangerous.
        lists: What it happens to.
    """

    sentences: Sequence[str]
    warnings: Sequence[str]
    lists: Sequence[Listing]


def of(*sentences: str, warnings: tuple[str, ...] = (), lists: tuple[Listing, ...] = ()) -> Consequences:
    """Return consequences; empty sentences are left out."""
    return Consequences([text for text in sentences if text], warnings, lists)


def rerun(situation: Situation) -> Consequences:
    """Say what a rerun keeps and what it does again."""
    job, now = situation.job, situation.now
    if job.scheduled_at > now:
        dates = _(
            "A rerun of PRE keeps the scheduled date, %(when)s: RUN waits for it unless you run RUN now."
        )
    else:
        dates = _(
            "The scheduled date, %(when)s, is past: it becomes now, and the max start date moves with it."
        )
    return of(
        _("The job becomes ready at the step that you choose, and attempt %(number)d begins.")
        % {"number": job.attempt + 1},
        _("That step and all that follow it run again. Variables and the results of earlier steps are kept."),
        dates % {"when": _moment(job.scheduled_at, now)},
        _("An approval in a step that is not rerun need not be given again."),
    )


def reschedule(situation: Situation) -> Consequences:
    """Say what becomes of the dates and the status."""
    job, now = situation.job, situation.now
    expired = (
        _("The job has expired; it becomes again what it was before.") if job.status == Status.EXPIRED else ""
    )
    text = _("RUN may begin from the new date on, instead of %(when)s.")
    return of(
        text % {"when": _moment(job.scheduled_at, now)},
        expired,
        _("Your comment goes on top of the job's comment."),
    )


def run_now(situation: Situation) -> Consequences:
    """Say when RUN begins."""
    job, now = situation.job, situation.now
    text = _("The scheduled date, %(when)s, becomes now.") % {"when": _moment(job.scheduled_at, now)}
    if job.step == Step.RUN:
        return of(text, _("RUN begins as soon as a worker is free."))
    return of(text, _("RUN begins as soon as PRE is completed and a worker is free."))


def cancel(situation: Situation) -> Consequences:
    """Say what is ended, and what is not."""
    job = situation.job
    runs = Status(job.status) in RUNNER_STATUSES and bool(job.claimed_by)
    ended = (
        _(
            "Its processes on the worker's machine (%(worker)s) are ended with all their descendants: they are asked to "
            "end, and killed after 5 seconds. The log says which ones, and how."
        )
        % {"worker": job.claimed_by}
        if runs
        else _("No worker has the job at the moment, so there is no process to end.")
    )
    return of(
        _("The status becomes Cancelled at once."),
        ended,
        _(
            "The job then stands still: no step runs by itself, not even POST. It can be rerun or rolled back later."
        ),
        warnings=(_("What its processes started elsewhere, on other machines, is not stopped: it goes on."),),
    )


def approve(situation: Situation) -> Consequences:
    """Say whether the signature is enough."""
    approval = situation.approval
    if approval is None:
        return of()
    given = sum(signature.approves for signature in approval.signatures.all())
    missing = approval.minimum - given - 1
    signs = _("You sign “%(operation)s”: signature %(number)d of %(minimum)d.") % {
        "operation": approval.name,
        "number": given + 1,
        "minimum": approval.minimum,
    }
    if missing <= 0:
        return of(signs, _("With it the job goes on after the approval."))
    text = ngettext(
        "One more signature is needed before the job goes on.",
        "%(n)d more signatures are needed before the job goes on.",
        missing,
    )
    return of(signs, text % {"n": missing})


def reject(situation: Situation) -> Consequences:
    """Say that one rejection is enough."""
    name = situation.approval.name if situation.approval else ""
    return of(
        _("You reject “%(operation)s”. One rejection is enough.") % {"operation": name},
        _("The status becomes Rejected, and the job stands still: no step runs by itself, not even POST."),
        _("Your comment says why, to everybody who sees the job."),
    )


def retry(situation: Situation) -> Consequences:
    """Say what is done again, and how often it was."""
    trap = situation.trap
    if trap is None:
        return of()
    text = _("“%(operation)s” is executed again; a group is executed again as a whole.") % {
        "operation": trap.name
    }
    if trap.max_retries:
        count = _("It is retry %(number)d of %(most)d.") % {
            "number": trap.retries + 1,
            "most": trap.max_retries,
        }
    else:
        count = _("It is retry %(number)d; the rule sets no limit.") % {"number": trap.retries + 1}
    return of(text, count, _("When it fails again, the job is trapped again."))


def skip(situation: Situation) -> Consequences:
    """Say where the job goes on."""
    if situation.trap is None:
        return of()
    text = _(
        "The job goes on after “%(operation)s”, as if it had been skipped. Of a group the rest is left out."
    )
    return of(
        text % {"operation": situation.trap.name},
        warnings=(_("What the operation did before it failed stays as it is."),),
    )


def abort(situation: Situation) -> Consequences:
    """Say what follows from the failure."""
    step = situation.job.step
    fails = _("The step %(step)s fails with the error of the trap, as if it had not been caught.") % {
        "step": step
    }
    if step == Step.POST:
        return of(fails, _("The job ends in error."))
    found = [run for run in situation.undoable if run.step in _DEPLOYING]
    if not found:
        return of(
            fails, _("Nothing that was done has a rollback, so POST runs next, and the job ends in error.")
        )
    names = [_operation(situation, run) for run in found]
    return of(
        fails,
        _(
            "What was done and has a rollback is undone, the last one first; then POST runs, and the job ends in error."
        ),
        lists=(Listing(_("It will be undone, in this order:"), names, is_ordered=True),),
    )


def pause(situation: Situation) -> Consequences:
    """Say how much time is kept."""
    if situation.trap is None:
        return of()
    left = times.left(remaining(situation.trap, situation.now).total_seconds())
    return of(
        _("The clock of the trap stops with %(left)s left. The job stays trapped until somebody answers.")
        % {"left": left}
    )


def resume(situation: Situation) -> Consequences:
    """Say how much time is left."""
    if situation.trap is None:
        return of()
    left = times.left(remaining(situation.trap, situation.now).total_seconds())
    return of(_("The clock of the trap goes on with the %(left)s that were left.") % {"left": left})


def roll_back(situation: Situation) -> Consequences:
    """Say what is undone, and who stands on it."""
    job = situation.job
    found = [_operation(situation, run) for run in situation.undoable]
    begins = _("Attempt %(number)d begins, and only undoes. POST does not run.") % {"number": job.attempt + 1}
    if not found:
        return of(
            _(
                "No operation that was done has a rollback: there is nothing to undo, and nothing is executed."
            ),
            begins,
        )
    lists = [Listing(_("It will be undone, in this order:"), found, is_ordered=True)]
    warnings: list[str] = []
    if later := situation.later_jobs:
        names = [_link(reverse("monitor:job", args=[each.pk]), each.name) for each in later]
        lists.append(Listing(_("Later jobs that stand on it:"), names))
        first = _(
            "Later jobs of %(project)s in %(environment)s stand on what this one did. Undo them first, the newest one first."
        )
        where = {"project": job.project.code if job.project else "", "environment": job.environment.code}
        warnings.append(first % where)
        if len(later) == MOST_NAMED:
            warnings.append(_("Only the newest %(n)d are named.") % {"n": MOST_NAMED})
    text = ngettext(
        "The rollback of %(n)d operation is run.", "The rollbacks of %(n)d operations are run.", len(found)
    )
    return of(text % {"n": len(found)}, begins, warnings=tuple(warnings), lists=tuple(lists))


def delete(situation: Situation) -> Consequences:
    """Say what goes and what stays."""
    lines = ngettext("its log (%(n)d line)", "its log (%(n)d lines)", situation.job.log_lines)
    goes = [
        _("the job, with all its attempts"),
        lines % {"n": situation.job.log_lines},
        _("the results of its operations"),
        _("its approvals and traps"),
    ]
    stays = [
        _("who did what to it: the audit, in the administration"),
        _("what it deployed: the environment is not touched"),
    ]
    return of(
        _("The job disappears from the monitor for everybody. This cannot be undone."),
        lists=(Listing(_("This goes:"), goes), Listing(_("This stays:"), stays)),
    )


def hold(situation: Situation) -> Consequences:
    """Say what a hold keeps from the job."""
    return of(
        _("No retention policy takes the job, its log or its files until somebody releases it."),
        warnings=(_("People with the right to delete it may delete it nevertheless."),),
    )


def release(situation: Situation) -> Consequences:
    """Say who decides about the job from now on."""
    return of(_("Retention policies decide about the job again, as if it had never been on hold."))


def comment(situation: Situation) -> Consequences:
    """Say where the comment goes."""
    return of(_("Your text becomes a line of the job's log, with your name."), _("Nothing else changes."))


def _moment(moment: datetime, now: datetime) -> str:
    return f"{times.short(moment, now)} ({times.distance(moment, now)})"


def _link(address: str, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', address, text)


def _operation(situation: Situation, run: OperationRun) -> SafeString:
    address = log_address(situation.job, run.attempt, run.identifier)
    link = _link(address, run.name or run.key)
    return format_html('{} <span class="soft mono">{}</span>', link, run.path)
