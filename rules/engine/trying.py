"""Trying one operation: its time limit, its retries, what is recorded of it, and what its failure means.

The half of the interpreter that looks at one operation; the other half, in ``interpreter``, walks the tree. Pure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from rules import durations
from rules.engine import arguments, waits
from rules.engine.call import Call, Deadline
from rules.engine.context import Scope
from rules.engine.frames import Frame, failure_of, timed_out
from rules.engine.host import Host, Level
from rules.engine.outcomes import (
    DONE,
    ENDED,
    OperationFailed,
    Record,
    RecordStatus,
    Suspended,
    TimedOut,
    Waiting,
)
from rules.engine.registry import OperationType, Registry
from rules.engine.skipping import skipped_within
from rules.tree import RuleNode, TrapPolicy, static_path

_SECOND: Final = timedelta(seconds=1)


class Trier(ABC):
    """Tries operations for one runner."""

    def __init__(self, host: Host, registry: Registry, *, counts: bool) -> None:
        """Begin.

        Args:
            host: Who runs it.
            registry: The operations there are.
            counts: Whether what is done counts for the progress of the job.
        """
        self.host = host
        self._registry = registry
        self._counts = counts
        self._done: set[str] = set()
        self._replaying: list[Frame] = []

    @property
    def is_replaying(self) -> bool:
        """Whether what is walked now is known to have failed, so that nothing is executed."""
        return bool(self._replaying)

    @abstractmethod
    def inside(self, operation_type: OperationType, frame: Frame) -> None:
        """Walk what a composite operation holds."""

    @abstractmethod
    def remember(self, frame: Frame, **decisions: Any) -> Frame:
        """Record decisions of this try, so that they are taken the same way when the tree is walked again."""

    def _tries(self, frame: Frame, outer: Deadline | None) -> None:
        """Try an operation as often as its ``retry`` says, then let ``on_error`` decide."""
        retry = frame.node.options.retry
        attempts = (retry.attempts if retry else 1) * (1 + int(frame.record.memo.get(waits.RETRIES, 0)))
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
        stood = timedelta(seconds=float(frame.decisions.get(waits.EXCUSED, 0.0)))
        own = Deadline((frame.began_at or self.host.now()) + limit + stood, frame.path, durations.text(limit))
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
            self.inside(operation_type, frame)
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
            return operation_type.masked(operation_type.execute(call), self.host.mask)
        except Suspended as suspended:
            raise self._suspend(frame, suspended.waiting) from None
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
        """Fail for good, wait for a person, or go on when the operation says that its failure does not matter."""
        options = frame.node.options
        if options.on_error == "trap" and frame.record.status not in ENDED:
            self._log_failure(frame, failure, "error")
            raise self._suspend(
                frame, Waiting("trap", frame.path, self._trap(frame, failure)), failure=failure
            )
        status = RecordStatus.IGNORED if options.on_error == "ignore" else RecordStatus.FAILED
        if frame.record.status is not RecordStatus.SKIPPED:
            self._record_failure(frame, failure, status)
            if status is RecordStatus.FAILED:
                raise OperationFailed(
                    failure.message, path=failure.path or frame.path, value=failure.value
                ) from failure
        elif self._counts:
            self._done.update(skipped_within(frame.node, frame.path, self.host.recorded))
        self._keep(frame.node, frame.scope, self.host.mask(failure.value))

    def _trap(self, frame: Frame, failure: OperationFailed) -> dict[str, Any]:
        """Return what whoever answers a trap wants to know."""
        policy = frame.node.options.trap or TrapPolicy()
        return {
            "error": self.host.mask(failure.message),
            "timeout_seconds": policy.timeout.total_seconds(),
            "on_timeout": policy.on_timeout,
            "max_retries": policy.max_retries,
        }

    def _record_failure(self, frame: Frame, failure: OperationFailed, status: RecordStatus) -> None:
        if frame.record.status in ENDED:
            return
        self._log_failure(frame, failure, "warning" if status is RecordStatus.IGNORED else "error")
        memo = dict(frame.record.memo)
        if isinstance(failure, TimedOut) and failure.owner != frame.path:
            memo["timed_out"] = failure.owner
        record = replace(
            frame.record,
            status=status,
            value=self.host.mask(failure.value),
            memo=memo,
            error=failure.message,
            finished_at=self.host.now(),
        )
        self._finish(frame, record)

    def _log_failure(self, frame: Frame, failure: OperationFailed, level: Level) -> None:
        if failure.path in {"", frame.path}:
            self.host.log(frame.path, frame.node, level, failure.message)

    def _finish(self, frame: Frame, record: Record) -> None:
        if self._counts and frame.node.is_leaf and record.status in DONE:
            self._done.add(static_path(frame.path))
        self.host.finish(frame.path, frame.node, frame.name, record, done=len(self._done))

    def _keep(self, node: RuleNode, scope: Scope, value: Any) -> None:
        """Let the stash know what an operation answered."""
        if self._registry[node.key].sets_variables and isinstance(value, Mapping):
            scope.stash.variables.update(value)
        if node.options.save_as is not None:
            scope.stash.results[node.options.save_as] = value

    def _suspend(self, frame: Frame, found: Waiting, *, failure: OperationFailed | None = None) -> Suspended:
        """Record that the job waits here, and return the signal that takes it out of the worker."""
        error, value = (failure.message, self.host.mask(failure.value)) if failure else ("", None)
        record = waits.waiting(frame.record, found, self.host.now(), error=error, value=value)
        self.host.begin(frame.path, frame.node, frame.name, record, durable=False)
        return Suspended(found)
