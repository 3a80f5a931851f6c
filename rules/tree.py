"""The tree of a rule as plain, frozen data: what the parser makes and the interpreter walks.

Pure: no Django, no YAML, no I/O. Paths are the heart of durable execution, so their making lives here and
nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

EXECUTED_STEPS: Final = ("CHECK", "INIT", "PRE", "RUN", "POST")
"""The steps a rule may fill, in the order they run."""

OnError = Literal["fail", "trap", "ignore"]

_TURNS = re.compile(r"\[\d+\]")
_RETRY = re.compile(r"retry\[(\d+)\]")
_RETRIES = re.compile(r"/retry\[\d+\]")


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the source of a rule, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Retry:
    """How often an operation is tried in all (``attempts`` >= 1), and the pause between two tries."""

    attempts: int
    pause: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class TrapPolicy:
    """What happens while a trapped operation waits for a person."""

    timeout: timedelta = timedelta(days=1)
    on_timeout: Literal["abort", "skip", "retry"] = "abort"
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What any operation may carry besides its palette key; on a group it acts on the whole group."""

    id: str | None = None
    name: str | None = None
    when: str | bool | None = None
    enabled: bool = True
    timeout: timedelta | None = None
    retry: Retry | None = None
    on_error: OnError = "fail"
    trap: TrapPolicy | None = None
    save_as: str | None = None
    semaphore: str | None = None
    rollback: tuple[RuleNode, ...] = ()
    rollback_if_failed: bool = False


@dataclass(frozen=True, slots=True)
class RuleNode:
    """One operation of a rule.

    Attributes:
        key: Palette key, such as ``run`` or ``foreach``.
        arguments: What the rule says under the key, as plain data with templates not yet rendered and child
            operations taken out.
        blocks: Child operations by path segment: ``then``, ``else``, ``foreach``, ``try``, ``catch`` …
        options: See ``Options``.
        position: Where the operation begins in the source.
    """

    key: str
    arguments: Any
    position: Position
    blocks: Mapping[str, tuple[RuleNode, ...]] = field(default_factory=lambda: MappingProxyType({}))
    options: Options = Options()

    @property
    def is_leaf(self) -> bool:
        """Whether progress counts this operation: it holds no others."""
        return not self.blocks


@dataclass(frozen=True, slots=True)
class RuleTree:
    """A whole rule: its head and its operations by step name (``CHECK`` … ``POST``)."""

    name: str
    description: str
    variables: Mapping[str, Any]
    steps: Mapping[str, tuple[RuleNode, ...]]

    def operations(self, step: str) -> tuple[RuleNode, ...]:
        """Return the top operations of ``step``; a step the rule leaves out is empty."""
        return self.steps.get(step, ())


def child_path(parent: str, block: str, index: int, turn: int | None = None) -> str:
    """Return the path of a child operation.

    Args:
        parent: Path of the holding operation, ``RUN/2``.
        block: Path segment of the block, ``foreach``.
        index: Place in the block, from 0.
        turn: Loop turn from 0, ``None`` outside loops.
    """
    segment = block if turn is None else f"{block}[{turn}]"
    return f"{parent}/{segment}/{index}"


def static_path(path: str) -> str:
    """Return the place in the tree that ``path`` belongs to: turns and retries of a group are one place."""
    return _TURNS.sub("", _RETRIES.sub("", path))


def ancestors(path: str) -> Iterator[tuple[str, int]]:
    """Yield the path of each operation around the one under ``path``, outermost first, and which try of it that is in.

    ``RUN/0/retry[2]/group/1`` lies in the second try of ``RUN/0``.
    """
    parts = path.split("/")
    end = 2
    while end < len(parts):
        retry = _RETRY.fullmatch(parts[end])
        yield "/".join(parts[:end]), int(retry[1]) if retry else 1
        end += 3 if retry else 2


def walk(nodes: tuple[RuleNode, ...], parent: str) -> Iterator[tuple[str, RuleNode]]:
    """Yield every operation below ``parent`` with its static path, in the order it is written.

    Operations of a ``rollback`` are not part of the way forward and are left out.
    """
    for index, node in enumerate(nodes):
        path = f"{parent}/{index}"
        yield path, node
        for block, children in node.blocks.items():
            yield from walk(children, f"{path}/{block}")


def count_leaves(tree: RuleTree, steps: tuple[str, ...] = EXECUTED_STEPS) -> int:
    """Return how many leaf operations the named steps of ``tree`` hold, a loop's body counted once."""
    return sum(1 for step in steps for _, node in walk(tree.operations(step), step) if node.is_leaf)
