"""What a dry run says: steps, operations, their texts and why they run or not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rules.dry_run.values import Reason
from rules.tree import Position


class Status(StrEnum):
    """What becomes of an operation, as if each one before it succeeded."""

    RUNS = "runs"
    MAYBE = "maybe"
    SKIPPED = "skipped"
    FAILS = "fails"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Line:
    """An argument, option or condition.

    Attributes:
        label: Its key; empty when the operation has one argument only.
        text: Its value with everything filled in, or as written when that cannot be known yet.
        reason: Why it is as written.
        result: What an expression gives, where it can be known.
    """

    label: str
    text: str
    reason: Reason | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """Operations inside of another one.

    Attributes:
        name: As written: ``then``, ``do`` …
        operations: What it holds.
        turn: Turn of a loop from 1, ``None`` outside.
        item: The item of that turn as text.
        more: How many further turns are not shown.
        version: Of a called rule, the version that is pinned.
    """

    name: str
    operations: tuple[PlannedOperation, ...]
    turn: int | None = None
    item: str = ""
    more: int = 0
    version: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One operation as it would be.

    Attributes:
        path: Its path.
        key: Palette key.
        position: Where it stands in the source.
        rule: Slug of the called rule in whose source that is; empty for the rule at the top.
        status: What becomes of it.
        id: As written, or empty.
        name: Its rendered name, or empty.
        reasons: Why it is skipped, not reached, or not certain.
        error: Why it fails, in English as the job's log would say it.
        lines: Condition, arguments and options.
        waits: The job would wait for a person here.
        blocks: What it holds.
    """

    path: str
    key: str
    position: Position
    rule: str
    status: Status
    id: str = ""
    name: str = ""
    reasons: tuple[Reason, ...] = ()
    error: str = ""
    lines: tuple[Line, ...] = ()
    waits: bool = False
    blocks: tuple[PlannedBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step.

    Attributes:
        step: Its name.
        operations: Its operations.
        not_reached: Why it would not run at all.
        fails_at: Path of the operation that is certain to fail, or empty.
    """

    step: str
    operations: tuple[PlannedOperation, ...]
    not_reached: Reason | None = None
    fails_at: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole rule.

    Attributes:
        steps: Those that the rule fills.
        is_cut: There is more than can be shown.
    """

    steps: tuple[PlannedStep, ...]
    is_cut: bool = False

    def __iter__(self) -> Iterator[PlannedOperation]:
        """Iterate over all operations, outer ones first."""
        for step in self.steps:
            yield from _walk(step.operations)


def _walk(operations: tuple[PlannedOperation, ...]) -> Iterator[PlannedOperation]:
    for operation in operations:
        yield operation
        for block in operation.blocks:
            yield from _walk(block.operations)
