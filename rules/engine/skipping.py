"""What is skipped together with a trapped operation that holds others: the leaf operations in it that were not done. Pure.

A trap on a group, a branch, a loop or a call is answered for all that it holds, by a person or by its clock. What ended
in it before the failure says itself whether it counts; what failed, and all that the job never got to, was skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rules.engine import waits
from rules.engine.frames import attempt_key, decisions_of
from rules.engine.outcomes import DONE, Record
from rules.tree import RuleNode, child_path, static_path

Recorded = Callable[[str], Record | None]
"""Gives what is known of the operation under a path."""


def skipped_within(node: RuleNode, path: str, recorded: Recorded) -> Iterator[str]:
    """Yield the places in the tree of the leaf operations that were skipped with the operation around them.

    Where a condition was decided only the branch that it chose counts. Of what was never reached nobody knows what its
    conditions would have said, so all of it counts.

    Args:
        node: An operation that holds others.
        path: Its path; it trapped and was skipped.
        recorded: Knows the records at and below ``path``.
    """
    record = recorded(path)
    tries = waits.current_try(record) if record else 1
    base = path if tries == 1 else f"{path}/{attempt_key(tries)}"
    chosen = decisions_of(record, tries).get("branch") if record else None
    for block, children in node.blocks.items():
        if chosen not in {None, block}:
            continue
        turn = _last_turn(base, block, recorded) if record else None
        for index, child in enumerate(children):
            yield from _of_one(child, child_path(base, block, index, turn), recorded)


def _of_one(node: RuleNode, path: str, recorded: Recorded) -> Iterator[str]:
    record = recorded(path)
    if record is not None and record.status in DONE:
        return
    if node.is_leaf:
        yield static_path(path)
    else:
        yield from skipped_within(node, path, recorded)


def _last_turn(base: str, block: str, recorded: Recorded) -> int | None:
    """Return the number of the turn in which a loop failed, ``None`` when it is no loop or never began."""
    turn: int | None = None
    while recorded(child_path(base, block, 0, 0 if turn is None else turn + 1)) is not None:
        turn = 0 if turn is None else turn + 1
    return turn
