"""Use-cases on a job: one class each, the same behind page, admin, API and command line.

An action locks the job, *then* asks whether it is refused, then performs. What may be done now and what is accepted are the same
question, asked of ``refusal`` in both cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

from django.db import transaction

from jobs import audit, selectors, transitions
from jobs.exceptions import InvalidInput, JobChanged, JobNotFound, TransitionNotAllowed
from jobs.lifecycle import ACTIVE, ENDED, Event, State, Status, Step, next_state
from jobs.log.writer import append_entry
from jobs.models import Job
from jobs.notifications import outbox
from jobs.plain_data import mistake_in_text
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import RightMissing
from permissions.models import User

MOST_COMMENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the asker saw; when the job is no longer so, nothing is done."""

    attempt: int
    status: str


@dataclass(frozen=True, slots=True)
class Asker:
    """A user and the rights that count for them in the job's environment."""

    user: User
    rights: frozenset[Right]


class JobAction:
    """One thing people do to a job.

    Attributes:
        key: Its name in the API, in ``actions`` and in the audit.
        right: The right it needs in the job's environment; an action that others may do as well overrides ``refusal``.
        event: What happens to the job, ``None`` when nothing does.
        comment_param: The parameter that says why, for the audit.
        asked_step: The step that the question "may it be done now?" is asked for, where the event needs one.
    """

    key: ClassVar[str]
    right: ClassVar[Right]
    event: ClassVar[Event | None]
    comment_param: ClassVar[str] = "comment"
    asked_step: ClassVar[Step | None] = None

    def refusal(self, job: Job, asker: Asker, *, now: datetime) -> Exception | None:
        """Return why ``asker`` may not do it to ``job`` as it is now, ``None`` when nothing speaks against it."""
        if self.right not in asker.rights:
            return RightMissing(self.right, job.environment.code)
        return self.refused_by_table(job)

    def refused_by_table(self, job: Job) -> Exception | None:
        """Return why the job cannot have it done as it is now, whoever asks."""
        if self.event is None:
            return None
        state = State(Step(job.step), Status(job.status))
        try:
            after = next_state(state, self.event, transitions.facts_of(job, self.asked_step))
        except TransitionNotAllowed:
            return self.not_allowed(job)
        becomes_active = after is not None and state.status in ENDED and after.status in ACTIVE
        return transitions.conflict_of(job) if becomes_active else None

    def not_allowed(self, job: Job) -> TransitionNotAllowed:
        """Return the table's refusal, with the name of what was asked for."""
        return TransitionNotAllowed(job.step, job.status, self.key, job.name)

    @transaction.atomic
    def execute(
        self, job_id: int, *, actor: audit.Actor, now: datetime, seen: Seen | None = None, **params: Any
    ) -> Job:
        """Do it, and leave one audit record.

        Raises:
            JobNotFound: There is no such job for the actor.
            JobChanged: The job is not as the actor saw it.
            RightMissing: The actor sees the job but may not do this.
            TransitionNotAllowed: The table refuses; nothing was changed.
        """
        # Before the lock: what is hidden must not be held up, nor answer later because somebody else holds it.
        selectors.require_visible(actor.user, job_id)
        job = transitions.lock(job_id)
        asker = Asker(actor.user, policy.rights_of(actor.user).on(job.environment_id))
        if Right.VIEW_MONITOR not in asker.rights:
            raise JobNotFound(job_id)
        if seen is not None and (seen.attempt, seen.status) != (job.attempt, job.status):
            raise JobChanged(job.name, job.attempt, job.status)
        refusal = self.refusal(job, asker, now=now)
        if refusal is not None:
            raise refusal
        before = job.status
        check_comment(params, self.comment_param)
        comment = str(params.get(self.comment_param, ""))
        with outbox.decided_by(actor.user.get_username(), comment):
            self.perform(job, actor=actor, now=now, **params)
        audit.record(actor, self.key, job, now=now, from_status=before, comment=comment)
        self.note(job, actor, comment, now)
        return job

    def note(self, job: Job, actor: audit.Actor, comment: str, now: datetime) -> None:
        """Say in the log of the job who did it."""
        username = actor.user.get_username()
        text = f"{username}: {self.key}" + (f" – {comment}" if comment else "")
        append_entry(job.pk, job.attempt, job.step, "info", text, username=username, at=now)

    def perform(self, job: Job, *, actor: audit.Actor, now: datetime, **params: Any) -> None:
        """Let it happen to the locked job."""
        raise NotImplementedError


def check_comment(params: Mapping[str, Any], field: str) -> None:
    """Do nothing when the comment can be kept.

    Raises:
        InvalidInput: It cannot.
    """
    text = str(params.get(field, ""))
    if len(text) > MOST_COMMENT:
        raise InvalidInput({field: [f"At most {MOST_COMMENT} characters."]})
    if mistake := mistake_in_text(text):
        raise InvalidInput({field: [mistake]})


ActionType = TypeVar("ActionType", bound=JobAction)
_ACTIONS: Final[dict[str, JobAction]] = {}
_APART: Final[dict[str, JobAction]] = {}


def register(action: type[ActionType]) -> type[ActionType]:
    """Add an action class to the registry."""
    _ACTIONS[action.key] = action()
    return action


def register_apart(action: type[ActionType]) -> type[ActionType]:
    """Add an action that does not move a job on, and so is none of those that are offered with it everywhere."""
    _APART[action.key] = action()
    return action


def actions() -> Mapping[str, JobAction]:
    """Return the registered actions by key."""
    return _ACTIONS


def every_action() -> Mapping[str, JobAction]:
    """Return all actions by key, also those apart."""
    return {**_ACTIONS, **_APART}


def refusals(job: Job, user: User, *, now: datetime) -> dict[str, Exception | None]:
    """Return why ``user`` may not do each action with ``job`` now, ``None`` for what would be accepted.

    Nothing is said about a job that the user may not see.
    """
    asker = Asker(user, policy.rights_of(user).on(job.environment_id))
    if Right.VIEW_MONITOR not in asker.rights:
        return {}
    return {key: action.refusal(job, asker, now=now) for key, action in _ACTIONS.items()}


def refusals_of_all(job: Job, user: User, *, now: datetime) -> dict[str, Exception | None]:
    """Return the same of every action, also of those apart."""
    found = refusals(job, user, now=now)
    if found:
        asker = Asker(user, policy.rights_of(user).on(job.environment_id))
        found |= {key: action.refusal(job, asker, now=now) for key, action in _APART.items()}
    return found


def available(job: Job, user: User, *, now: datetime) -> list[str]:
    """Return the keys of what ``user`` may do with ``job`` now: exactly what would be accepted."""
    return [key for key, refusal in refusals(job, user, now=now).items() if refusal is None]
