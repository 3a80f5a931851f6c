"""How a step, or undoing, ended: what happens to the job then, and what its log says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs import answers, records, waits
from jobs.eta.forecast import Seen
from jobs.exceptions import JobDefect
from jobs.execution import checkpoints
from jobs.lifecycle import Event, Status, Step
from jobs.models import Job
from jobs.secrets.masking import Mask
from jobs.transitions import Change
from rules.engine.context import Stash
from rules.engine.outcomes import Completed, Failed, HandedOver, StepOutcome, Waiting

_UNDONE: Final = {True: Event.ASKED_UNDONE, False: Event.UNDONE}
_UNDO_FAILED: Final = {True: Event.ASKED_UNDO_FAILED, False: Event.UNDO_FAILED}
"""What undoing leads to, by whether a person asked for it."""

_NO_RESULT: Final = "PRE and RUN came to no result; a rerun of POST can say which one it is to go by."


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step ended.

    Attributes:
        outcome: What the engine said.
        stash: The stash it left; ``None`` keeps the old one.
        go_on: Whether this runner may begin the next step.
        mask: Hides the job's secrets.
        seen: What is known of the attempt's operations; ``None`` when it has to be read.
    """

    outcome: StepOutcome
    stash: Stash | None
    go_on: bool
    mask: Mask
    seen: Mapping[str, Seen] | None = None


def is_undone(job: Job) -> bool:
    """Return whether what the job did is being undone."""
    return Status(job.status) is Status.ROLLBACK


def greeting(job: Job) -> str:
    """Return the first line of a step's log."""
    if is_undone(job):
        return f"What the job did is being undone on {job.claimed_by}."
    return f"{job.step} runs on {job.claimed_by}."


def farewell(job: Job, outcome: StepOutcome) -> tuple[str, str]:
    """Return level and text of the last line of a step's log."""
    step = "Undoing" if is_undone(job) else job.step
    match outcome:
        case Failed(message=message):
            return "error", f"{step} failed: {message}"
        case HandedOver():
            return "info", f"The worker was told to stop; another one goes on with {step} from here."
        case Waiting(kind="semaphore"):
            return "info", f"{step} waits for a slot of the semaphore {outcome.details['name']}."
        case Waiting(kind="approval"):
            return "info", f"{step} waits for approval."
        case Waiting():
            return "warning", f"{step} is trapped; somebody has to say how it goes on."
    return "info", f"{step} completed."


def change(job: Job, ending: Ending) -> Change:
    """Return what happens to a locked job whose step, or whose undoing, ended."""
    outcome, moment, mask = ending.outcome, job.clock, ending.mask
    # Whoever goes on after a wait walks the step from its beginning.
    keeps = ending.stash is None or isinstance(outcome, Waiting)
    fields: dict[str, Any] = {} if keeps else {"stash": stash_of(ending)}
    match outcome:
        case Completed():
            event = _UNDONE[job.rollback_asked] if is_undone(job) else Event.STEP_OK
            no_result = Step(job.step) is Step.POST and job.outcome is None
            reason = _NO_RESULT if no_result else ""
            return Change(event, moment, reason=reason, fields=fields, seen=ending.seen)
        case Failed(message=message):
            reason = checkpoints.clean(mask.text(message))
            before = f"{job.reason} Undoing failed: " if is_undone(job) else ""
            return Change(_failure(job), moment, reason=before + reason, fields=fields)
        case Waiting(kind=kind, details=details):
            reason = checkpoints.clean(mask.text(str(details.get("error", ""))))
            return Change(waits.EVENTS[kind], moment, reason=reason)
    raise JobDefect(f"The engine answered {type(outcome).__name__}, which the runner does not know.")


def stash_of(ending: Ending) -> dict[str, Any]:
    """Return the stash that a step left, as it can be stored."""
    if ending.stash is None:
        return {}
    found: dict[str, Any] = checkpoints.storable(ending.stash.masked(ending.mask.value).to_data())
    return found


def _failure(job: Job) -> Event:
    if is_undone(job):
        return _UNDO_FAILED[job.rollback_asked]
    has_undoable = records.has_undoable(job, answers.DEPLOYING)
    return answers.failure_of(Step(job.step), has_undoable=has_undoable)
