"""The interpreter: what runs, in which order, with which names; and that taking a step up again does nothing twice."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, RecordStatus, StepOutcome
from rules.parser import parse
from rules.tree import RuleTree
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()


@cache
def rule(operations: str) -> RuleTree:
    source = "name: test\nsteps:\n  RUN:\n" + textwrap.indent(textwrap.dedent(operations).strip("\n"), "    ")
    return parse(source, REGISTRY)


def run(
    operations: str, host: MemoryHost | None = None, stash: Stash | None = None
) -> tuple[StepOutcome, MemoryHost]:
    host = host or MemoryHost()
    return run_step(rule(operations), "RUN", host, stash or Stash(), registry=REGISTRY), host


def test_operations_run_in_the_order_written() -> None:
    outcome, host = run("- effect: a\n- group:\n    - effect: b\n    - effect: c\n- effect: d")
    assert outcome == Completed()
    assert host.effects == ["a", "b", "c", "d"]
    assert list(host.records) == ["RUN/0", "RUN/1", "RUN/1/group/0", "RUN/1/group/1", "RUN/2"]


def test_a_failure_ends_the_step_and_names_the_operation() -> None:
    outcome, host = run("- effect: a\n- group:\n    - effect: 'fail: b'\n- effect: c")
    assert outcome == Failed("fail: b failed", "RUN/1/group/0")
    assert host.effects == ["a", "fail: b"]
    assert host.records["RUN/1"].status is RecordStatus.FAILED


def test_when_enabled_and_ignore() -> None:
    outcome, host = run(
        """
        - effect: a
          when: environment == "PROD"
        - effect: b
          enabled: false
        - effect: "fail: c"
          on_error: ignore
        - effect: d
        """
    )
    assert outcome == Completed()
    assert host.effects == ["fail: c", "d"]
    statuses = [host.records[f"RUN/{index}"].status.value for index in range(4)]
    assert statuses == ["skipped", "skipped", "ignored", "completed"]
    assert host.done == 4


def test_branches() -> None:
    _, host = run(
        """
        - if: environment == "DEV"
          then:
            - effect: yes
          else:
            - effect: no
        - if: environment == "PROD"
          then:
            - effect: prod
        """
    )
    assert host.effects == ["yes"]


def test_loops_give_their_items_a_name_and_count_once() -> None:
    _, host = run(
        """
        - set: {hosts: [a, b, c]}
        - foreach:
            items: variables.hosts
            as: host
            do:
              - effect: "{{ host }}"
        """
    )
    assert host.effects == ["a", "b", "c"]
    assert host.records["RUN/1/foreach[2]/0"].status is RecordStatus.COMPLETED
    assert host.done == 2


def test_while_ends_with_its_condition_and_fails_at_its_bound() -> None:
    loop = """
        - set: {{count: 0}}
        - while:
            condition: variables.count < 3
            max: {most}
            do:
              - effect: "{{{{ variables.count }}}}"
              - set: {{count: "{{{{ variables.count + 1 }}}}"}}
        """
    outcome, host = run(loop.format(most=3))
    assert outcome == Completed()
    assert host.effects == ["0", "1", "2"]
    outcome, _ = run(loop.format(most=2))
    assert outcome == Failed("The condition still holds after 2 turns.", "RUN/1")


def test_try_catch_finally() -> None:
    outcome, host = run(
        """
        - try:
            - effect: a
            - effect: "fail: b"
            - effect: c
          catch:
            - effect: "{{ error.operation }}: {{ error.message }}"
          finally:
            - effect: always
        - try:
            - effect: "fail: d"
          finally:
            - effect: also
        """
    )
    assert host.effects == ["a", "fail: b", "RUN/0/try/1: fail: b failed", "always", "fail: d", "also"]
    assert outcome == Failed("fail: d failed", "RUN/1/try/0")


def test_retry_tries_again_after_its_pause_and_gives_up_at_last() -> None:
    host = MemoryHost()
    begun = host.clock
    outcome, _ = run("- effect: 'fail: a'\n  retry: {attempts: 3, pause: 10s}", host)
    assert outcome == Failed("fail: a failed", "RUN/0")
    assert host.effects == ["fail: a"] * 3
    assert (host.clock - begun).total_seconds() == 20


def test_a_retried_group_runs_all_of_it_again_under_its_own_path() -> None:
    outcome, host = run("- group:\n    - effect: a\n    - effect: 'once: b'\n  retry: {attempts: 2}")
    assert outcome == Completed()
    assert host.effects == ["a", "once: b", "a", "once: b"]
    assert host.records["RUN/0/retry[2]/group/0"].status is RecordStatus.COMPLETED


def test_saved_answers_are_names_of_their_own_and_values_are_never_evaluated_again() -> None:
    stash = Stash()
    _, host = run(
        """
        - effect: "{{ '{{ environment }}' }}"
          save_as: answer
        - effect: "{{ answer }}"
        """,
        stash=stash,
    )
    assert host.effects == ["{{ environment }}", "{{ ENVIRONMENT }}"]
    assert stash.results["answer"] == "{{ ENVIRONMENT }}"


def test_a_group_s_time_limit_is_not_ignored_by_what_runs_inside() -> None:
    outcome, host = run(
        """
        - group:
            - effect: "slow: a"
              on_error: ignore
            - effect: b
              on_error: ignore
          timeout: 5m
        """
    )
    assert outcome == Failed("The time limit of 5m ran out.", "RUN/0")
    assert host.effects == ["slow: a"]


def test_an_undefined_name_fails_the_operation_and_says_which() -> None:
    outcome, _ = run("- set: {a: 1}\n- effect: '{{ variables.b }}'")
    assert isinstance(outcome, Failed)
    assert outcome.path == "RUN/1"
    assert "b" in outcome.message


def test_a_step_the_rule_leaves_out_is_complete() -> None:
    assert run_step(rule("- effect: a"), "POST", MemoryHost(), Stash(), registry=REGISTRY) == Completed()


# --- taking up again ---

LONG = """
- set: {count: 0, names: [x, y]}
- effect: a
  save_as: first
