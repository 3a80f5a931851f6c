"""Undoing what a job did: the rollback of every operation that has one and was done, the last one first. Pure.

What was done is found as everything else is: by walking the tree over what is recorded, this time without executing
anything. So the operations of a rollback see the names that their operation saw, in whichever worker they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rules.engine import waits
from rules.engine.call import Deadline
from rules.engine.context import Scope, Stash
from rules.engine.host import Host, Level, Mailed, Stream
from rules.engine.interpreter import Walker
from rules.engine.outcomes import (
    Completed,
    Failed,
    HandedOver,
    Interrupted,
    OperationFailed,
    Record,
    RecordStatus,
    Suspended,
)
from rules.engine.registry import Registry
from rules.engine.registry import registry as default_registry
from rules.tree import RuleNode, RuleTree

BLOCK: Final = "rollback"
"""Path segment of the operations that undo another one."""

UNDONE: Final = "undone"
"""Place in the memo: the operation's rollback has been run to its end."""


def is_to_undo(node: RuleNode, record: Record) -> bool:
    """Return whether what an operation did, or may have begun to do, is still there and can be undone."""
    if not node.options.rollback or record.memo.get(UNDONE):
        return False
    if record.status is RecordStatus.COMPLETED:
        return True
    begun = record.status is not RecordStatus.SKIPPED or waits.TRAPPED in record.memo
    return node.options.rollback_if_failed and begun


@dataclass(frozen=True, slots=True)
class _Found:
    """An operation to undo, and the names it saw."""

    node: RuleNode
    path: str
    scope: Scope


def undo(
    tree: RuleTree,
    steps: Sequence[str],
    host: Host,
    stash: Stash,
    registry: Registry = default_registry,
) -> Completed | Failed | HandedOver:
    """Run the rollback of everything that the named steps did, the last one first.

    One that fails does not keep the others from running: the more is undone, the less is left for people to do.

    Args:
        tree: The linked rule.
        steps: In the order in which they ran.
        host: Who runs it; it knows the records of all these steps.
        stash: Run variables that the steps began with, or any later ones.
        registry: The operations there are.

    Returns:
        Completed, or how the first that failed did, or that the worker was told to stop.
    """
    walker = Walker(host, registry, in_place=True, counts=False)
    failures: list[OperationFailed] = []
    for found in reversed(_done(tree, steps, host, stash, registry)):
        try:
            _undo_one(walker, found)
        except OperationFailed as failure:
            failures.append(failure)
        except Interrupted:
            return HandedOver()
    if failures:
        return Failed(failures[0].message, failures[0].path)
    return Completed()


def _undo_one(walker: Walker, found: _Found) -> None:
    """Run the rollback of one operation and mark it as undone.

    Raises:
        OperationFailed: An operation of it failed.
        Interrupted: The worker was told to stop.
    """
    host = walker.host
    scope = replace(found.scope, fixed=host.names)
    for index, node in enumerate(found.node.options.rollback):
        walker.operation(node, f"{found.path}/{BLOCK}/{index}", scope, None)
    record = host.recorded(found.path)
    assert record is not None
    undone = replace(record, memo={**record.memo, UNDONE: True})
    host.begin(found.path, found.node, found.node.options.name or "", undone, durable=False)


def _done(tree: RuleTree, steps: Sequence[str], host: Host, stash: Stash, registry: Registry) -> list[_Found]:
    """Return what the steps did and can be undone, in the order in which it was done."""
    collector = _Collector(_Recorded(host), registry)
    scope = Scope(host.names, Stash.from_data(stash.to_data()))
    for step in steps:
        try:
            for index, node in enumerate(tree.operations(step)):
                collector.operation(node, f"{step}/{index}", scope, None)
        except (OperationFailed, Suspended, Interrupted):
            continue  # here the step ended
    return collector.found


def _as_it_is(scope: Scope) -> Scope:
    """Return the names as they are now: what comes later changes variables, and an operation is undone with its own."""
    stash = Stash(dict(scope.stash.variables), dict(scope.stash.results))
    return replace(scope, stash=stash)


class _Collector(Walker):
    """Walks over what is recorded and notes what can be undone, in the order in which it ended."""

    def __init__(self, host: Host, registry: Registry) -> None:
        super().__init__(host, registry, in_place=True, counts=False)
        self.found: list[_Found] = []

    def fork(self, host: Host) -> Walker:
        """Return the collector itself: nothing is executed, so branches are walked one after the other."""
        return self

    @property
    def is_replaying(self) -> bool:
        """Whether to walk branches one after the other: always."""
        return True

    def operation(self, node: RuleNode, path: str, scope: Scope, outer: Deadline | None) -> None:
        """Walk one operation, and note it when it can be undone."""
        try:
            super().operation(node, path, scope, outer)
        finally:
            record = self.host.recorded(path)
            if record is not None and is_to_undo(node, record):
                self.found.append(_Found(node, path, _as_it_is(scope)))


class _Recorded:
    """A host that knows the records of another one, executes nothing and writes nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.names: Mapping[str, Any] = host.names
        self.directory: Path = host.directory
        self.environ: Mapping[str, str] = host.environ
        self.marker: str = host.marker

    def now(self) -> datetime:
        """Return the present."""
        return self._host.now()

    def recorded(self, path: str) -> Record | None:
        """Return what is known of the operation under ``path``."""
        return self._host.recorded(path)

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        """Do nothing."""

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        """Do nothing."""

    def stopping(self) -> bool:
        """Return ``True``: nothing may begin."""
        return True

    def lost(self) -> bool:
        """Return ``False``."""
        return False

    def check(self) -> None:
        """End the walk where the records end.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Return ``False`` at once."""
        return False

    def acquire(self, path: str, name: str) -> bool:
        """Return ``True``: nothing is executed, so no slot is needed."""
        return True

    def release(self, path: str) -> None:
        """Do nothing."""

    @contextmanager
    def branch(self) -> Iterator[Host]:
        """Return the host itself."""
        yield self

    def mask(self, value: Any) -> Any:
        """Return what is recorded as it is: it was masked before."""
        return value

    def log(self, path: str, node: RuleNode, level: Level, text: str) -> None:
        """Do nothing."""

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        """Do nothing."""

    def checkout(self, directory: Path, seconds: float | None) -> str:
        """Do nothing; the walk never gets here.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted

    def known_hosts(self) -> Path:
        """Return the file of the other host; the walk never needs it."""
        return self._host.known_hosts()

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        """Do nothing; the walk never gets here.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted

    def create_job(self, wish: Mapping[str, Any], *, mark: str) -> Mapping[str, Any]:
        """Do nothing; the walk never gets here.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted
