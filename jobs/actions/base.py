"""Use-cases on a job: one class each, the same behind page, admin, API and command line.

An action locks the job, *then* asks for the right, then lets the table decide; whoever calls only parses and renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

from django.db import transaction

from jobs import audit, transitions
from jobs.exceptions import JobNotFound, TransitionNotAllowed
from jobs.lifecycle import Event, Facts, State, Status, Step, next_state
from jobs.models import Job
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import EnvironmentHidden
from permissions.models import User


class JobAction:
    """One thing people do to a job.

    Attributes:
        key: Its name in the API, in ``actions`` and in the audit.
        right: The right it needs in the job's environment.
        event: What happens to the job.
    """

    key: ClassVar[str]
    right: ClassVar[Right]
    event: ClassVar[Event]

    def possible(self, state: State, facts: Facts) -> bool:
        """Return whether the table allows it now."""
        try:
            next_state(state, self.event, facts)
        except TransitionNotAllowed:
            return False
        return True

    @transaction.atomic
    def execute(self, job_id: int, *, actor: audit.Actor, now: datetime, **params: Any) -> Job:
        """Do it, and leave one audit record.

        Raises:
            JobNotFound: There is no such job for the actor.
            RightMissing: The actor sees the job but may not do this.
            TransitionNotAllowed: The table refuses; nothing was changed.
        """
        job = transitions.lock(job_id)
        try:
            policy.require(actor.user, self.right, job.environment)
        except EnvironmentHidden:
            raise JobNotFound(job_id) from None
        before = job.status
        self.perform(job, now=now, **params)
        audit.record(
            actor, self.key, job, now=now, from_status=before, comment=str(params.get("comment", ""))
        )
        return job

    def perform(self, job: Job, *, now: datetime, **params: Any) -> None:
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


def available(job: Job, user: User) -> list[str]:
    """Return the keys of what ``user`` may do with ``job`` now: the table and the user's rights, nothing else."""
    held = policy.rights_of(user).on(job.environment_id)
    state, facts = State(Step(job.step), Status(job.status)), transitions.facts_of(job, Step.PRE)
    return [key for key, action in _ACTIONS.items() if action.right in held and action.possible(state, facts)]