- foreach:
    items: variables.names
    as: outer
    do:
      - foreach:
          items: [1, 2]
          as: inner
          do:
            - effect: "{{ outer }}{{ inner }}"
      - if: outer == "x"
        then:
          - effect: then
        else:
          - effect: else
- while:
    condition: variables.count < 2
    max: 5
    do:
      - set: {count: "{{ variables.count + 1 }}"}
      - effect: "turn {{ variables.count }}"
- try:
    - effect: "fail: t"
  catch:
    - effect: "caught {{ error.message }}"
  finally:
    - effect: finally
- group:
    - effect: g
    - effect: "once: h"
  retry: {attempts: 2}
- effect: "fail: i"
  on_error: ignore
- effect: "{{ first }} {{ variables.count }}"
"""


def stop_at(left: int | None) -> Callable[[], bool]:
    """Return a worker's ear that hears "stop" at its n-th check, or never."""
    checks = iter(range(10_000))
    return lambda: left is not None and next(checks) >= left


def take_up_until_over(operations: str, stops: list[int]) -> tuple[StepOutcome, MemoryHost, Stash, int]:
    """Run with a fresh runner each time the one before was told to stop at its n-th check."""
    records: dict[str, Any] = {}
    effects: list[str] = []
    runners = 0
    for left in [*stops, None]:
        host = MemoryHost(records, effects, stop_at(left))
        stash = Stash()
        runners += 1
        outcome = run_step(rule(operations), "RUN", host, stash, registry=REGISTRY)
        if not isinstance(outcome, HandedOver):
            break
    return outcome, host, stash, runners


@given(st.lists(st.integers(1, 8), max_size=25))
@settings(max_examples=150, deadline=None)
def test_a_step_taken_up_by_other_workers_at_any_place_does_everything_once(stops: list[int]) -> None:
    whole, alone, stash, _ = take_up_until_over(LONG, [])
    outcome, together, restored, _ = take_up_until_over(LONG, stops)
    assert outcome == whole == Completed()
    assert together.effects == alone.effects
    assert restored.to_data() == stash.to_data()
    assert together.done == alone.done
    assert {path: record.status for path, record in together.records.items()} == {
        path: record.status for path, record in alone.records.items()
    }


def test_the_hand_over_above_really_happens() -> None:
    *_, runners = take_up_until_over(LONG, [3] * 20)
    assert runners > 5


@pytest.mark.parametrize("operations", ["- group:\n    - effect: a\n  timeout: 5m\n- effect: b"])
def test_a_finished_group_is_not_timed_out_when_taken_up_later(operations: str) -> None:
    host = MemoryHost()
    run(operations, host)
    later = MemoryHost(host.records, host.effects)
    del later.records["RUN/1"]
    later.clock = host.clock.replace(year=2027)
    outcome, _ = run(operations, later)
    assert outcome == Completed()
    assert later.effects == ["a", "b", "b"]
