"""The interpreter: walks the tree of a step from its top, with what was recorded before, and does what was not yet done.

There is no saved stack. Every operation has a path that stays the same however often the tree is walked; what
it answered and what it
decided (branch, items of a loop, tries) is recorded once under that path. A process that takes a job up walks
from the top: recorded
operations only replay their answer into the stash, the first one without a record is where the work goes on.
So nesting of any depth,
hand-overs, traps on groups and reruns from an operation need the same mechanism and no other.

Pure: everything outside is asked of the ``Host``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from rules import durations
from rules.engine import arguments
from rules.engine.call import Call, Deadline
from rules.engine.context import Scope, Stash
from rules.engine.host import Host
from rules.engine.outcomes import (
    DONE,
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
)
from rules.engine.registry import OperationType, Registry
from rules.engine.registry import registry as default_registry
from rules.tree import RuleNode, RuleTree, child_path, static_path

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Frame:
    """One operation on the way down: where it is, what it sees, until when, and what is known of it.

    Attributes:
        node: The operation as written.
        path: Its path.
        base: The path its children hang under: ``path``, or ``path/retry[n]`` from the second try on.
        scope: The names it sees.
        record: What is recorded of it.
        name: Its rendered name.
        deadline: The nearest time limit.
    """

    node: RuleNode
    path: str
    base: str
    scope: Scope
    record: Record
    name: str
    deadline: Deadline | None


class Walker:
    """Walks operations for one runner. Composite operations of the palette call back into it."""

    def __init__(self, host: Host, registry: Registry = default_registry) -> None:
        self.host = host
        self._registry = registry
        self._done: set[str] = set()
        self._memos: dict[str, Record] = {}

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
            deadline: Whether the time limit of ``frame`` holds inside.

        Raises:
            OperationFailed: One of them failed.
        """
        for index, node in enumerate(frame.node.blocks.get(block, ())):
            path = child_path(frame.base, block, index, turn)
            self.operation(node, path, scope or frame.scope, frame.deadline if deadline else None)

    def remember(self, frame: Frame, **memo: Any) -> Frame:
        """Record a decision of ``frame``'s operation, so that it is taken the same way when the tree is walked again."""
        record = replace(frame.record, memo={**frame.record.memo, **memo})
        self._memos[frame.path] = record
        self.host.begin(frame.path, frame.node, frame.name, record, durable=False)
        return replace(frame, record=record)

    def operation(self, node: RuleNode, path: str, scope: Scope, deadline: Deadline | None) -> None:
        """Walk one operation: replay it when it is done, otherwise do what is left of it.

        Raises:
            OperationFailed: It failed, and its ``on_error`` does not say to go on.
            Interrupted: The worker was told to stop before it began.
            Suspended: It makes the job wait.
        """
        record = self.host.recorded(path)
        operation_type = self._registry[node.key]
        if record is None:
            self.host.check()
            if self._skipped(node, path, scope):
                return
            record = Record(RecordStatus.RUNNING, started_at=self.host.now())
        elif operation_type.walk is None or record.status is RecordStatus.SKIPPED:
            if self._replayed(node, path, scope, record):
                return
            self.host.check()
        frame = self._frame(node, path, scope, record, deadline)
        self._attempt(frame, operation_type, outer=deadline)

    def _replayed(self, node: RuleNode, path: str, scope: Scope, record: Record) -> bool:
        """Apply the recorded answer of an operation that is done; ``False`` when it is not."""
        if record.status is RecordStatus.FAILED:
            raise OperationFailed(record.error, path=path, value=record.value)
        if record.status not in DONE:
            return False
        if node.is_leaf:
            self._done.add(static_path(path))
        self._keep(node, scope, record.value)
        return True

    def _skipped(self, node: RuleNode, path: str, scope: Scope) -> bool:
        options = node.options
        if options.enabled and options.when is None:
            return False
        try:
            wanted = options.enabled and (
                options.when is None or arguments.condition(options.when, scope.names())
            )
        except arguments.ArgumentError as error:
            raise self._not_begun(node, path, f"when: {error}") from error
        if not wanted:
            now = self.host.now()
            record = Record(RecordStatus.SKIPPED, started_at=now, finished_at=now)
            self._finish(node, path, node.options.name or "", record)
        return not wanted

    def _not_begun(self, node: RuleNode, path: str, message: str) -> OperationFailed:
        """Record that an operation failed before it could begin, and return the failure."""
        now = self.host.now()
        self._finish(
            node,
            path,
            node.options.name or "",
            Record(RecordStatus.FAILED, error=message, started_at=now, finished_at=now),
        )
        self.host.log(path, node, "error", message)
        return OperationFailed(message, path=path)

    def _frame(
        self, node: RuleNode, path: str, scope: Scope, record: Record, outer: Deadline | None
    ) -> Frame:
        try:
            name = arguments.text(node.options.name, scope.names()) if node.options.name else ""
        except arguments.ArgumentError as error:
            raise self._not_begun(node, path, f"name: {error}") from error
        return Frame(
            node, path, path, scope, record, name, self._deadline(node, path, record.started_at, outer)
        )

    def _deadline(
        self, node: RuleNode, path: str, started_at: datetime | None, outer: Deadline | None
    ) -> Deadline | None:
        """Return the nearer of the operation's own time limit and the one around it."""
        if node.options.timeout is None:
            return outer
        own = Deadline(
            (started_at or self.host.now()) + node.options.timeout, path, durations.text(node.options.timeout)
        )
        return own if outer is None or own.at <= outer.at else outer

    def _attempt(self, frame: Frame, operation_type: OperationType, *, outer: Deadline | None) -> None:
        """Try an operation as often as its ``retry`` says, then let ``on_error`` decide."""
        retry = frame.node.options.retry
        attempts = retry.attempts if retry else 1
        tries = int(frame.record.memo.get("tries", 0))
        while True:
            try:
                self._once(
                    frame if tries == 0 else replace(frame, base=f"{frame.path}/retry[{tries + 1}]"),
                    operation_type,
                )
                return
            except OperationFailed as failure:
                if isinstance(failure, TimedOut) and failure.owner != frame.path:
                    self._record_failure(frame, failure, RecordStatus.FAILED)
                    raise
                tries += 1
                if tries >= attempts or retry is None:
                    self._give_up(frame, failure)
                    return
                frame = self._again(frame, failure, tries, retry.pause, outer)

    def _again(
        self, frame: Frame, failure: OperationFailed, tries: int, pause: timedelta, outer: Deadline | None
    ) -> Frame:
        """Note a failed try, pause, and return the frame of the next one; each try gets its whole time limit."""
        self.host.log(frame.path, frame.node, "warning", f"Try {tries} failed: {failure.message}")
        frame = self.remember(frame, tries=tries)
        if pause and not self.host.wait(pause / _SECOND):
            self.host.check()
        now = self.host.now()
        if outer is not None and now >= outer.at:
            raise timed_out(outer)
        return replace(frame, deadline=self._deadline(frame.node, frame.path, now, outer))

    def _once(self, frame: Frame, operation_type: OperationType) -> None:
        over = frame.record.status in ENDED
        if not over and frame.deadline is not None and self.host.now() >= frame.deadline.at:
            raise timed_out(frame.deadline)
        if operation_type.walk is None:
            self._complete(frame, self._execute(frame, operation_type))
            return
        if not over:
            self.host.begin(frame.path, frame.node, frame.name, frame.record, durable=False)
        operation_type.walk(self, frame)
        if frame.record.status is RecordStatus.FAILED:
            raise OperationFailed(frame.record.error, path=frame.path)
        self._complete(frame, None)

    def _execute(self, frame: Frame, operation_type: OperationType) -> Any:
        names = frame.scope.names()
        self.host.begin(frame.path, frame.node, frame.name, frame.record, durable=not operation_type.pure)
        try:
            rendered = arguments.render(operation_type, frame.node.arguments, names)
        except arguments.ArgumentError as error:
            raise OperationFailed(str(error), path=frame.path) from error
        started_at = frame.record.started_at or self.host.now()
        call = Call(rendered, names, frame.path, frame.node, self.host, started_at, frame.deadline)
        assert operation_type.execute is not None
        return operation_type.execute(call)

    def _complete(self, frame: Frame, value: Any) -> None:
        self._keep(frame.node, frame.scope, value)
        if frame.record.status in ENDED:
            return
        memo = self._memos.get(frame.path, frame.record).memo
        record = replace(
            frame.record, status=RecordStatus.COMPLETED, value=value, memo=memo, finished_at=self.host.now()
        )
        self._finish(frame.node, frame.path, frame.name, record)

    def _give_up(self, frame: Frame, failure: OperationFailed) -> None:
        """Fail for good, or go on when the operation says that its failure does not matter."""
        ignored = frame.node.options.on_error == "ignore"
        self._record_failure(frame, failure, RecordStatus.IGNORED if ignored else RecordStatus.FAILED)
        if not ignored:
            raise OperationFailed(
                failure.message, path=failure.path or frame.path, value=failure.value
            ) from failure
        self._keep(frame.node, frame.scope, failure.value)

    def _record_failure(self, frame: Frame, failure: OperationFailed, status: RecordStatus) -> None:
        if frame.record.status in ENDED:
            return
        if failure.path in {"", frame.path}:
            self.host.log(
                frame.path,
                frame.node,
                "warning" if status is RecordStatus.IGNORED else "error",
                failure.message,
            )
        memo = self._memos.get(frame.path, frame.record).memo
        record = replace(
            frame.record,
            status=status,
            value=failure.value,
            memo=memo,
            error=failure.message,
            finished_at=self.host.now(),
        )
        self._finish(frame.node, frame.path, frame.name, record)

    def _finish(self, node: RuleNode, path: str, name: str, record: Record) -> None:
        if node.is_leaf and record.status in DONE:
            self._done.add(static_path(path))
        self.host.finish(path, node, name, record, done=len(self._done))

    def _keep(self, node: RuleNode, scope: Scope, value: Any) -> None:
        """Let the stash know what an operation answered."""
        if self._registry[node.key].sets_variables and isinstance(value, Mapping):
            scope.stash.variables.update(value)
        if node.options.save_as is not None:
            scope.stash.results[node.options.save_as] = value


def timed_out(deadline: Deadline) -> TimedOut:
    """Return the failure of whoever set ``deadline``."""
    return TimedOut(f"The time limit of {deadline.limit} ran out.", owner=deadline.owner)


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
    walker = Walker(host, registry)
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
