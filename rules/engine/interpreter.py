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

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from rules import durations
from rules.engine import arguments
from rules.engine.call import Call, Deadline
from rules.engine.context import Scope, Stash
from rules.engine.frames import Frame, attempt_key, failure_of, timed_out
from rules.engine.host import Host, Level
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


class Walker:
    """Walks operations for one runner. Composite operations of the palette call back into it."""

    def __init__(
        self, host: Host, registry: Registry = default_registry, limit: Deadline | None = None
    ) -> None:
        """Begin.

        Args:
            host: Who runs it.
            registry: The operations there are.
            limit: When the step must be over whatever happens, for CHECK and INIT, whose asker waits.
        """
        self.host = host
        self._registry = registry
        self._limit = limit
        self._done: set[str] = set()
        self._replaying: list[Frame] = []

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
        elif record.status in ENDED and (is_leaf or record.status is RecordStatus.SKIPPED):
            self._replay(node, path, scope, record)
            return
        elif is_leaf:
            self._check_may_begin()
        self._tries(Frame(node, path, scope, record), outer)

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
        if node.is_leaf:
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
            self._give_up(frame, OperationFailed(f"when: {error}", path=frame.path))
            return True
        if not wanted:
            self._finish(
                frame, replace(frame.record, status=RecordStatus.SKIPPED, finished_at=self.host.now())
            )
        return not wanted

    def _tries(self, frame: Frame, outer: Deadline | None) -> None:
        """Try an operation as often as its ``retry`` says, then let ``on_error`` decide."""
        retry = frame.node.options.retry
        attempts = retry.attempts if retry else 1
        is_leaf = self._registry[frame.node.key].walk is None
        while True:
            frame = self._with_name_and_deadline(frame, outer)
            try:
                if not (is_leaf and "failed" in frame.decisions):
                    frame = self._once(frame)
                    return
                failure = OperationFailed(str(frame.decisions["failed"]), path=frame.path)
            except OperationFailed as error:
                failure = error
            frame = self._latest(frame)
            if isinstance(failure, TimedOut) and failure.owner != frame.path:
                self._record_failure(frame, failure, RecordStatus.FAILED)
                raise failure
            known = "failed" in frame.decisions
            if not known and "timed_out" in frame.record.memo:
                raise failure_of(frame.record, frame.path)
            if not known and (frame.record.status in ENDED or frame.attempt >= attempts):
                self._give_up(frame, failure)
                return
            frame = self._next_try(frame, failure, retry.pause if retry else timedelta(0), outer)

    def _latest(self, frame: Frame) -> Frame:
        """Return ``frame`` with what was recorded of its operation meanwhile."""
        return replace(frame, record=self.host.recorded(frame.path) or frame.record)

    def _with_name_and_deadline(self, frame: Frame, outer: Deadline | None) -> Frame:
        """Return the frame of a try with its rendered name and its nearest time limit, counted from its own beginning."""
        name = frame.node.options.name or ""
        try:
            name = arguments.text(name, frame.scope.names()) if name else ""
        except arguments.ArgumentError:
            # Only a label: what it wants to show may come into being within the operation, or never.
            name = name.strip()
        limit = frame.node.options.timeout
        if limit is None:
            return replace(frame, name=name, deadline=outer)
        own = Deadline((frame.began_at or self.host.now()) + limit, frame.path, durations.text(limit))
        return replace(frame, name=name, deadline=own if outer is None or own.at <= outer.at else outer)

    def _next_try(
        self, frame: Frame, failure: OperationFailed, pause: timedelta, outer: Deadline | None
    ) -> Frame:
        """Note a failed try, pause, and return the frame of the next one; each try gets its whole time limit.

        Raises:
            TimedOut: The time limit around the operation ran out in the pause.
        """
        if "failed" not in frame.decisions:
            self.host.log(frame.path, frame.node, "warning", f"Try {frame.attempt} failed: {failure.message}")
            frame = self.remember(frame, failed=failure.message, failed_at=self.host.now().isoformat())
        following = replace(frame, attempt=frame.attempt + 1)
        if following.record.status in ENDED or "began" in following.decisions:
            return following
        until = datetime.fromisoformat(frame.decisions["failed_at"]) + pause
        try:
            self._sleep_until(until, outer)
        except TimedOut as over:
            self._record_failure(following, over, RecordStatus.FAILED)
            raise
        return self.remember(following, began=self.host.now().isoformat())

    def _sleep_until(self, until: datetime, outer: Deadline | None) -> None:
        wakes = until if outer is None else min(until, outer.at)
        while (left := (wakes - self.host.now()) / _SECOND) > 0:
            if not self.host.wait(left):
                self.host.check()
        if outer is not None and self.host.now() >= outer.at:
            raise timed_out(outer)

    def _once(self, frame: Frame) -> Frame:
        """Make one try, or replay it."""
        operation_type = self._registry[frame.node.key]
        if operation_type.walk is None:
            self._check_time(frame)
            self._complete(frame, self._execute(frame, operation_type))
            return frame
        if self.host.recorded(frame.path) is None:
            self._check_time(frame)
            self.host.begin(frame.path, frame.node, frame.name, frame.record, durable=False)
        if frame.only_replays:
            self._replaying.append(frame)
        try:
            operation_type.walk(self, frame)
        finally:
            if frame.only_replays:
                self._replaying.pop()
        if frame.failed_before is not None:
            raise failure_of(frame.record, frame.path, frame.failed_before)
        self._complete(self._latest(frame), None)
        return frame

    def _check_time(self, frame: Frame) -> None:
        if frame.deadline is not None and self.host.now() >= frame.deadline.at:
            raise timed_out(frame.deadline)

    def _execute(self, frame: Frame, operation_type: OperationType) -> Any:
        names = frame.scope.names()
        self.host.begin(frame.path, frame.node, frame.name, frame.record, durable=not operation_type.pure)
        try:
            rendered = arguments.render(operation_type, frame.node.arguments, names)
        except arguments.ArgumentError as error:
            raise OperationFailed(str(error), path=frame.path) from error
        started_at = frame.began_at or self.host.now()
        call = Call(rendered, names, frame.path, frame.node, self.host, started_at, frame.deadline)
        assert operation_type.execute is not None
        try:
            return operation_type.execute(call)
        except OSError as error:
            # A full disk, a file where a folder should be: the world's fault, so the rule may deal with it.
            said = error.strerror or str(error)
            raise OperationFailed(
                f"{said}: {error.filename}" if error.filename else said, path=frame.path
            ) from error

    def _complete(self, frame: Frame, value: Any) -> None:
        self._keep(frame.node, frame.scope, value)
        if frame.record.status not in ENDED:
            now = self.host.now()
            self._finish(
                frame, replace(frame.record, status=RecordStatus.COMPLETED, value=value, finished_at=now)
            )

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
            level: Level = "warning" if status is RecordStatus.IGNORED else "error"
            self.host.log(frame.path, frame.node, level, failure.message)
        memo = dict(frame.record.memo)
        if isinstance(failure, TimedOut) and failure.owner != frame.path:
            memo["timed_out"] = failure.owner
        record = replace(
            frame.record,
            status=status,
            value=failure.value,
            memo=memo,
            error=failure.message,
            finished_at=self.host.now(),
        )
        self._finish(frame, record)

    def _finish(self, frame: Frame, record: Record) -> None:
        if frame.node.is_leaf and record.status in DONE:
            self._done.add(static_path(frame.path))
        self.host.finish(frame.path, frame.node, frame.name, record, done=len(self._done))

    def _keep(self, node: RuleNode, scope: Scope, value: Any) -> None:
        """Let the stash know what an operation answered."""
        if self._registry[node.key].sets_variables and isinstance(value, Mapping):
            scope.stash.variables.update(value)
        if node.options.save_as is not None:
            scope.stash.results[node.options.save_as] = value


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
