"""Walking the branches of a ``parallel`` at the same time, each in a thread of its own. Pure.

Each branch works on its own copy of the stash. When all have ended, what they changed is put together in the order in
which they are written, so that walking the tree again gives the same stash whoever was faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rules import roomy
from rules.engine.context import Scope, Stash
from rules.engine.frames import Frame
from rules.engine.interpreter import Walker
from rules.engine.outcomes import Interrupted, OperationFailed, Suspended, TimedOut
from rules.tree import RuleNode, child_path


@dataclass(slots=True)
class _Branch:
    """One branch: its operation, what it knows, and how it ended."""

    node: RuleNode
    path: str
    scope: Scope
    ended: BaseException | None = None


def walk_branches(walker: Walker, frame: Frame, block: str) -> None:
    """Walk every operation of a block as a branch, and return when all of them have ended, whatever became of them.

    Raises:
        Interrupted: The worker was told to stop; each branch ended the operation at hand.
        Suspended: One of them trapped. It comes before the failure of another: the answer may not undo it.
        OperationFailed: One of them failed; of several the first as written.
    """
    before = frame.scope.stash
    branches = [
        _Branch(node, child_path(frame.base, block, index), _own_scope(frame.scope))
        for index, node in enumerate(frame.node.blocks.get(block, ()))
    ]
    if walker.is_replaying or len(branches) == 1:
        for branch in branches:
            _walk(walker.fork(walker.host), frame, branch)
    else:
        with ThreadPoolExecutor(len(branches), thread_name_prefix=f"branch of {frame.path}") as pool:
            list(pool.map(lambda branch: roomy.call(_in_thread, walker, frame, branch), branches))
    _put_together(before, [branch.scope.stash for branch in branches])
    _raise_worst([branch.ended for branch in branches if branch.ended is not None], frame.path)


def _own_scope(scope: Scope) -> Scope:
    stash = Stash(dict(scope.stash.variables), dict(scope.stash.results))
    return Scope(scope.fixed, stash, scope.local)


def _in_thread(walker: Walker, frame: Frame, branch: _Branch) -> None:
    with walker.host.branch() as host:
        _walk(walker.fork(host), frame, branch)


def _walk(walker: Walker, frame: Frame, branch: _Branch) -> None:
    try:
        walker.operation(branch.node, branch.path, branch.scope, frame.deadline)
    except BaseException as error:  # it is raised again once the other branches have ended
        branch.ended = error


def _put_together(before: Stash, changed: list[Stash]) -> None:
    variables, results = dict(before.variables), dict(before.results)
    for stash in changed:
        before.variables.update(_difference(variables, stash.variables))
        before.results.update(_difference(results, stash.results))


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in before or before[name] is not value}


def _raise_worst(ended: list[BaseException], path: str) -> None:
    """Raise what says most about how the whole ended, if anything.

    What is no signal of the engine, such as a lost claim, comes first. The time limit of something around comes
    before a plain failure, because it is not for this operation to deal with.
    """
    for error in sorted(ended, key=lambda error: _weight(error, path)):
        raise error


def _weight(error: BaseException, path: str) -> int:
    if isinstance(error, Interrupted):
        return 1
    if isinstance(error, Suspended):
        return 2
    if isinstance(error, TimedOut):
        return 3 if not error.owner.startswith(f"{path}/") else 4
    return 4 if isinstance(error, OperationFailed) else 0
