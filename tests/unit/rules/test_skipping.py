"""What counts as skipped when a person skips an operation that holds others."""

from __future__ import annotations

import pytest

from rules.engine.context import Stash
from rules.engine.outcomes import Completed, RecordStatus, Waiting
from rules.engine.skipping import skipped_within
from rules.parser import parse
from tests.unit.rules.memory_host import MemoryHost
from tests.unit.rules.test_waits import REGISTRY, answer, retry, run, skip, source_of

SIX = """
- group: [{log: a}, {log: b}, {log: c}, {fail: "no"}, {log: d}, {effect: e}]
  on_error: trap
"""
AFTER = '- log: "the end"\n'
DECIDED = """
- group:
    - if: "False"
      then: [{log: never}]
      else: [{log: a}]
    - foreach: {items: [], do: [{log: never}]}
    - group: [{log: never}]
      when: "False"
    - fail: "no"
    - if: "True"
      then: [{log: unreached}]
      else: [{log: unreached}]
  on_error: trap
"""
CHOSEN = """
- if: "True"
  then: [{log: a}, {fail: "no"}, {log: b}]
  else: [{log: never}]
  on_error: trap
"""
TURNS = """
- foreach:
    items: [1, 2, 3]
    do:
      - if: item == 1
        then: [{log: a}]
        else: [{fail: "no"}, {log: b}]
      - log: c
  on_error: trap
"""
TRIES = """
- group:
    - if: variables.n == ''
      then: [{set: {n: x}}, {fail: "no"}, {log: a}]
      else: [{log: b}, {fail: "no"}, {log: c}]
  retry: {attempts: 2}
  on_error: trap
"""
BRANCHES = """
- parallel:
    - group: [{fail: "no"}, {log: a}]
    - group: [{log: b}, {log: c}]
  on_error: trap
"""
CAUGHT = """
- try: [{fail: "no"}, {log: a}]
  catch: [{fail: worse}]
  finally: [{log: b}]
  on_error: trap
"""
UNJUDGED = """
- group: [{log: a}, {group: [{log: b}]}]
  when: variables.missing
  on_error: trap
"""


@pytest.mark.parametrize(
    ("operations", "skipped", "done"),
    [
        pytest.param(SIX, {"group/3", "group/4", "group/5"}, 6, id="group"),
        pytest.param(
            DECIDED,
            {"group/3", "group/4/then/0", "group/4/else/0"},
            4,
            id="what was decided before says itself what counts",
        ),
        pytest.param(CHOSEN, {"then/1", "then/2"}, 3, id="the branch that was chosen"),
        pytest.param(
            TURNS, {"foreach/0/else/0", "foreach/0/else/1", "foreach/1"}, 4, id="the turn it failed in"
        ),
        pytest.param(TRIES, {"group/0/else/1", "group/0/else/2"}, 4, id="the last try"),
        pytest.param(BRANCHES, {"parallel/0/group/0", "parallel/0/group/1"}, 4, id="branches"),
        pytest.param(CAUGHT, {"try/0", "try/1", "catch/0"}, 4, id="try"),
        pytest.param(UNJUDGED, {"group/0", "group/1/group/0"}, 2, id="a condition nobody could work out"),
    ],
)
def test_a_person_who_skips_a_group_skips_what_was_not_done_in_it(
    operations: str, skipped: set[str], done: int
) -> None:
    host = MemoryHost()
    assert isinstance(run(operations, host, Stash({"n": ""})), Waiting)
    answer(host, "RUN/0", skip)
    node = parse(source_of(operations), REGISTRY).operations("RUN")[0]
    found = list(skipped_within(node, "RUN/0", host.recorded))
    assert (sorted(found), len(found)) == (sorted(f"RUN/0/{place}" for place in skipped), len(skipped))
    # Another operation comes after it: what the walk says by then is all of it.
    again = MemoryHost(host.records)
    assert run(operations + AFTER, again, Stash({"n": ""})) == Completed()
    assert again.done == done + 1


def test_a_group_that_is_skipped_in_one_that_is_retried_and_skipped_counts_once() -> None:
    operations = """
- group:
    - group: [{log: a}, {fail: "no"}, {log: b}]
      on_error: trap
    - fail: "no"
    - log: c
  on_error: trap
- log: after
"""
    host = MemoryHost()
    for path, how in (
        ("RUN/0/group/0", skip),
        ("RUN/0", retry),
        ("RUN/0/retry[2]/group/0", skip),
        ("RUN/0", skip),
    ):
        assert isinstance(run(operations, host), Waiting)
        answer(host, path, how)
    assert run(operations, host) == Completed()
    assert host.done == 6


def test_what_is_ignored_was_not_skipped() -> None:
    host = MemoryHost()
    assert run(SIX.replace("trap", "ignore") + AFTER, host) == Completed()
    assert host.records["RUN/0"].status is RecordStatus.IGNORED
    # Three were done, and what comes after.
    assert host.done == 4
