"""How a job stands for one reader: what they may do with it, what it waits for, and what an action would touch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from jobs import records, waits
from jobs.actions import base, rollback
from jobs.choices import StepChoice
from jobs.models import Approval, Job, OperationRun, Trap
from permissions.models import User

MOST_OFFERED: Final = 500
"""So many operations are offered to begin with; a loop may have run thousands."""

_SHOWN: Final = ("attempt", "path", "identifier", "name", "key", "step", "status")
_SEGMENT: Final = re.compile(r"(?P<name>[^\[\]]*)(?:\[(?P<number>\d+)\])?")
_BLOCKS: Final = ("try", "catch", "finally")


@dataclass
class Situation:
    """A job at a moment, as a reader may know it. Everything is read once, when it is first asked for."""

    job: Job
    user: User
    now: datetime

    @cached_property
    def refusals(self) -> dict[str, Exception | None]:
        """Why the reader may not do each action, ``None`` for what they may."""
        return base.refusals_of_all(self.job, self.user, now=self.now)

    @property
    def available(self) -> list[str]:
        """The keys of what the reader may do to move the job on."""
        offered = base.actions()
        return [key for key, refusal in self.refusals.items() if refusal is None and key in offered]

    @cached_property
    def trap(self) -> Trap | None:
        """The trap that the job is in."""
        return waits.open_trap(self.job)

    @cached_property
    def approval(self) -> Approval | None:
        """The approval that the job waits for, or will wait for again once it is rescheduled."""
        return waits.open_approval(self.job)

    @cached_property
    def undoable(self) -> list[OperationRun]:
        """What a rollback would undo, in the order in which it would: the last one first."""
        runs = OperationRun.objects.filter(records.UNDOABLE, job=self.job, attempt=self.job.attempt)
        return sorted(runs.only(*_SHOWN), key=lambda run: undo_order(run.path))

    @cached_property
    def later_jobs(self) -> list[Job]:
        """Jobs that stand on what this one did."""
        return rollback.later_jobs(self.job)

    @cached_property
    def reached(self) -> list[OperationRun]:
        """The operations that the present attempt has come to on its way forward."""
        runs = OperationRun.objects.filter(job=self.job, attempt=self.job.attempt)
        forward = runs.exclude(path__contains="/rollback/").order_by("id")
        return list(forward.only(*_SHOWN)[:MOST_OFFERED])


def undo_order(path: str) -> list[tuple[int, int]]:
    """Return what sorts operations as they are undone: later ones first, and what holds others before these.

    ``RUN/1`` before ``RUN/0``, ``RUN/0`` before ``RUN/0/group/1``, the third turn of a loop before the second.
    """
    step, *rest = path.split("/")
    key = [(-StepChoice.values.index(step), 0)]
    for segment in rest:
        found = _SEGMENT.fullmatch(segment)
        assert found is not None
        name, number = found["name"], int(found["number"] or 0)
        if name.isdecimal():
            key.append((-int(name), 0))
        else:
            key.append((-_BLOCKS.index(name) if name in _BLOCKS else 0, -number))
    return key
