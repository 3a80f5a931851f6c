"""A step that begins again at one of its operations: what came before is reused, the rest runs as it did the first time."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from datetime import timedelta

import pytest

from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Record, RecordStatus
from rules.engine.reuse import kept
from rules.parser import parse
from rules.tree import RuleNode
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()

NESTED = """
- effect: a
  save_as: first
- foreach:
    items: [x, y]
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
- set: {count: 0}
- while:
    condition: variables.count < 3
    max: 5
    do:
      - set: {count: "{{ variables.count + 1 }}"}
      - effect: "turn {{ variables.count }}"
- try:
    - effect: t
    - effect: "fail: t"
  catch:
    - effect: "caught {{ error.message }}"
    - effect: caught
  finally:
    - effect: finally
- group:
    - effect: g1
    - group:
        - effect: g2
  timeout: 1h
- effect: "{{ first }} {{ variables.count }}"
"""


def run(operations: str, host: MemoryHost) -> Stash:
    source = "name: test\nsteps:\n  RUN:\n" + textwrap.indent(textwrap.dedent(operations).strip("\n"), "    ")
    stash = Stash()
    assert run_step(parse(source, REGISTRY), "RUN", host, stash, registry=REGISTRY) == Completed()
    return stash


def again_from(operations: str, first: MemoryHost, path: str) -> tuple[MemoryHost, Stash]:
    """Run the step once more from ``path`` on, a day later, over what is kept of ``first``."""
    now = first.clock + timedelta(days=1)
    same, opened = kept(first.records, path, now)
    records: dict[str, Record] = {each: first.records[each] for each in same} | opened
    host = MemoryHost(records, clock=now)
    return host, run(operations, host)


class Noting(MemoryHost):
    """Notes under which path each effect was."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        super().begin(path, node, name, record, durable=durable)
        if node.key == "effect":
            self.paths.append(path)


@pytest.mark.parametrize("index", range(18))
def test_from_every_operation_on_all_is_as_it_was(index: int) -> None:
    first = Noting()
    stash = run(NESTED, first)
    assert len(first.effects) == len(first.paths) == 18
    host, restored = again_from(NESTED, first, first.paths[index])
    assert host.effects == first.effects[index:]
    assert restored.to_data() == stash.to_data()
    assert {path: record.status for path, record in host.records.items()} == {
        path: record.status for path, record in first.records.items()
    }
    assert host.done == first.done


def test_other_branches_of_a_parallel_keep_what_they_came_to() -> None:
    operations = """
    - parallel:
        - group: [{effect: a1}, {effect: a2}]
        - group: [{effect: b1}, {effect: b2}]
        - group: [{effect: c1}, {effect: c2}]
    - effect: d
    """
    first = MemoryHost()
    run(operations, first)
    failed = first.records["RUN/0/parallel/2"]
    first.records["RUN/0/parallel/2"] = replace(failed, status=RecordStatus.FAILED)
    host, _ = again_from(operations, first, "RUN/0/parallel/1/group/1")
    assert sorted(host.effects) == ["b2", "c1", "c2", "d"]


def test_tries_before_it_are_replayed_and_those_after_it_are_forgotten() -> None:
    operations = """
    - group:
        - set: {tries: "{{ variables.get('tries', 0) + 1 }}"}
        - effect: "g {{ variables.tries }}"
        - fail: not yet
          when: variables.tries < 3
        - effect: done
      retry: {attempts: 3, pause: 1h}
    - effect: after
    """
    first = MemoryHost()
    run(operations, first)
    assert first.effects == ["g 1", "g 2", "g 3", "done", "after"]
    host, _ = again_from(operations, first, "RUN/0/retry[2]/group/1")
    assert host.effects == ["g 2", "g 3", "done", "after"]
    host, _ = again_from(operations, first, "RUN/0/group/1")
    assert host.effects == ["g 1", "g 2", "g 3", "done", "after"]
