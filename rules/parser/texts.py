"""Expressions and templates of a rule: do they compile, and does the rule know the names they read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rules.engine.expressions import compile_expression, name_hint
from rules.engine.names import ROOT_NAMES
from rules.engine.templates import compile_template, member_schema
from rules.exceptions import TextError
from rules.parser.arguments import RENDERED_KINDS
from rules.parser.nodes import Mapping as MappingNode
from rules.parser.nodes import Node, Scalar, Sequence
from rules.parser.problems import Problems


@dataclass(frozen=True, slots=True)
class Known:
    """The names that texts may read.

    Attributes:
        names: Those known at this place.
        open: The rule calls others, which may bring names of their own, so an unknown one is no mistake.
    """

    names: frozenset[str]
    open: bool

    def and_also(self, *names: str) -> Known:
        """Return what is known inside a loop or a catch."""
        return Known(self.names | set(names), self.open)


def known_at_first(saved: frozenset[str], *, calls_others: bool) -> Known:
    """Return what is known everywhere in a rule that saves results under the names ``saved``."""
    return Known(ROOT_NAMES | saved, calls_others)


def texts(node: Node, schema: Mapping[str, Any]) -> Iterator[tuple[Scalar, str | None]]:
    """Yield every text below ``node`` with the ``x-kind`` that its schema gives it."""
    match node:
        case Scalar():
            if isinstance(node.value, str) and not node.broken:
                yield node, schema.get("x-kind")
        case Sequence():
            for item in node.items:
                yield from texts(item, schema.get("items", {}))
        case MappingNode():
            for key, _, value in node:
                yield from texts(value, member_schema(schema, key))


def check_texts(node: Node, schema: Mapping[str, Any], known: Known, problems: Problems) -> None:
    """Add a problem for every text below ``node`` that does not compile or reads an unknown name."""
    for scalar, kind in texts(node, schema):
        if kind == "expression":
            _check(scalar, compile_expression, "expression", known, problems)
        elif kind in RENDERED_KINDS:
            _check(scalar, compile_template, "template", known, problems)


def _check(scalar: Scalar, compiler: Any, code: str, known: Known, problems: Problems) -> None:
    if not scalar.text:
        return
    try:
        names = compiler(scalar.text).names
    except TextError as error:
        place = scalar.place(error.line, error.column)
        problems.add(place, code, _escaped(error.message), _escaped(error.hint))
        return
    if known.open or problems.full:
        return
    for name in sorted(names - known.names):
        hint = name_hint(name, known.names) or "Names come from save_as, from loops, or are those of the job."
        problems.add(
            _place_of(scalar, name),
            "unknown_name",
            "The name %(name)s is not known here.",
            _escaped(hint),
            name=name,
        )


def _place_of(scalar: Scalar, name: str) -> Any:
    """Return where ``name`` first stands in the text."""
    before = scalar.text.partition(name)[0]
    line = before.count("\n") + 1
    return scalar.place(line, len(before) - (before.rfind("\n") + 1) + 1)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
