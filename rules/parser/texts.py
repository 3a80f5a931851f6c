"""Expressions and templates of a rule: do they compile, and does the rule know the names they read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rules.engine.expressions import compile_expression
from rules.engine.names import ROOT_NAMES, SECRETS
from rules.engine.templates import compile_template, member_schema
from rules.exceptions import TextError
from rules.parser.arguments import RENDERED_KINDS
from rules.parser.members import FIXED, Members, place_in, unknown_members
from rules.parser.nodes import Mapping as MappingNode
from rules.parser.nodes import Node, Scalar, Sequence
from rules.parser.problems import OpenName, Problems, suggestion

_SIMPLER: Final = {
    "expression": 'Write a condition such as environment == "PROD", or set a variable first and use it here.',
    "template": "Write {{ name }} for a value, or set a variable first and use it here.",
}
"""What helps with a text that the language cannot say."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that texts may read.

    Attributes:
        names: Those known at this place.
        open: The rule calls others, which may bring names of their own, so whether an unknown one is a mistake
            is not known yet.
        members: What can be read of those names whose members are fixed.
    """

    names: frozenset[str]
    open: bool
    members: Members = field(default_factory=lambda: FIXED)

    def and_also(self, *names: str, members: Members | None = None) -> Known:
        """Return what is known inside a loop or a catch.

        Args:
            names: The names that it gives; inner ones hide outer ones, those of the job cannot be hidden.
            members: What can be read of those of them whose members are fixed.
        """
        kept = {name: one for name, one in self.members.items() if name in FIXED or name not in names}
        return Known(self.names | set(names), self.open, {**kept, **(members or {})})


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


def check_texts(
    node: Node, schema: Mapping[str, Any], known: Known, problems: Problems, *, kept_by: str = ""
) -> None:
    """Add a problem for every text below ``node`` that does not compile or reads what it may not.

    Args:
        node: An operation's value, or that of an option.
        schema: What it has to look like.
        known: The names that there are.
        problems: Takes the mistakes.
        kept_by: The operation that stores what the texts give, so that they may not read secrets; empty when none does.
    """
    for scalar, kind in texts(node, schema):
        if kind == "expression":
            names = _check(scalar, compile_expression, "expression", known, problems)
        elif kind in RENDERED_KINDS:
            names = _check(scalar, compile_template, "template", known, problems)
        else:
            continue
        if kept_by and SECRETS in names:
            place = scalar.place(*place_in(scalar.text, SECRETS, is_expression=kind == "expression"))
            template = "%(operation)s stores what it is given, and a secret must not be stored."
            hint = "Use {{ secrets.x }} where it is needed, such as in run."
            problems.add(place, "secret_stored", template, hint, operation=kept_by)


def _check(scalar: Scalar, compiler: Any, code: str, known: Known, problems: Problems) -> frozenset[str]:
    """Add what is wrong with one text, and return the names that it reads."""
    if not scalar.text:
        return frozenset()
    try:
        names = compiler(scalar.text).names
    except TextError as error:
        place = scalar.place(error.line, error.column)
        problems.add(place, code, _escaped(error.message), _escaped(error.hint or _SIMPLER[code]))
        return frozenset()
    if problems.full:
        return frozenset()
    is_expression = code == "expression"
    for name in sorted(names - known.names):
        place = scalar.place(*place_in(scalar.text, name, is_expression=is_expression))
        unknown = OpenName(name, known.names, place)
        if known.open:
            problems.add_open(unknown)
        else:
            problems.add_unknown(unknown)
    for name, member in unknown_members(scalar.text, is_expression=is_expression, members=known.members):
        place = scalar.place(*place_in(scalar.text, name, member, is_expression=is_expression))
        hint, params = suggestion(member, known.members[name])
        template = "%(what)s has no %(name)s."
        problems.add(place, "unknown_member", template, hint, what=name, **{**params, "name": member})
    return frozenset(names)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
