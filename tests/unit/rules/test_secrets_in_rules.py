"""Secrets may be read wherever what reads them is not stored."""

from __future__ import annotations

import pytest

from jobs.secrets.masking import Mask
from rules.engine.outcomes import Record, RecordStatus
from rules.engine.registry import registry
from rules.palette import load
from rules.parser import check

load()


def problems(operation: str) -> list[tuple[int, int, str]]:
    source = f"name: x\nsteps:\n  RUN:\n    - {operation}\n"
    return [(one.line, one.column, one.code) for one in check(source, registry).problems]


@pytest.mark.parametrize(
    ("operation", "column"),
    [
        ("set: {a: 1, b: ['{{ secrets.x }}']}", 27),
        ("set: {a: {b: 'the {{ secrets }}'}}", 28),
        ("foreach: {items: secrets.values(), do: [{log: x}]}", 24),
        ("foreach: {items: [a, '{{ secrets.x }}'], do: [{log: x}]}", 32),
    ],
)
def test_what_would_be_stored_is_refused_where_it_stands(operation: str, column: int) -> None:
    assert problems(operation) == [(4, column, "secret_stored")]


def test_the_refusal_says_what_to_do() -> None:
    (problem,) = check("name: x\nsteps: {RUN: [{set: {a: '{{ secrets.x }}'}}]}", registry).problems
    assert problem.message == "set stores what it is given, and a secret must not be stored."
    assert problem.hint == "Use {{ secrets.x }} where it is needed, such as in run."


@pytest.mark.parametrize(
    "operation",
    [
        "run: echo {{ secrets.x | quote }}",
        "if: secrets.x == 'a'\n      then: [{log: x}]",
        "while: {condition: secrets.x == 'a', max: 3, do: [{log: x}]}",
        "set: {a: the secrets}",
        "set: {a: '{% for secrets in [1] %}{{ secrets }}{% endfor %}'}",
        "log: '{{ secrets.x }}'\n      when: secrets.x",
    ],
)
def test_what_is_not_stored_may_read_them(operation: str) -> None:
    assert [code for *_, code in problems(operation) if code == "secret_stored"] == []


def test_a_masked_record_keeps_what_the_engine_and_the_rule_gave_names() -> None:
    mask = Mask(["then"]).value
    memo = {"branch": "then", "items": ["then"], "retry[2]": {"branch": "then", "failed": "then what"}}
    record = Record(RecordStatus.FAILED, {"then": "then"}, memo, "and then")
    masked = record.masked(registry["set"], mask)
    assert (masked.value, masked.error) == ({"then": "***"}, "and ***")
    assert masked.memo == {
        "branch": "then",
        "items": ["***"],
        "retry[2]": {"branch": "then", "failed": "*** what"},
    }
    assert record.masked(registry["run"], mask).value == {"***": "***"}
