"""Expressions: what they can say, what they refuse, and that nothing takes long or much."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest

from rules.engine.expressions import ExpressionError, compile_expression

NAMES: Final[dict[str, Any]] = {
    "job": {"name": "N.PROD-00000001"},
    "environment": "PROD",
    "revision": {"ref": "v1.4.0", "sha": "a" * 40},
    "revisions": [{"ref": "v1.4.0"}, {"ref": "main"}],
    "natures": ["java", "sql"],
    "variables": {"service": "shop", "items": 3, "get": "no method", "tries": 2},
    "big": list(range(200_000)),
    "long": "x" * 500_000,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('environment == "PROD" and not revision.ref.startswith("v")', False),
        ('"java" in natures', True),
        ('"java" not in natures or environment in ["QA", "PROD"]', True),
        ('any(one.ref.startswith("m") for one in revisions)', True),
        ("[one.ref for one in revisions]", ["v1.4.0", "main"]),
        ("variables.items", 3),
        ("variables.items()[0]", ["service", "shop"]),
        ('variables.get("missing", 7)', 7),
        ("variables.get", "no method"),
        ('variables["tries"] < 3', True),
        ("len(natures) * 2 + 1", 5),
        ('int("12") % 5', 2),
        ('"-".join(sorted(natures)).upper()', "JAVA-SQL"),
        ('revision.ref.replace("v", "")[0:3]', "1.4"),
        ("1 if natures else 2", 1),
        ("revisions[-1].ref", "main"),
        ("max(1, 3) + min([2, 5]) + sum([1, 1]) + abs(-1) + round(1.6)", 10),
        ("(1, 2)", [1, 2]),
        ("None is None", True),
        ('environment\n  == "PROD"\n  and True', True),
    ],
)
def test_what_an_expression_can_say(text: str, expected: Any) -> None:
    assert compile_expression(text).evaluate(NAMES) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("enviroment", "'enviroment' is not known", "Did you mean environment?"),
        ("variables.servce", "There is no 'servce' in variables.", "Did you mean service?"),
        ("environment.name", "environment is a text and has no 'name'.", ""),
        ("revisions[9]", "The list revisions has no place 9.", ""),
        ("true", "'true' is not known", "Write True."),
        ("1 / 0", "It divides by zero.", ""),
        ('"a" + 1', "A text and a number cannot be added.", ""),
        ('int("hunter2")', "The text is not a whole number.", ""),
        ("natures()", "There is no function natures().", "There are"),
        ("lenn(natures)", "There is no function lenn().", "Did you mean len()?"),
    ],
)
def test_an_error_says_what_and_how(text: str, message: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(text).evaluate(NAMES)
    assert message in raised.value.message
    assert raised.value.hint.startswith(hint)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a = b", "Compare with ==."),
        ("a && b", "Write and instead of &&."),
        ("a || b", "Write or instead of ||."),
        ("{{ environment }}", "without {{ and }}"),
        ('f"{environment}"', "Join texts with +."),
    ],
)
def test_the_signs_of_other_languages_get_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(text)
    assert hint in raised.value.hint


def test_a_syntax_error_names_the_line_and_column() -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression('environment == "PROD"\nand and True')
    assert (raised.value.line, raised.value.column) == (2, 5)


def test_names_are_the_root_names_only() -> None:
    expression = compile_expression(
        "any(one.ref == wanted for one in revisions) and len(natures) > variables.n"
    )
    assert expression.names == {"wanted", "revisions", "natures", "variables"}


ATTACKS: Final = (
    "9**9**9",
    '"a" * 10**9',
    "[0] * 10**9",
    '"x".join(["a" * 100000] * 100)',
    'long.replace("x", "yyyyyyyyyyyy")',
    'long.replace("", long)',
    "[a for a in big for b in big]",
    '[["a" * 100000 for a in big] for b in big]',
    "sorted(big) == 1 or " * 60 + "sorted(big)",
    "(lambda: 1)()",
    '"".__class__.__mro__[1].__subclasses__()',
    "job.__class__",
    "().__class__",
    '"{0.__class__}".format(1)',
    '"%1000000000d" % 1',
    'f"{1:>1000000000}"',
    "round(1, -10**9)",
    "1 << 100",
    "1e999",
    'float("inf")',
    "9" * 1_000,
    '"\\x00"',
    '"\\ud800"',
    "-" * 1_900 + "1",
    "(" * 250 + "1" + ")" * 250,
    "a" + ".a" * 900,
    "1" * 3_000,
    "[*big]",
    "(x := 1)",
    "...",
    "1j",
    'b"x"',
    "len",
    '__import__("os")',
    'open("x")',
    "{1, 2}",
    "1000000.0 ** 1000000",
    "(-8) ** 0.5",
    "",
    "  ",
)


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError):
        compile_expression(text).evaluate(NAMES)
    assert time.process_time() - began < 1.5


def test_a_result_shares_nothing_with_the_names() -> None:
    names = {"variables": {"list": [[1]]}}
    found = compile_expression("variables.list").evaluate(names)
    found[0].append(2)
    assert names == {"variables": {"list": [[1]]}}
