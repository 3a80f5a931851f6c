"""The interpreter: what runs, in which order, with which names; and that taking a step up again does nothing twice."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine.call import Deadline
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, RecordStatus, StepOutcome
from rules.parser import parse
from rules.tree import RuleTree
from tests.examples import examples
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
    - set: {seen: "{{ variables.get('seen', 0) + 1 }}"}
    - set: {only_first: yes}
      when: variables.seen == 1
    - effect: "g {{ variables.seen }} {{ variables.only_first }}"
    - effect: "once: h"
  retry: {attempts: 2, pause: 5m}
- set: {tries: 0, turns: 0}
- while:
    condition: variables.turns < 2
    max: 9
    do:
      - set: {turns: "{{ variables.turns + 1 }}"}
      - effect: "loop {{ variables.turns }}"
      - set: {tries: "{{ variables.tries + 1 }}"}
      - fail: not yet
        when: variables.tries in [1, 3]
  retry: {attempts: 4, pause: 1m}
- foreach:
    items: "['p', 'q'] if variables.tries > 3 else ['p']"
    as: item
    do:
      - effect: "once: each {{ item }}"
  retry: {attempts: 3}
- effect: "fail: i"
  on_error: ignore
- effect: "fail: j"
  retry: {attempts: 3, pause: 10s}
  on_error: ignore
- effect: "{{ first }} {{ variables.count }} {{ variables.seen }}"
"""


def stop_at(left: int | None) -> Callable[[], bool]:
    """Return a worker's ear that hears "stop" at its n-th check, or never."""
    checks = iter(range(10_000))
    return lambda: left is not None and next(checks) >= left


def take_up_until_over(
    operations: str, stops: list[int], gap: timedelta = timedelta(0)
) -> tuple[StepOutcome, MemoryHost, Stash, int]:
    """Run with a fresh runner, ``gap`` later, each time the one before was told to stop at its n-th check."""
    host = MemoryHost()
    runners = 0
    for left in [*stops, None]:
        host = MemoryHost(host.records, host.effects, stop_at(left), host.clock + gap)
        stash = Stash()
        runners += 1
        outcome = run_step(rule(operations), "RUN", host, stash, registry=REGISTRY)
        if not isinstance(outcome, HandedOver):
            break
    return outcome, host, stash, runners


@cache
def at_one_go() -> tuple[StepOutcome, MemoryHost, Stash, int]:
    return take_up_until_over(LONG, [])


@given(st.lists(st.integers(1, 12), max_size=25), st.timedeltas(timedelta(0), timedelta(days=1)))
@settings(max_examples=examples(60, 1000), deadline=None)
def test_a_step_taken_up_by_other_workers_at_any_place_does_everything_once(
    stops: list[int], gap: timedelta
) -> None:
    whole, alone, stash, _ = at_one_go()
    outcome, together, restored, _ = take_up_until_over(LONG, stops, gap)
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


def test_a_finished_group_is_not_timed_out_when_taken_up_later() -> None:
    operations = "- group:\n    - effect: a\n  timeout: 5m\n- effect: b"
    outcome, host, _, runners = take_up_until_over(operations, [2], timedelta(days=1))
    assert (outcome, host.effects, runners) == (Completed(), ["a", "b"], 2)


@pytest.mark.parametrize("stop", range(1, 8))
def test_finally_runs_in_any_case_also_when_the_time_ran_out_between_two_workers(stop: int) -> None:
    operations = """
        - try:
            - effect: a
            - effect: b
          finally:
            - effect: clean 1
            - effect: clean 2
          timeout: 5m
        """
    outcome, host, _, runners = take_up_until_over(operations, [stop], timedelta(minutes=6))
    assert host.effects[-2:] == ["clean 1", "clean 2"]
    assert host.effects.count("clean 1") == host.effects.count("clean 2") == 1
    if runners == 2 and stop <= 2:
        assert outcome == Failed("The time limit of 5m ran out.", "RUN/0")
        assert "b" not in host.effects


@pytest.mark.parametrize("stop", [None, 3, 4, 5, 6])
def test_a_time_limit_around_is_never_caught_inside_also_not_when_it_is_replayed(stop: int | None) -> None:
    operations = """
        - try:
            - group:
                - try:
                    - effect: "slow: a"
                    - effect: b
                  catch:
                    - effect: never
                  retry: {attempts: 3}
              timeout: 5m
          finally:
            - effect: clean 1
            - effect: clean 2
        """
    outcome, host, *_ = take_up_until_over(operations, [] if stop is None else [stop])
    assert host.effects == ["slow: a", "clean 1", "clean 2"]
    assert outcome == Failed("The time limit of 5m ran out.", "RUN/0/try/0")


def test_a_try_that_another_worker_makes_has_its_whole_time() -> None:
    operations = "- effect: 'once: a'\n  retry: {attempts: 2, pause: 1m}\n  timeout: 30s"
    outcome, host, _, runners = take_up_until_over(operations, [1], timedelta(minutes=10))
    assert (outcome, host.effects, runners) == (Completed(), ["once: a", "once: a"], 2)


def test_the_rest_of_a_pause_is_kept_by_the_next_worker() -> None:
    operations = "- effect: 'once: a'\n  retry: {attempts: 2, pause: 10m}"
    host = MemoryHost(stop_when=stop_at(1))
    begun = host.clock
    assert run(operations, host)[0] == HandedOver()
    later = MemoryHost(host.records, host.effects, clock=host.clock)
    assert run(operations, later)[0] == Completed()
    assert later.clock - begun == timedelta(minutes=10)


def test_a_pause_ends_with_the_time_limit_around_it() -> None:
    operations = """
        - group:
            - effect: "fail: a"
              retry: {attempts: 2, pause: 2h}
          timeout: 1m
        """
    host = MemoryHost()
    begun = host.clock
    outcome, _ = run(operations, host)
    assert outcome == Failed("The time limit of 1m ran out.", "RUN/0")
    assert host.clock - begun == timedelta(minutes=1)
    assert host.effects == ["fail: a"]


def test_the_limit_of_the_whole_step_holds_in_finally_too() -> None:
    host = MemoryHost()
    limit = Deadline(host.clock + timedelta(seconds=10), "CHECK", "10s")
    tree = rule("- try:\n    - effect: 'slow: a'\n  finally:\n    - effect: too late")
    outcome = run_step(tree, "RUN", host, Stash(), registry=REGISTRY, deadline=limit)
    assert isinstance(outcome, Failed)
    assert host.effects == ["slow: a"]


def test_a_condition_that_cannot_be_worked_out_fails_the_operation_or_is_ignored_as_it_says() -> None:
    outcome, host = run("- effect: a\n  when: variables.missing > 1\n  on_error: ignore\n- effect: b")
    assert (outcome, host.effects) == (Completed(), ["b"])
    outcome, host = run("- group:\n    - effect: a\n  when: variables.missing > 1\n- effect: b")
    assert isinstance(outcome, Failed)
    assert (outcome.path, host.effects) == ("RUN/0", [])
