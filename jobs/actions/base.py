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

from jobs import audit, transitions
from jobs.exceptions import JobChanged, JobNotFound, TransitionNotAllowed
from jobs.lifecycle import Event, State, Status, Step, next_state
from jobs.models import Job
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import RightMissing
from permissions.models import User


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
        event: What happens to the job.
        asked_step: The step that the question "may it be done now?" is asked for, where the event needs one.
    """

    key: ClassVar[str]
    right: ClassVar[Right]
    event: ClassVar[Event]
    asked_step: ClassVar[Step | None] = None

    def refusal(self, job: Job, asker: Asker, *, now: datetime) -> Exception | None:
        """Return why ``asker`` may not do it to ``job`` as it is now, ``None`` when nothing speaks against it."""
        if self.right not in asker.rights:
            return RightMissing(self.right, job.environment.code)
        state = State(Step(job.step), Status(job.status))
        try:
            next_state(state, self.event, transitions.facts_of(job, self.asked_step))
        except TransitionNotAllowed as error:
            return TransitionNotAllowed(error.step, error.status, self.key, job.name)
        return None

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
        self.perform(job, actor=actor, now=now, **params)
        audit.record(
            actor, self.key, job, now=now, from_status=before, comment=str(params.get("comment", ""))
        )
        return job

    def perform(self, job: Job, *, actor: audit.Actor, now: datetime, **params: Any) -> None:
        """Let it happen to the locked job."""
        raise NotImplementedError


ActionType = TypeVar("ActionType", bound=JobAction)
_ACTIONS: Final[dict[str, JobAction]] = {}


def register(action: type[ActionType]) -> type[ActionType]:
    """Add an action class to the registry."""
    _ACTIONS[action.key] = action()
    return action


def actions() -> Mapping[str, JobAction]:
    """Return the registered actions by key."""
    return _ACTIONS


def available(job: Job, user: User, *, now: datetime) -> list[str]:
    """Return the keys of what ``user`` may do with ``job`` now: exactly what would be accepted."""
    asker = Asker(user, policy.rights_of(user).on(job.environment_id))
    return [key for key, action in _ACTIONS.items() if action.refusal(job, asker, now=now) is None]
