"""What of a rule takes time: its units, and how their times add up. Pure.

A unit is what durations are kept of: an operation that holds no others, a loop with all its turns, and whatever is
tried again as a whole. Operations around units add up what is in them, ``parallel`` takes the longest branch.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rules.tree import RuleNode, RuleTree

STEPS: Final = ("INIT", "PRE", "RUN", "POST")
_WHOLE: Final = frozenset({"foreach", "while"})


@dataclass(frozen=True, slots=True)
class Unit:
    """What durations are kept of.

    Attributes:
        path: Its static path.
        key: Palette key.
        label: What it is known by in other versions of the rule: its ``id``, else its key, name and arguments, in short.
    """

    path: str
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Around:
    """An operation around units.

    Attributes:
        path: Its static path.
        blocks: What it holds, by path segment.
        is_parallel: Whether what it holds runs at the same time.
        may_be_skipped: Whether it may be left out as a whole.
    """

    path: str
    blocks: Mapping[str, tuple[Shape, ...]]
    is_parallel: bool
    may_be_skipped: bool


Shape = Unit | Around


def shape_of(tree: RuleTree) -> dict[str, tuple[Shape, ...]]:
    """Return what takes time in each step of a linked rule."""
    return {step: _Labels(step).block(tree.operations(step), step) for step in STEPS}


def units(shapes: tuple[Shape, ...]) -> Iterator[Unit]:
    """Yield all units in the order they are written."""
    for shape in shapes:
        if isinstance(shape, Unit):
            yield shape
        else:
            for parts in shape.blocks.values():
                yield from units(parts)


class _Labels:
    """Labels the units of one step: those that are alike are told apart by their order."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._met: Counter[str] = Counter()

    def block(self, nodes: tuple[RuleNode, ...], prefix: str) -> tuple[Shape, ...]:
        return tuple(self._shape(node, f"{prefix}/{index}") for index, node in enumerate(nodes))

    def _shape(self, node: RuleNode, path: str) -> Shape:
        if node.is_leaf or node.key in _WHOLE or node.options.retry is not None:
            return Unit(path, node.key, self._label(node))
        blocks = {name: self.block(nodes, f"{path}/{name}") for name, nodes in node.blocks.items()}
        options = node.options
        may_be_skipped = options.when is not None or not options.enabled
        return Around(path, blocks, node.key == "parallel", may_be_skipped)

    def _label(self, node: RuleNode) -> str:
        options = node.options
        # What a group holds is not part of its arguments, so it keeps its label when something in it changes.
        known = options.id or f"{node.key} {options.name or ''} {node.arguments!r}"
        short = f"{zlib.crc32(f'{self._step} {known}'.encode()):08x}"
        self._met[short] += 1
        return short if self._met[short] == 1 else f"{short}#{self._met[short]}"
