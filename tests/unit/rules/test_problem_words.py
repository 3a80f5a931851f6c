"""What the parser says is in the catalogue of translations, although the parser knows no Django."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

import rules.parser
from rules import palette
from rules.engine.registry import registry
from rules.parser import check
from rules.parser.options import OPTION_SCHEMAS
from rules.problem_words import KINDS, SENTENCES
from rules.wording import WAITING_AND_UNDOING, message_of

palette.load()
PARSER = Path(rules.parser.__file__).parent
ALL = {*SENTENCES, *WAITING_AND_UNDOING}


def sentences(path: Path) -> Iterator[str]:
    """Yield every text of a module that reads as a sentence and is no docstring and no part of a longer one."""
    tree = ast.parse(path.read_text())
    others = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            others |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in others or not isinstance(node.value, str):
            continue
        if re.match(r"[A-Z%].* .*[.?]\Z", node.value, re.DOTALL) and "SELECT" not in node.value:
            yield node.value


@pytest.mark.parametrize("path", sorted(PARSER.glob("*.py")), ids=lambda path: path.stem)
def test_every_sentence_of_the_parser_is_there(path: Path) -> None:
    # What YAML's own mistakes say holds no places, so its signs are doubled where it is used.
    assert [text for text in sentences(path) if text not in ALL and text.replace("%", "%%") not in ALL] == []


def hints(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield from [value] if key == "x-hint" else hints(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from hints(value)


def test_every_hint_of_the_palette_is_there() -> None:
    schemas = [*(kind.schema for kind in registry), *OPTION_SCHEMAS.values()]
    assert [hint for schema in schemas for hint in hints(schema) if hint.replace("%", "%%") not in ALL] == []


def test_kinds_of_values_fill_the_places_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    found = check("name: a\nsteps:\n  RUN:\n    - run: 1\n    - if: 2\n      then: [{log: a}]\n").problems
    with translation.override("en"):
        assert [message_of(one) for one in found] == [
            "run must be a text or a list, not a number.",
            "if must be a text or true or false, not a number.",
        ]
    words = {kind: kind.upper() for kind in KINDS} | {" or ": " OR "}
    monkeypatch.setattr("rules.wording.gettext", lambda text: words.get(text, text))
    assert [message_of(one) for one in found] == [
        "run must be A TEXT OR A LIST, not A NUMBER.",
        "if must be A TEXT OR TRUE OR FALSE, not A NUMBER.",
    ]
