"""Members of the names whose members are fixed, and where a text reads one that is not there. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import jinja2
from jinja2 import nodes

Members = Mapping[str, frozenset[str]]
"""What can be read of a name, by name; of a name that is not here anything may be read."""

FIXED: Final[Members] = MappingProxyType(
    {
        "job": frozenset(
            {
                "attempt",
                "comment",
                "created_at",
                "created_by",
                "environment",
                "id",
                "max_start_at",
                "name",
                "project",
                "rule",
                "rule_version",
                "scheduled_at",
                "type",
                "urgent",
            }
        ),
        "revision": frozenset({"ref", "sha"}),
    }
)
"""What every job has. Rules know no jobs, so the names are written here again; a test holds the two together."""

BOUND: Final[Mapping[tuple[str, str], Members]] = MappingProxyType(
    {("try", "catch"): MappingProxyType({"error": frozenset({"message", "operation"})})}
)
"""The same for names that an operation gives to one of its blocks, by palette key and block."""

_environment: Final = jinja2.Environment(autoescape=False)
"""Reads templates, never renders one."""


def unknown_members(text: str, *, is_expression: bool, members: Members) -> list[tuple[str, str]]:
    """Return name and member of every plain attribute in ``text`` that the name does not have, each once.

    A method (``job.get("id")``) is no member, and a name that a loop inside the text gives hides the fixed one.

    Args:
        text: An expression or a template that compiled.
        is_expression: Which of the two it is.
        members: What the names have.
    """
    if not any(name in text for name in members):
        return []
    found = _in_expression(text) if is_expression else _in_template(text)
    return sorted({(name, member) for name, member in found if member not in members.get(name, {member})})


def _in_expression(text: str) -> Iterator[tuple[str, str]]:
    # In parentheses several lines are one expression, as where it is compiled.
    found = list(ast.walk(ast.parse(f"({text.strip()}\n)", mode="eval")))
    bound = {node.id for node in found if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    called = {id(node.func) for node in found if isinstance(node, ast.Call)}
    for node in found:
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if id(node) not in called and node.value.id not in bound:
            yield node.value.id, node.attr


def _in_template(text: str) -> Iterator[tuple[str, str]]:
    tree = _environment.parse(text)
    bound = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    called = {id(node.node) for node in tree.find_all(nodes.Call)}
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and id(node) not in called and node.node.name not in bound:
            yield node.node.name, node.attr


def place_in(text: str, name: str, member: str = "", *, is_expression: bool) -> tuple[int, int]:
    """Return line and column, from 1, where ``text`` first reads ``name`` or ``name.member``."""
    written = re.escape(name) + (rf"\s*\.\s*{re.escape(member)}" if member else "")
    whole = re.compile(rf"(?<![\w.]){written}(?!\w)")
    parts = [(0, len(text))] if is_expression else [one.span() for one in _CODE.finditer(text)]
    places = (whole.search(text, start, end) for start, end in parts)
    start = next((place.start() for place in places if place), max(text.find(name), 0))
    return text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1


_CODE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
