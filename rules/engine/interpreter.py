"""The interpreter: walks the tree of a step from its top, with what was recorded before, and does what was not yet done.

There is no saved stack. Every operation has a path that stays the same however often the tree is walked; what it
answered and what it decided (branch, items of a loop, tries) is recorded once under that path. A process that takes
a job up walks from the top: recorded operations only replay their answer into the stash, the first one without a
record is where the work goes on. So nesting of any depth, hand-overs, traps on groups and reruns from an operation
need the same mechanism and no other.

What failed is walked as well: a retried group replays its failed tries in their order, because what they set is
still set. Below a try that is known to have failed nothing is executed: where the records end is where it failed.

Pure: everything outside is asked of the ``Host``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from rules.engine import arguments, waits
from rules.engine.call import Deadline
from rules.engine.context import Scope, Stash
from rules.engine.frames import Frame, attempt_key, failure_of
from rules.engine.host import Host
from rules.engine.outcomes import (
    ENDED,
    Completed,
    Failed,
    HandedOver,
    Interrupted,
    OperationFailed,
    Record,
    RecordStatus,
    StepOutcome,
    Suspended,
    TimedOut,
    Waiting,
)
from rules.engine.registry import OperationType, Registry
from rules.engine.registry import registry as default_registry
from rules.engine.trying import Trier
from rules.tree import RuleNode, RuleTree, child_path, static_path

_SLOT_PAUSE: Final = timedelta(seconds=0.3)
"""How often a branch that waits in place asks again for its slot."""


class Walker(Trier):
    """Walks operations for one runner. Composite operations of the palette call back into it."""

    def __init__(
        self,
        host: Host,
        registry: Registry = default_registry,
        limit: Deadline | None = None,
        *,
        in_place: bool = False,
        counts: bool = True,
    ) -> None:
        """Begin.

        Args:
            host: Who runs it.
            registry: The operations there are.
            limit: When the step must be over whatever happens, for CHECK and INIT, whose asker waits.
            in_place: Whether a missing slot is waited for here instead of making the job wait.
            counts: Whether what is done counts for the progress of the job; undoing does not.
        """
        super().__init__(host, registry, counts=counts)
        self._limit = limit
        self._in_place = in_place

    def fork(self, host: Host) -> Walker:
        """Return a walker for one branch of a ``parallel``, which another thread walks.

        Args:
            host: The branch's own.
        """
        forked = Walker(host, self._registry, self._limit, in_place=True, counts=self._counts)
        forked._done = self._done
        forked._replaying = list(self._replaying)
        return forked

    def block(
        self,
        frame: Frame,
        block: str,
        *,
        turn: int | None = None,
        scope: Scope | None = None,
        deadline: bool = True,
    ) -> None:
        """Walk the operations of a block one after the other.

        Args:
            frame: The holding operation.
            block: Path segment of the block; an absent one is empty.
            turn: Loop turn from 0, ``None`` outside loops.
            scope: Names inside, those of ``frame`` when left out.
            deadline: Whether the time limit of ``frame`` holds inside; that of the whole step always does.

        Raises:
            OperationFailed: One of them failed.
        """
        for index, node in enumerate(frame.node.blocks.get(block, ())):
            path = child_path(frame.base, block, index, turn)
            self.operation(node, path, scope or frame.scope, frame.deadline if deadline else self._limit)

    def remember(self, frame: Frame, **decisions: Any) -> Frame:
        """Record decisions of this try, so that they are taken the same way when the tree is walked again."""
        if frame.only_replays:
            return frame
        mine = {**frame.decisions, **decisions}
        memo = mine if frame.attempt == 1 else {**frame.record.memo, attempt_key(frame.attempt): mine}
        record = replace(frame.record, memo=memo)
        self.host.begin(frame.path, frame.node, frame.name, record, durable=False)
        return replace(frame, record=record)

    def inside(self, operation_type: OperationType, frame: Frame) -> None:
        """Walk what a composite operation holds."""
        assert operation_type.walk is not None
        operation_type.walk(self, frame)

    def operation(self, node: RuleNode, path: str, scope: Scope, outer: Deadline | None) -> None:
        """Walk one operation: replay what is recorded of it, do what is left of it.

        Raises:
            OperationFailed: It failed, and its ``on_error`` does not say to go on.
            Interrupted: The worker was told to stop before it began.
            Suspended: It makes the job wait.
        """
        record = self.host.recorded(path)
        is_leaf = self._registry[node.key].walk is None
        if record is None:
            self._check_may_begin()
            record = Record(RecordStatus.RUNNING, started_at=self.host.now())
            if self._skipped(Frame(node, path, scope, record)):
                return
        elif record.status in ENDED and (is_leaf or _was_left_out(record)):
            self._replay(node, path, scope, record)
            return
        elif is_leaf or record.status is RecordStatus.WAITING:
            self._check_may_begin()
        frame = Frame(node, path, scope, self._resumed(path, record))
        if frame.record.memo.get(waits.UNJUDGED) and frame.record.status not in ENDED:
            if self._skipped(frame):
                return
            frame = replace(frame, record=waits.judged(frame.record))
        if node.options.semaphore is None or frame.only_replays:
            self._tries(frame, outer)
        else:
            self._with_slot(frame, node.options.semaphore, outer)

    def _resumed(self, path: str, record: Record) -> Record:
        """Return the record of an operation whose wait may be over.

        Raises:
            Suspended: It still waits for somebody's answer.
        """
        found = waits.waiting_of(record, path)
        if found is None:
            return record
        if found.kind != "semaphore":
            raise Suspended(found)
        return waits.going_on(record, self.host.now())

    def _begin_after_wait(self, frame: Frame) -> None:
        """Record that an operation that waited for a slot goes on."""
        recorded = self.host.recorded(frame.path)
        if recorded is not None and recorded.status is RecordStatus.WAITING:
            self.host.begin(frame.path, frame.node, frame.name, frame.record, durable=False)

    def _with_slot(self, frame: Frame, written: str, outer: Deadline | None) -> None:
        """Walk an operation while it holds a slot of its semaphore.

        Raises:
            Suspended: No slot is free; the job waits for one.
        """
        try:
            name = arguments.text(written, frame.scope.names()).strip()
            granted = self.host.acquire(frame.path, name)
            if not granted and self._in_place:
                frame = self._granted_in_place(frame, name, outer)
                granted = True
        except arguments.ArgumentError as error:
            self._give_up(frame, OperationFailed(f"semaphore: {error}", path=frame.path))
            return
        except TimedOut as over:
            self._record_failure(frame, over, RecordStatus.FAILED)
            raise
        except OperationFailed as failure:
            self._give_up(frame, failure)
            return
        if not granted:
            raise self._suspend(frame, Waiting("semaphore", frame.path, {"name": name}))
        self._begin_after_wait(frame)
        try:
            self._tries(frame, outer)
        except OperationFailed:
            self.host.release(frame.path)
            raise
        # Not when the job is handed over, which keeps its slots, nor when it waits for a person: then all go at once.
        self.host.release(frame.path)

    def _granted_in_place(self, frame: Frame, name: str, outer: Deadline | None) -> Frame:
        """Wait in a branch for a slot, and return what is known of the operation then: that wait was no work of its own.

        Raises:
            TimedOut: The time limit of what is around ran out.
        """
        asked = self.host.now()
        while True:
            self._sleep_until(self.host.now() + _SLOT_PAUSE, outer)
            if self.host.acquire(frame.path, name):
                stood = self.host.now() - asked
                tries = waits.current_try(frame.record)
                return replace(frame, record=waits.excused(frame.record, tries, stood))

    def _check_may_begin(self) -> None:
        """Do nothing when something new may be executed here.

        Raises:
            Interrupted: The worker was told to stop.
            TimedOut: This is below a try that is known to have failed: it failed right here.
        """
        if self._replaying:
            frame = self._replaying[-1]
            raise TimedOut(frame.failed_before or "It ended here.", owner=frame.path)
        self.host.check()

    def _replay(self, node: RuleNode, path: str, scope: Scope, record: Record) -> None:
        """Let the stash know what a leaf that has ended answered.

        Raises:
            OperationFailed: It failed.
        """
        if record.status is RecordStatus.FAILED:
            raise failure_of(record, path)
        if self._counts and node.is_leaf:
            self._done.add(static_path(path))
        self._keep(node, scope, record.value)

    def _skipped(self, frame: Frame) -> bool:
        """Record and return whether ``enabled`` or ``when`` leave the operation out."""
        options = frame.node.options
        if options.enabled and options.when is None:
            return False
        try:
            wanted = options.enabled and (
                options.when is None or arguments.condition(options.when, frame.scope.names())
            )
        except arguments.ArgumentError as error:
            unjudged = replace(frame.record, memo={**frame.record.memo, waits.UNJUDGED: True})
            self._give_up(replace(frame, record=unjudged), OperationFailed(f"when: {error}", path=frame.path))
            return True
        if not wanted:
            self._finish(
                frame, replace(frame.record, status=RecordStatus.SKIPPED, finished_at=self.host.now())
            )
        return not wanted


def _was_left_out(record: Record) -> bool:
    """Return whether ``when`` or ``enabled`` left an operation out, so that there is nothing in it to replay."""
    return record.status is RecordStatus.SKIPPED and waits.TRAPPED not in record.memo


def run_step(
    tree: RuleTree,
    step: str,
    host: Host,
    stash: Stash,
    *,
    registry: Registry = default_registry,
    deadline: Deadline | None = None,
) -> StepOutcome:
    """Walk the operations of one step.

    Args:
        tree: The linked rule.
        step: ``CHECK``, ``INIT``, ``PRE``, ``RUN`` or ``POST``.
        host: Who runs it.
        stash: Run variables as they were when the step began; changed in place.
        registry: The operations there are.
        deadline: When the step must be over, for CHECK and INIT, whose asker waits.

    Returns:
        How it ended. Errors of the host (a lost claim) pass through.
    """
    walker = Walker(host, registry, deadline)
    scope = Scope(host.names, stash)
    try:
        for index, node in enumerate(tree.operations(step)):
            walker.operation(node, f"{step}/{index}", scope, deadline)
    except OperationFailed as failure:
        return Failed(failure.message, failure.path)
    except Suspended as suspended:
        return suspended.waiting
    except Interrupted:
        return HandedOver()
    return Completed()
