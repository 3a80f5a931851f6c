"""The rows of the timeline of a job's page: operations as an indented list, each with its line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from jobs.choices import OperationStatus
from jobs.monitor import times
from jobs.monitor.attempt_times import Waited

FOR_PEOPLE: Final = "approval"
"""Palette key of what waits for people: how long that takes says nothing about work."""

_ICONS: Final = {
    "pending": "i-pending", "running": "i-running", "completed": "i-done", "skipped": "i-skipped",
    "ignored": "i-warning", "failed": "i-failed", "waiting": "i-waiting",
}  # fmt: skip
_NOT_RUN: Final = pgettext_lazy("operation", "Not run")
_SLOW_TIMES: Final = 1.25
_SLOW_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a row's line: where it begins and how wide it is, of the line, as SVG takes it; ``12.50%``."""

    kind: str
    left: str
    width: str


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
        seconds: How long it worked, or works so far.
        waited: How long the job stood at it, in seconds; 0 when it never did.
        usual_seconds: How long it usually takes.
        usual_range: What eight of ten of its last runs took.
        bars: Where it worked and stood, on the scale of the attempt.
        usual_bar: How long it usually works, from its beginning on.
        is_over: Whether nothing more begins in its step.
        ran_in: The attempt whose result is reused here, ``None`` when it ran in this one.
        is_undone: Whether its rollback was run.
        branch: Which branch of a ``parallel`` begins with it, counted from 1; empty elsewhere.
        holds_others: Whether it is made of other operations.
        may_restart: Whether a rerun could begin with it.
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
    waited: float
    usual_seconds: float | None
    usual_range: tuple[float, float] | None
    bars: tuple[Bar, ...] = ()
    usual_bar: Bar | None = None
    is_over: bool = False
    ran_in: int | None = None
    is_undone: bool = False
    branch: str = ""
    holds_others: bool = False
    may_restart: bool = False

    is_hidden = False

    @property
    def is_undoing(self) -> bool:
        """Whether it belongs to the rollback of the operation above it."""
        return "/rollback/" in self.path

    @property
    def step(self) -> str:
        """Its step."""
        return self.path.partition("/")[0]

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
    def usual(self) -> str:
        """What it usually takes, in words; empty for what waits for people, and when nothing is known."""
        if self.usual_seconds is None or self.key == FOR_PEOPLE:
            return ""
        low, high = self.usual_range or (self.usual_seconds, self.usual_seconds)
        return times.exact_range(low, high)

    @property
    def is_slow(self) -> bool:
        """Whether it took clearly longer than it usually does."""
        if (
            self.seconds is None
            or self.usual_seconds is None
            or self.usual_range is None
            or self.key == FOR_PEOPLE
        ):
            return False
        return self.seconds > max(
            self.usual_range[1], self.usual_seconds * _SLOW_TIMES, self.usual_seconds + _SLOW_SECONDS
        )


@dataclass(frozen=True, slots=True)
class Hidden:
    """Operations that are left out here, and the query of the address that shows them."""

    count: int
    query: str

    is_hidden = True


@dataclass(frozen=True, slots=True)
class StepGroup:
    """The operations of one step.

    Attributes:
        step: ``RUN``.
        rows: In the order of the rule; what is left out stands there as one ``Hidden``.
        started_at: When the step began.
        seconds: How long it took, waits included; ``None`` until it has ended.
    """

    step: str
    rows: list[Row | Hidden]
    started_at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the scale: where it stands, of the line, and when it is."""

    left: str
    at: datetime
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The operations of an attempt as they are drawn.

    Attributes:
        groups: By step; steps without operations are left out.
        waits: What the attempt waited for, the first ``MOST_WAITS``.
        more_waits: How many more there are.
        bands: Where waits are folded on the scale, with the number of each.
        ticks: Moments that the scale names.
        step: The only step that is shown; empty for all.
        count: How many operations this step has.
        earlier: Query of the operations before those shown; empty when there are none.
        later: Query of the operations behind those shown; empty when there are none.
    """

    groups: list[StepGroup]
    waits: list[Waited]
    more_waits: int
    bands: list[tuple[Bar, int]]
    ticks: list[Tick]
    step: str = ""
    count: int = 0
    earlier: str = ""
    later: str = ""
