"""The operations of one attempt as the dashboard draws them: an indented list with bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from jobs import timeline
from jobs.choices import OperationStatus
from jobs.lifecycle import ENDED, Status, Step
from jobs.models import Job
from jobs.wording import translated

_ICONS: Final = {
    "pending": "i-pending", "running": "i-running", "completed": "i-done", "skipped": "i-skipped",
    "ignored": "i-warning", "failed": "i-failed", "waiting": "i-waiting",
}  # fmt: skip
_NOT_RUN: Final = pgettext_lazy("operation", "Not run")
_WIDTH: Final = 100.0


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    Attributes:
        path: Where it stands in the rule; with turns, in the run.
        id: The operation's id, by which the log is filtered.
        name: For people.
        key: Palette key.
        turn: Which turn of its loop this is, ``3``; empty outside of loops.
        error: Why it failed.
        depth: How deep it is nested, from 0.
        status: Value of ``OperationStatus``.
        started_at: When it began.
        seconds: How long it took, or takes so far.
        usual_seconds: How long it usually takes.
        longest: The longest of all durations drawn together, in seconds.
        is_over: Whether nothing more begins in its step.
        ran_in: The attempt whose result is reused here, ``None`` when it ran in this one.
        is_undone: Whether its rollback was run.
        branch: Which branch of a ``parallel`` begins with it, counted from 1; empty elsewhere.
    """

    path: str
    id: str
    name: str
    key: str
    turn: str
    error: str
    depth: int
    status: str
    started_at: datetime | None
    seconds: float | None
    usual_seconds: float | None
    longest: float
    is_over: bool = False
    ran_in: int | None = None
    is_undone: bool = False
    branch: str = ""

    @property
    def is_undoing(self) -> bool:
        """Whether it belongs to the rollback of the operation above it."""
        return "/rollback/" in self.path

    @property
    def icon(self) -> str:
        """The icon's id in the sprite."""
        return _ICONS[self.status]

    @property
    def label(self) -> str | Promise:
        """Its status in words."""
        if self.is_over and self.status == OperationStatus.PENDING:
            return _NOT_RUN
        return OperationStatus(self.status).label

    @property
    def indent(self) -> str:
        """The class that moves it to the right."""
        return f"depth-{min(self.depth, 6)}"

    @property
    def bar(self) -> str:
        """Width of its bar, of 100."""
        return self._share(self.seconds)

    @property
    def usual_mark(self) -> str:
        """Place of the mark of the usual duration, of 100."""
        return self._share(self.usual_seconds)

    def _share(self, seconds: float | None) -> str:
        share = min(1.0, (seconds or 0) / self.longest) if self.longest > 0 else 0.0
        return f"{max(1.5 if seconds else 0.0, share * _WIDTH):.1f}"


@dataclass(frozen=True, slots=True)
class StepGroup:
    """The operations of one step."""

    step: str
    rows: list[Row]


def by_step(job: Job, attempt: int, now: datetime) -> list[StepGroup]:
    """Return the operations of an attempt under their steps; steps without any are left out."""
    found = timeline.operations(job, attempt)
    took = {operation.path: _seconds(operation, now) for operation in found}
    longest = max((max(took[each.path] or 0.0, each.usual_seconds or 0.0) for each in found), default=0.0)
    groups: dict[str, StepGroup] = {}
    for operation in found:
        row = Row(
            path=operation.path,
            id=operation.identifier,
            name=operation.name,
            key=operation.key,
            turn=_turn(operation.path),
            error=translated(operation.error),
            depth=operation.depth,
            status=operation.status,
            started_at=operation.started_at,
            seconds=took[operation.path],
            usual_seconds=operation.usual_seconds,
            longest=longest,
            is_over=_is_over(job, operation.step),
            ran_in=operation.ran_in,
            is_undone=operation.is_undone,
            branch=_branch(operation.path),
        )
        groups.setdefault(operation.step, StepGroup(operation.step, [])).rows.append(row)
    return list(groups.values())


def log_address(job: Job, attempt: int, identifier: str) -> str:
    """Return the address of the lines that an operation wrote."""
    query = urlencode({"attempt": attempt, "operation": identifier})
    return f"{reverse('monitor:log', args=[job.pk])}?{query}"


def _is_over(job: Job, step: str) -> bool:
    """Return whether nothing more begins in ``step``: the job has ended, or has gone on to a later step."""
    order = list(Step)
    return Status(job.status) in ENDED or order.index(Step(step)) < order.index(Step(job.step))


def _seconds(operation: timeline.Operation, now: datetime) -> float | None:
    """Return how long an operation took; of one that runs, how long so far, in whole seconds."""
    if (
        operation.seconds is not None
        or operation.started_at is None
        or operation.status != OperationStatus.RUNNING
    ):
        return operation.seconds
    return float(int(max(0.0, (now - operation.started_at).total_seconds())))


def _turn(path: str) -> str:
    """Return the number of the innermost loop turn, counted from 1, when the operation stands directly in a loop."""
    block = path.rsplit("/", 2)[-2] if path.count("/") > 1 else ""
    number = block.partition("[")[2].rstrip("]")
    return str(int(number) + 1) if number.isdecimal() else ""


def _branch(path: str) -> str:
    """Return the number of the branch of a ``parallel`` that an operation is, counted from 1."""
    _, _, rest = path.rpartition("/parallel/")
    return str(int(rest) + 1) if rest.isdecimal() and "/parallel/" in path else ""
