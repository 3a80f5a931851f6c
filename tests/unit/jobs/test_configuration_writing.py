"""The writer of documents: whatever is written is read back as it was, and the same is always written the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.configuration.documents import Source, compose
from jobs.configuration.problems import Problems
from jobs.configuration.writing import text_of
from tests.examples import examples

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
LINES = st.lists(st.sampled_from(["", " ", "a", "  b ", "\tc", "# d", "- e: f", "|", "…"]), max_size=6).map(
    "\n".join
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | LINES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | LINES, inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    problems = Problems()
    found = compose(Source("site.yaml", text, Path()), problems)
    problems.raise_if_any()
    assert found is not None
    return found.plain()


@settings(max_examples=examples(60, 2000), deadline=None)
@given(st.lists(st.dictionaries(TEXTS, JSON, min_size=1, max_size=3), max_size=3))
def test_what_is_written_is_read_back(items: list[dict[str, Any]]) -> None:
    text = text_of({"things": items}, ["a comment"])
    assert repr(read(text)) == repr({"things": items})
    assert text_of(read(text), ["a comment"]) == text


@pytest.mark.parametrize(
    "value",
    [
        "yes", "No", "null", "~", "true", "0123", "0x1F", "1e3", "1_000", "2026-01-01", ".inf", "=", "<<", "*a",
        "&a", "!a", "%a", "@a", "`a`", "- a", "? a", ": a", "a: b", "a #b", "# a", "'", '"', "\\", "{a}", "[a]", "a, b",
        "", " ", " a", "a ", "a\r\nb\r\n", "a\rb", "a\n", "\n", "\n\n", "a\n\n\n", "  a\nb\n", "\n a\n", "a\n  \nb",
        "a\tb\n\tc\n", "\x01\x7f\x85\u2028\u2029\ufeff", "\U0001f600\U0010ffff", "é ñ", "---\na\n...\n", "k" * 5000,
        "line\n" * 300, "w " * 2000 + "\n" + "w " * 2000, "a\n# no comment\n", "a\n ",
    ],
)  # fmt: skip
def test_texts_that_look_like_something_else(value: str) -> None:
    data = {
        "things": [{"value": value, "list": [value, value], value or "empty": 1, "deep": {"a": [[value]]}}]
    }
    assert read(text_of(data)) == data


def test_lines_of_a_rule_stay_lines() -> None:
    text = text_of({"rules": [{"source": "name: a\nsteps:\n  RUN:\n    - log: hello\n"}]})
    assert (
        text == "rules:\n  - source: |\n      name: a\n      steps:\n        RUN:\n          - log: hello\n"
    )


def test_it_looks_like_what_people_write() -> None:
    text = text_of(
        {"environments": [{"code": "PROD", "colour": "#aa0000", "on": True, "v": {"a": [1, "x"], "b": {}}}]}
    )
    assert text == (
        'environments:\n  - code: PROD\n    colour: "#aa0000"\n    "on": true\n'
        "    v:\n      a: [1, x]\n      b: {}\n"
    )
