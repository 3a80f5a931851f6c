"""An action on several jobs, one after the other: the same behind the administration's list and the API.

Each job is done in a transaction of its own by the code of the single action: the same rights, the same refusals, one audit
record each. What is refused for one undoes nothing of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from jobs import selectors
from jobs.actions.base import Seen, every_action
from jobs.audit import Actor
from jobs.exceptions import JobError, JobNotFound
from jobs.lifecycle import RERUN_STEPS, Step
from jobs.models import Job
from permissions.exceptions import RightMissing

logger = logging.getLogger(__name__)

_REFUSALS: Final = (JobError, RightMissing)

Params = Callable[[Job], Mapping[str, Any]]
"""What the action takes for one job."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one job.

    Attributes:
        job_id: Its number.
        name: Its name; empty when the asker may not know of it.
        job: As it is after the action, or would be; as it was found when it is refused; ``None`` when there is none.
        error: Why it was refused; one that is neither a ``JobError`` nor a missing right is a defect, and is logged.
    """

    job_id: int
    name: str
    job: Job | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        key: Of the action.
        actor: Who asks, and from where.
        params: What the action takes for one job.
        seen: How the asker saw jobs, by number; the others are not compared.
        dry_run: Whether everything is taken back at once, so that only what would happen is said.
    """

    key: str
    actor: Actor
    params: Params
    seen: Mapping[int, Seen]
    dry_run: bool = False


def proposed_step(job: Job) -> str:
    """Return the step from which a rerun begins when nobody says one: where the job stands, or what ran last."""
    here = job.step in [step.value for step in RERUN_STEPS]
    return job.step if here else job.last_ran or Step.PRE.value


def carry_out(order: Order, job_ids: Sequence[int]) -> Iterator[Outcome]:
    """Do it to each job in turn, and yield what came of it.

    Raises:
        DatabaseError: The database is gone; what was done before stays done.
    """
    numbers = [number for number in job_ids if number <= selectors.LARGEST_ID]
    jobs = selectors.lean_jobs(order.actor.user).in_bulk(numbers)
    for job_id in job_ids:
        job = jobs.get(job_id)
        yield _one(order, job) if job is not None else Outcome(job_id, "", error=JobNotFound(job_id))


def _one(order: Order, job: Job) -> Outcome:
    try:
        return Outcome(job.pk, job.name, job=_execute(order, job))
    except JobNotFound as error:
        return Outcome(job.pk, job.name, job, error)
    except _REFUSALS as error:
        return Outcome(job.pk, job.name, job, error)
    except Exception as error:
        if isinstance(error, (DatabaseError, InterfaceError)) and not connection.is_usable():
            raise
        # A deadlock, a defect: this job's work was taken back, and the others do not suffer.
        logger.error("%s failed for job %s.", order.key, job.pk, exc_info=error)
        return Outcome(job.pk, job.name, job, error)


def _execute(order: Order, job: Job) -> Job:
    """Return the job as it is after the action; of a dry run, as it would be."""
    with transaction.atomic() if order.dry_run else nullcontext():
        after = every_action()[order.key].execute(
            job.pk,
            actor=order.actor,
            now=timezone.now(),
            seen=order.seen.get(job.pk),
            **order.params(job),
        )
        if order.dry_run:
            transaction.set_rollback(True)
    return after
