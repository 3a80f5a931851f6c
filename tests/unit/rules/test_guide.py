"""Help and completion come from the registry, and what they say is true of the language."""

from __future__ import annotations

import textwrap

import pytest
from django.utils import translation

from rules import guide, palette
from rules.engine.registry import Block, OperationType, Registry, registry
from rules.parser import check
from rules.parser.options import OPTION_NAMES
from rules.tree import EXECUTED_STEPS

palette.load()


@pytest.mark.parametrize("kind", list(registry), ids=lambda kind: kind.key)
def test_every_operation_has_help_and_an_example_that_is_a_rule(kind: OperationType) -> None:
    assert kind.help
    operation = textwrap.indent(f"- {textwrap.indent(kind.example, '  ')[2:]}", "    ")
    found = check(f"name: a\nvariables: {{tries: 0}}\nsteps:\n  RUN:\n{operation}")
    assert found.problems == ()
    assert found.tree is not None
    assert [node.key for node in found.tree.operations("RUN")] == [kind.key]


def test_every_operation_is_in_one_family() -> None:
    keys = [entry.key for _name, entries in guide.families(registry) for entry in entries]
    assert sorted(keys) == sorted(registry.types)
    assert len(guide.families(registry)) == len(guide.FAMILIES)


def test_what_third_parties_bring_appears() -> None:
    own = Registry()
    schema = {"type": "object", "properties": {"mode": {"enum": ["a", "b"]}}, "required": ["mode"]}
    own.register(
        OperationType(
            "theirs",
            schema,
            "Does it.",
            walk=lambda walker, frame: None,
            blocks=(Block("do", "member", "do"),),
        )
    )
    ((name, (entry,)),) = guide.families(own)
    assert (name, entry.key, entry.blocks) == (str(guide.OTHERS), "theirs", ("do",))
    with translation.override("en"):
        (offered,) = guide.completions(own, [])["operations"]
    assert offered["members"] == [{"key": "mode", "required": True, "type": "anything", "values": ["a", "b"]}]
    assert offered["blocks"] == [{"key": "do", "inside": True, "required": False}]


def test_options_and_steps_are_all_there_with_help() -> None:
    found = guide.completions(registry, ["a"])
    assert {one["key"] for one in found["options"]} == OPTION_NAMES
    assert [one["key"] for one in found["steps"]] == list(EXECUTED_STEPS)
    assert all(
        one["help"] for one in (*found["options"], *found["steps"], *found["top"], *found["operations"])
    )
    on_error = next(one for one in found["options"] if one["key"] == "on_error")
    assert on_error["values"] == ["fail", "trap", "ignore"]
    trap = next(one for one in found["options"] if one["key"] == "trap")
    assert [one["key"] for one in trap["members"]] == ["timeout", "on_timeout", "max_retries"]


def test_the_help_says_where_an_operation_cannot_be() -> None:
    entries = {entry.key: entry for _name, entries in guide.families(registry) for entry in entries}
    assert entries["approval"].not_in == ("CHECK", "INIT")
    assert entries["create_job"].not_in == ("CHECK", "INIT")
    assert entries["run"].not_in == ()
    assert [one.name for one in entries["write"].arguments if one.is_required] == ["path", "content"]
