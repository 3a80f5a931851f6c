"""Templates: what they fill in, which types they keep, what they refuse and how fast."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from typing import Any, Final

import pytest
from hypothesis import given, settings, strategies

from rules.engine.templates import Template, TemplateError, compile_template, render_arguments, render_value
from tests.examples import examples

NAMES: Final[dict[str, Any]] = {
    "job": {"name": "N.PROD-00000001", "items": 5},
    "environment": "PROD",
    "revision": {"ref": "v1.4.0"},
    "revisions": [{"ref": "v1.4.0"}, {"ref": "main"}],
    "variables": {"evil": "{{ 7 * 7 }}", "count": 3, "hosts": ["a", "b"], "nothing": None},
    "big": list(range(200_000)),
    "long": "x" * 500_000,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ job.name }} goes to {{ environment }}\n", "N.PROD-00000001 goes to PROD\n"),
        ("{{ job.items }} items", "5 items"),
        ("{% for r in revisions %}{{ r.ref }}{{ ', ' if not loop.last }}{% endfor %}", "v1.4.0, main"),
        ("{% for n in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{% for k, v in revision.items() %}{{ k }}={{ v }}{% endfor %}", "ref=v1.4.0"),
        ("{% if environment == 'PROD' %}live{% else %}test{% endif %}", "live"),
        ("{{ revisions | map(attribute='ref') | join('+') }}", "v1.4.0+main"),
        ("{{ variables.missing | default('none') }}", "none"),
        ("{{ environment ~ '-' ~ job.items }}", "PROD-5"),
        ("echo {{ 'a b; c' | quote }}", "echo 'a b; c'"),
        ("{{ variables.evil }}!", "{{ 7 * 7 }}!"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ revision | tojson }}", '{"ref": "v1.4.0"}'),
        ("{{ revision.ref.removeprefix('v') }}", "1.4.0"),
    ],
)
def test_what_a_template_writes(text: str, expected: str) -> None:
    assert compile_template(text).render(NAMES) == expected


def test_a_text_that_is_one_expression_keeps_its_type() -> None:
    value = {
        "n": "{{ variables.count }}",
        "text": "{{ variables.count }} ",
        "l": ["{{ variables.hosts }}"],
        "t": 1,
    }
    assert render_value(value, NAMES) == {"n": 3, "text": "3 ", "l": [["a", "b"]], "t": 1}
    assert compile_template("{{ variables.count }}").render(NAMES) == "3"


def test_where_a_schema_takes_text_the_result_is_text() -> None:
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": ["string", "null"]},
            "n": {"type": "integer"},
            "condition": {"type": "string", "x-kind": "expression"},
            "any": {},
        },
    }
    written = dict.fromkeys(("text", "n", "condition", "any"), "{{ variables.count }}")
    assert render_arguments(schema, written, NAMES) == {
        "text": "3",
        "n": 3,
        "condition": "{{ variables.count }}",
        "any": 3,
    }


def test_a_value_is_never_read_as_a_template() -> None:
    assert render_value("{{ variables.evil }}", NAMES) == "{{ 7 * 7 }}"
    assert render_value("{{ variables.evil | upper }}", NAMES) == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{{ enviroment }}", "'enviroment' is not known", "Did you mean environment?"),
        ("to {{ enviroment }}", "'enviroment' is not known", "Did you mean environment?"),
        ("{{ job.nme }}", "There is no 'nme' in the mapping. Did you mean name?", ""),
        ("{{ job.name }", "does not read", "Close {{ with }}"),
        ("{{ environment | uper }}", "There is no filter uper.", "Did you mean upper?"),
        ("{{ environment | centre }}", "There is no filter centre.", "There are: abs"),
        ("{{ [nope] }}", "'nope' is not known", ""),
        ("{{ revisions | map(attribute='nope') | list }}", "There is no 'nope'", ""),
        ("{{ 1 + 'a' }}", "A number and a text cannot be added.", ""),
        ("{{ 'hunter2' | int }}", "The text is not a whole number.", ""),
    ],
)
def test_an_error_says_what_and_how(text: str, message: str, hint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        compile_template(text).render(NAMES)
    assert message in raised.value.message
    assert raised.value.hint.startswith(hint)
    assert "hunter2" not in str(raised.value)


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(TemplateError) as raised:
        compile_template("one\ntwo {{ ) }}")
    assert raised.value.line == 2


def test_names_are_the_root_names_only() -> None:
    template = compile_template(
        "{% for one in revisions %}{{ one.ref }}{{ loop.index }}{{ range(2) }}{% endfor %}{{ step }}"
    )
    assert template.names == {"revisions", "step"}


ATTACKS: Final = (
    "{{ 'a' * 10**9 }}",
    "x{{ 10 ** 1000000 }}",
    "{{ [0] * 10**9 }}",
    "{{ long ~ long ~ long ~ long ~ long }}",
    "{{ long }}{{ long }}{{ long }}",
    "{{ long | replace('x', 'y' * 1000) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ '%s' | format(1) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}",
    "{% for a in range(10**9) %}{% endfor %}",
    "{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in [1] recursive %}{{ loop(a) }}{% endfor %}",
    "{{ big" + " | sort" * 3_000 + " }}",
    "{{ big" + " | sort | list" * 15 + " }}{{ big | sum }}" * 40,
    "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "{{ " + "[" * 500 + "]" * 500 + " }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ job.__class__ }}",
    "{{ job['__class__'] }}",
    "{{ job | attr('__class__') }}",
    "{{ revisions | map(attribute='__class__') | list }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "x{{ self }}",
    "{{ lipsum() }}",
    "{{ cycler }}",
    "{{ namespace() }}",
    "{{ range.__globals__ }}",
    "{{ range }}",
    "{{ 'a'.upper }}",
    "x{{ [nope] }}",
    "{{ [1].append(2) }}",
    "{% set a = 1 %}",
    "{% macro a() %}{% endmacro %}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{% block a %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call a() %}{% endcall %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{{ job.items(*[1]) }}",
    "{{ '\\x00' }}",
    "x{{ none[0] }}",
    "{{ 'a' + '\\x00' }}",
    "{{ x " * 5_000,
    "{% if x %}" * 100,
    "{{ 1 }}" + "a" * 70_000,
)


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError):
        compile_template(text).render(NAMES)
    assert time.process_time() - began < 1.5


def test_a_result_shares_nothing_with_the_names() -> None:
    names = {"variables": {"list": [[1]]}}
    found = render_value("{{ variables.list }}", names)
    found[0].append(2)
    assert names == {"variables": {"list": [[1]]}}


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1e999 }}",
        "x{{ [1, -1e999] }}",
        "{% if 1e999 > 1 %}a{% endif %}",
        "{{ 9" + "9" * 400 + " }}",
        "{{ ['\\ud800'] }}",
        "{{ {'\\x00': 1} }}",
    ],
)
def test_a_constant_that_cannot_be_is_refused_when_the_rule_is_saved(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text)


@pytest.mark.parametrize("value", [10**5000, [10**5000]], ids=["alone", "in a list"])
def test_a_value_too_large_to_write_is_a_mistake_of_the_template(value: object) -> None:
    for text in ("{{ value }}", "x{{ value }}", "{{ value | tojson }}"):
        with pytest.raises(TemplateError):
            compile_template(text).render({"value": value})


_ATOMS: Final = (
    *("long", "job", "revisions", "unknown", "self", "loop", "none", "true", "[]", "{}", "0", "-1", "1.5"),
    *("'x'", "'\\ud800'", "'\\d'", "1e308", "1e999", "9" * 400, "9" * 5000, "range(3)", "huge", "deep"),
)
_FORMS: Final = (
    *(f"({{0}} {sign} {{1}})" for sign in ("+", "-", "*", "/", "//", "**", "%", "~", "<", "==", "in", "and")),
    *(
        f"({{0}} | {name})"
        for name in ("abs", "first", "int", "float", "list", "sort", "sum", "tojson", "max")
    ),
    *(
        f"({{0}} | {name}({{1}}))"
        for name in ("join", "map", "round", "replace", "select", "default", "sort")
    ),
    *(f"({{0}} is {name}({{1}}))" for name in ("divisibleby", "in", "sameas", "lt")),
    *(
        f"({{0}}).{name}({{1}})"
        for name in ("split", "join", "get", "index", "replace", "items", "startswith")
    ),
    *("({0})[{1}]", "({0} if {1} else {0})", "[{0}, {1}]", "not ({0})", "-({0})", "{0}({1})"),
)
_EXPRESSIONS: Final = strategies.recursive(
    strategies.sampled_from(_ATOMS),
    lambda inner: strategies.builds(str.format, strategies.sampled_from(_FORMS), inner, inner),
    max_leaves=4,
)
_TEXTS: Final = strategies.builds(
    str.replace,
    strategies.sampled_from(
        (
            "{{ E }}",
            "x{{ E }}",
            "{% if E %}a{% endif %}",
            "{% for self in E %}{{ self }}{{ loop.last }}{% endfor %}",
        )
    ),
    strategies.just("E"),
    _EXPRESSIONS,
)
DEEP: Final[list[Any]] = functools.reduce(lambda inner, _: [inner], range(5000), list[Any]())


@settings(max_examples=examples(120, 3000), deadline=None)
@given(_TEXTS)
def test_whatever_a_template_does_it_raises_nothing_else(text: str) -> None:
    names = {**NAMES, "huge": 10**5000, "deep": DEEP}
    for render in (Template.render, Template.value):
        with contextlib.suppress(TemplateError):
            json.dumps(render(compile_template(text), names), allow_nan=False, ensure_ascii=False).encode()
