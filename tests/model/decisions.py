"""What people may do to a job, what refuses them, and what it does: section 5 and the rows of section 4 that are people's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tests.model.model import BEFORE_RUN, TRAPPED, Life
from tests.model.people import VIEW, Person

RIGHT_OF: Final = {
    "rerun": "restart",
    "reschedule": "restart",
    "run_now": "restart",
    "cancel": "cancel",
    "retry": "restart",
    "skip": "restart",
    "abort": "restart",
    "pause": "restart",
    "resume": "restart",
    "rollback": "restart",
    "delete": "delete",
    "comment": VIEW,
}
_STOPS: Final = {"cancel": "cancelled", "reject": "rejected"}
ACTIONS: Final = (*RIGHT_OF, "approve", "reject")


@dataclass(frozen=True)
class Asked:
    """What somebody asks for.

    Attributes:
        action: Its name.
        person: Who.
        params: As the action takes them.
        seen: The attempt and status the person saw, or nothing.
    """

    action: str
    person: Person
    params: Mapping[str, Any]
    seen: tuple[int, str] | None = None


class Refused(Exception):
    """The model refuses; ``codes`` are the answers that are right."""

    def __init__(self, *codes: str) -> None:
        super().__init__(" or ".join(codes))
        self.codes = codes


def available(life: Life, person: Person, now: datetime) -> set[str]:
    """Return the names of what a person may do now."""
    return {action for action in ACTIONS if refusal(life, person, action, now) is None}


def refusal(life: Life, person: Person, action: str, now: datetime) -> str | None:
    """Return why a person may not do something, whatever the parameters."""
    if life.is_deleted or VIEW not in person.rights:
        return "not_found"
    if action in {"approve", "reject"}:
        return _refusal_of_signature(life, person)
    if RIGHT_OF[action] not in person.rights:
        return "right_missing"
    if not _is_in_table(life, action, now):
        return "transition_not_allowed"
    if action == "retry" and life.trap is not None and not life.trap.has_retries_left:
        return "no_retries_left"
    return None


def _refusal_of_signature(life: Life, person: Person) -> str | None:
    if life.status != "pending_approval":
        return "transition_not_allowed"
    assert life.approval is not None
    wanted = life.approval.operation.approval
    assert wanted is not None
    if wanted.exclude_creator and person.name == life.creator:
        return "creator_excluded"
    if not person.is_named(wanted.approvers) and "approve_all" not in person.rights:
        return "right_missing"
    return "already_signed" if person.name in life.approval.signed_by else None


def _is_in_table(life: Life, action: str, now: datetime) -> bool:
    """Return whether the table has a row for it."""
    match action:
        case "rerun":
            return life.status not in {"running", "rollback", *TRAPPED}
        case "reschedule":
            return life.status in {"ready", "pending_approval", "expired"} and not life.run_begun
        case "run_now":
            waits = life.status == "ready" and life.step in BEFORE_RUN and not life.run_begun
            return waits and now <= life.max_start_at
        case "cancel":
            return life.is_active
        case "retry" | "skip" | "abort":
            return life.status in TRAPPED
        case "pause":
            return life.status == "trapped"
        case "resume":
            return life.status == "trap_paused"
        case "rollback":
            return not life.is_active and life.last_ran is not None
        case "delete":
            return not life.is_active
        case _:
            return action == "comment"


def decide(life: Life, asked: Asked, now: datetime) -> None:
    """Let somebody do something.

    Raises:
        Refused: It is refused, and nothing has changed.
    """
    refused = refusal(life, asked.person, asked.action, now)
    if refused == "not_found":
        raise Refused(refused)
    if asked.seen is not None and asked.seen != (life.attempt, life.status):
        raise Refused("job_changed")
    usable = _are_usable(life, asked, now)
    if refused is not None:
        # Parameters that can never be right may be told before what the table says of the job.
        early = () if usable or refused == "right_missing" else ("invalid",)
        raise Refused(refused, *early)
    if not usable:
        raise Refused("invalid")
    if asked.action == "rollback" and life.stands_below_a_later_job() and not asked.params["force"]:
        raise Refused("later_jobs")
    _perform(life, asked, now)


def _are_usable(life: Life, asked: Asked, now: datetime) -> bool:
    params = asked.params
    match asked.action:
        case "rerun":
            if params["step"] not in {"PRE", "RUN", "POST"}:
                return False
            if params.get("run_now") and params["step"] != "RUN":
                return False
            return params.get("outcome") is None or params["step"] == "POST"
        case "reschedule":
            max_start_at = _max_start_at(life, params)
            return max_start_at >= params["scheduled_at"] and max_start_at >= now
        case "reject":
            return bool(params["comment"].strip())
        case "comment":
            return bool(params["text"].strip())
        case "rollback":
            return not params["force"] or bool(params["comment"].strip())
        case _:
            return True


def _max_start_at(life: Life, params: Mapping[str, Any]) -> datetime:
    """Return the new date, which keeps its distance to the scheduled one unless it was given."""
    given: datetime | None = params.get("max_start_at")
    follows: datetime = params["scheduled_at"] + (life.max_start_at - life.scheduled_at)
    return given or follows


def _perform(life: Life, asked: Asked, now: datetime) -> None:
    params, action = asked.params, asked.action
    if action in {"retry", "skip", "abort"}:
        life.answer(action, now)
    elif action in {"pause", "resume"}:
        _stop_or_start_clock(life, now)
    elif action == "approve":
        life.sign(asked.person)
    elif action in _STOPS:
        life.stop(_STOPS[action], now)
    elif action in {"rerun", "rollback", "delete"}:
        _perform_on_the_whole(life, asked, now)
    elif action == "reschedule":
        life.plan(params["scheduled_at"], _max_start_at(life, params))
    elif action == "run_now":
        life.scheduled_at = now


def _perform_on_the_whole(life: Life, asked: Asked, now: datetime) -> None:
    params = asked.params
    if asked.action == "rerun":
        wants_now, outcome = bool(params.get("run_now")), params.get("outcome")
        life.begin_again(params["step"], now, run_now=wants_now, outcome=outcome)
    elif asked.action == "rollback":
        life.undo()
    else:
        life.is_deleted = True


def _stop_or_start_clock(life: Life, now: datetime) -> None:
    trap = life.trap
    assert trap is not None
    if trap.deadline is not None:
        left = max(trap.deadline - now, timedelta(0))
        life.status, trap.deadline, trap.remaining = "trap_paused", None, left
    else:
        assert trap.remaining is not None
        life.status, trap.deadline, trap.remaining = "trapped", now + trap.remaining, None
