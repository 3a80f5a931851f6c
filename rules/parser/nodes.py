"""A YAML document as nodes that know where they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from rules.tree import Position

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_DECIMAL: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
MAX_DIGITS: Final = 300


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    Attributes:
        text: Its text, escapes resolved.
        style: Empty for plain, otherwise the quote or block sign: ``'``, ``"``, ``|``, ``>``.
        position: Where it begins.
        last_line: The line in which it ends.
        broken: What it means is not known; a problem says so already.
    """

    text: str
    style: str
    position: Position
    last_line: int
    broken: bool = False

    @property
    def value(self) -> str | int | float | bool | None:
        """What it means by the YAML 1.2 core schema: ``on`` and ``yes`` are texts."""
        if self.style:
            return self.text
        if _NULL.fullmatch(self.text):
            return None
        if self.text in _BOOLEAN:
            return _BOOLEAN[self.text]
        return self._number()

    def _number(self) -> str | int | float:
        if len(self.text) > MAX_DIGITS:
            return self.text
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        for pattern, base in ((_OCTAL, 8), (_HEXADECIMAL, 16)):
            if pattern.fullmatch(self.text):
                return int(self.text[2:], base)
        if _DECIMAL.fullmatch(self.text):
            found = float(self.text)
            return self.text if found in (float("inf"), float("-inf")) else found
        return self.text

    def place(self, line: int, column: int = 1) -> Position:
        """Return where a place inside the text stands in the source, as well as it can be known.

        Args:
            line: Line of the text, from 1.
            column: Column of that line, from 1.
        """
        if self.style in ("|", ">"):
            return Position(min(self.position.line + line, max(self.last_line, self.position.line)), 1)
        if line == 1:
            return Position(self.position.line, self.position.column + column - 1 + len(self.style))
        return Position(min(self.position.line + line - 1, self.last_line), 1)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    position: Position
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A mapping: pairs as written. Keys that are no texts or stand twice were reported and left out.

    Attributes:
        position: Where it begins.
        pairs: The node of the key and that of the value, by key.
        broken: What it means is not known; a problem says so already.
    """

    position: Position
    pairs: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    broken: bool = False

    def get(self, key: str) -> Node | None:
        """Return the value under ``key``."""
        pair = self.pairs.get(key)
        return None if pair is None else pair[1]

    def __iter__(self) -> Iterator[tuple[str, Scalar, Node]]:
        """Iterate over key, key's node, value's node."""
        return iter([(key, *pair) for key, pair in self.pairs.items()])


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """Return ``node`` as plain data; depth is bounded where nodes are made."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, _, value in node}


def is_broken(node: Node) -> bool:
    """Return whether a problem says already that some of ``node`` cannot be made out."""
    match node:
        case Sequence():
            return any(is_broken(item) for item in node.items)
        case Mapping():
            return node.broken or any(is_broken(value) for _, _, value in node)
        case Scalar():
            return node.broken


def is_null(node: Node) -> bool:
    """Return whether nothing is written there."""
    return isinstance(node, Scalar) and node.value is None


def node_at(node: Node, path: Iterator[str | int]) -> Node:
    """Return the node at ``path`` below ``node``, or the last one on the way."""
    for part in path:
        if isinstance(node, Mapping) and isinstance(part, str) and part in node.pairs:
            node = node.pairs[part][1]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
    return node


def in_words(node: Node) -> str:
    """Return what ``node`` is, in words of a rule's author."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    match node.value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case _:
            return "a text"
