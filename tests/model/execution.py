"""How a step of a rule goes: which operations are executed, in which order, and where it stops.

Written from the product's sections 2 to 6, not from the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tests.model.rules import Operation, Rule


@dataclass(frozen=True)
class World:
    """What happens outside while a runner is at work.

    Attributes:
        failing: Probes that fail.
        dies_at: The probe in which the worker dies.
        drains_at: The probe in which the worker is told to stop.
    """

    failing: frozenset[str] = frozenset()
    dies_at: str | None = None
    drains_at: str | None = None


class Ending(Enum):
    """How the runner's work on a step, or on a rollback, ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    TRAPPED = "trapped"
    PENDING = "pending"
    HANDED_OVER = "handed over"
    DEAD = "dead"


class Result(Enum):
    """What became of an operation in this attempt."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    IGNORED = "ignored"
    FAILED = "failed"


_DONE: Final = {Result.COMPLETED, Result.SKIPPED, Result.IGNORED}


@dataclass
class Results:
    """What is recorded of an attempt, with what it reuses of earlier ones.

    Attributes:
        operations: By id, in the order in which they ended.
        undone: Operations whose rollback ran to its end.
        undoing: Probes of rollbacks that completed in this attempt.
        undo_failed: Operations whose rollback failed in this attempt.
    """

    operations: dict[str, Result] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    undoing: set[str] = field(default_factory=set)
    undo_failed: set[str] = field(default_factory=set)

    def forget(self, identifiers: Iterable[str]) -> None:
        """Drop what is known of operations that are to run again."""
        for identifier in identifiers:
            self.operations.pop(identifier, None)
            self.undone.discard(identifier)

    def new_attempt(self) -> None:
        """Begin a new attempt: only whole rollbacks stay done."""
        self.undoing, self.undo_failed = set(), set()

    def to_undo(self, rule: Rule) -> list[Operation]:
        """Return the operations of PRE and RUN that have to be undone, last first."""
        by_id = {operation.id: operation for operation in rule.operations("PRE", "RUN")}
        found = [
            by_id[identifier]
            for identifier, result in self.operations.items()
            if identifier in by_id and _leaves_a_trace(by_id[identifier], result)
        ]
        return [operation for operation in reversed(found) if operation.id not in self.undone]


def _leaves_a_trace(operation: Operation, result: Result) -> bool:
    if not operation.rollback:
        return False
    return result is Result.COMPLETED or (result is Result.FAILED and operation.undo_if_failed)


@dataclass
class Walk:
    """One runner's way through a step or a rollback.

    Attributes:
        rule: The rule.
        results: What was done before; changed in place.
        world: What happens meanwhile.
        executed: The probes that were executed, in their order.
        stopped_at: The operation at which the job waits.
    """

    rule: Rule
    results: Results
    world: World
    executed: list[str] = field(default_factory=list)
    stopped_at: Operation | None = None
    _is_told_to_stop: bool = False

    @property
    def is_told_to_stop(self) -> bool:
        """Whether the worker takes nothing more."""
        return self._is_told_to_stop

    def step(self, step: str) -> Ending:
        """Go through the operations of a step."""
        return self._block(self.rule.steps.get(step, ()))

    def _block(self, operations: Iterable[Operation]) -> Ending:
        for operation in operations:
            ending = self._operation(operation)
            if ending is not Ending.COMPLETED:
                return ending
        return Ending.COMPLETED

    def _operation(self, operation: Operation) -> Ending:
        if self.results.operations.get(operation.id) in _DONE:
            return Ending.COMPLETED
        if self._is_told_to_stop:
            return Ending.HANDED_OVER
        if operation.approval is not None:
            self.stopped_at = operation
            return Ending.PENDING
        ending = self._block(operation.members) if operation.members else self._probe(operation.id)
        if ending is Ending.FAILED:
            return self._failed(operation)
        if ending is Ending.COMPLETED:
            self.results.operations[operation.id] = Result.COMPLETED
        return ending

    def _failed(self, operation: Operation) -> Ending:
        if operation.on_error == "ignore":
            self.results.operations[operation.id] = Result.IGNORED
            return Ending.COMPLETED
        if operation.on_error == "trap":
            self.stopped_at = operation
            return Ending.TRAPPED
        self.results.operations[operation.id] = Result.FAILED
        return Ending.FAILED

    def _probe(self, identifier: str) -> Ending:
        self.executed.append(identifier)
        if identifier == self.world.dies_at:
            return Ending.DEAD
        self._is_told_to_stop |= identifier == self.world.drains_at
        return Ending.FAILED if identifier in self.world.failing else Ending.COMPLETED

    def undo(self) -> Ending:
        """Undo what is to be undone, last first; one rollback that fails keeps no other from running."""
        for operation in self.results.to_undo(self.rule):
            if operation.id in self.results.undo_failed:
                continue
            ending = self._rollback(operation)
            if ending not in {Ending.COMPLETED, Ending.FAILED}:
                return ending
        return Ending.FAILED if self.results.undo_failed else Ending.COMPLETED

    def _rollback(self, operation: Operation) -> Ending:
        for probe in self._rollback_probes(operation):
            if self._is_told_to_stop:
                return Ending.HANDED_OVER
            ending = self._probe(probe)
            if ending is Ending.FAILED:
                self.results.undo_failed.add(operation.id)
            if ending is not Ending.COMPLETED:
                return ending
            self.results.undoing.add(probe)
        self.results.undone.add(operation.id)
        return Ending.COMPLETED

    def _rollback_probes(self, operation: Operation) -> Iterator[str]:
        return (probe for probe in operation.rollback if probe not in self.results.undoing)
