"""Undoing: the rollback of what was done, the last one first."""

from __future__ import annotations

import textwrap

from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, StepOutcome
from rules.engine.undo import UNDONE, undo
from rules.parser import parse
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()


def run_and_undo(operations: str, host: MemoryHost) -> StepOutcome:
    """Run the step until it fails, forget all but the records, and undo as another worker would."""
    source = "name: test\nsteps:\n  RUN:\n" + textwrap.indent(textwrap.dedent(operations).strip("\n"), "    ")
    tree = parse(source, REGISTRY)
    stash = Stash()
    run_step(tree, "RUN", host, stash, registry=REGISTRY)
    host.effects.clear()
    host.writes.clear()
    return undo(tree, ("PRE", "RUN"), host, Stash.from_data(stash.to_data()), REGISTRY)


def effects_of(operations: str) -> list[str]:
    host = MemoryHost()
    assert run_and_undo(operations, host) == Completed()
    return host.effects


def test_the_last_one_done_is_undone_first_and_what_was_not_done_is_not_undone() -> None:
    operations = """
    - effect: a
      rollback: [{effect: undo a 1}, {effect: undo a 2}]
    - effect: b
    - effect: c
      when: environment == "PROD"
      rollback: [{effect: undo c}]
    - effect: d
      rollback: [{effect: undo d}]
    - effect: "fail: e"
      rollback: [{effect: undo e}]
    - effect: f
      rollback: [{effect: undo f}]
    """
    assert effects_of(operations) == ["undo d", "undo a 1", "undo a 2"]


def test_what_failed_half_way_is_undone_when_it_says_so() -> None:
    operations = """
    - effect: "fail: a"
      on_error: ignore
      rollback_if_failed: true
      rollback: [{effect: undo a}]
    - effect: "fail: b"
      rollback_if_failed: true
      rollback: [{effect: undo b}]
    """
    assert effects_of(operations) == ["undo b", "undo a"]


def test_every_turn_is_undone_with_the_names_it_saw() -> None:
    operations = """
    - set: {where: there}
    - foreach:
        items: [1, 2]
        do:
          - effect: "{{ item }}"
            save_as: done
            rollback: [{effect: "undo {{ item }} {{ variables.where }} {{ done }}"}]
    - fail: stop
    """
    assert effects_of(operations) == ["undo 2 there 2", "undo 1 there 1"]


def test_a_group_is_undone_as_a_whole_before_what_is_in_it_and_a_failed_one_is_not() -> None:
    operations = """
    - group:
        - effect: a
          rollback: [{effect: undo a}]
      rollback: [{effect: undo group}]
    - group:
        - effect: b
          rollback: [{effect: undo b}]
        - fail: stop
      rollback: [{effect: never}]
    """
    assert effects_of(operations) == ["undo b", "undo group", "undo a"]


def test_what_a_catch_did_is_undone_too() -> None:
    operations = """
    - try:
        - effect: a
          rollback: [{effect: undo a}]
        - fail: no
      catch:
        - effect: b
          rollback: [{effect: "undo b: {{ error.message }}"}]
    - fail: stop
    """
    assert effects_of(operations) == ["undo b: no", "undo a"]


def test_branches_of_a_parallel_are_undone_in_turn() -> None:
    operations = """
    - parallel:
        - effect: a
          rollback: [{effect: undo a}]
        - effect: b
          rollback: [{effect: undo b}]
        - effect: "fail: c"
    """
    assert effects_of(operations) == ["undo b", "undo a"]


FAILING = """
- effect: a
  rollback: [{effect: undo a}]
- effect: b
  rollback: [{effect: undo b}, {effect: "once: b"}]
- effect: c
  rollback: [{effect: undo c}]
- fail: stop
"""


def test_undoing_goes_on_after_one_that_fails_and_what_was_undone_is_marked() -> None:
    host = MemoryHost()
    assert run_and_undo(FAILING, host) == Failed("once: b failed", "RUN/1/rollback/1")
    assert host.effects == ["undo c", "undo b", "once: b", "undo a"]
    assert [bool(host.records[f"RUN/{index}"].memo.get(UNDONE)) for index in range(3)] == [True, False, True]
    assert host.done == 0


def test_undoing_is_handed_over_and_goes_on_where_it_was() -> None:
    host = MemoryHost()
    source = "name: test\nsteps:\n  RUN:\n" + textwrap.indent(FAILING.strip("\n"), "    ")
    tree = parse(source.replace("once: b", "b2"), REGISTRY)
    stash = Stash()
    run_step(tree, "RUN", host, stash, registry=REGISTRY)
    host.effects.clear()
    host.writes.clear()
    host._stop_when = lambda: len(host.effects) >= 2
    assert undo(tree, ("RUN",), host, stash, REGISTRY) == HandedOver()
    host._stop_when = lambda: False
    host.writes.clear()
    assert undo(tree, ("RUN",), host, stash, REGISTRY) == Completed()
    assert host.effects == ["undo c", "undo b", "b2", "undo a"]
