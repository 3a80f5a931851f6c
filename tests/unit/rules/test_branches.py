"""Branches of a parallel: at the same time, each with its own variables, ended before the whole ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rules.engine import waits
from rules.engine.context import Stash
from rules.engine.host import Host
from rules.engine.outcomes import Completed, Failed, HandedOver, RecordStatus, Waiting
from tests.unit.rules.memory_host import MemoryHost
from tests.unit.rules.test_waits import answer, retry, run, skip


def test_branches_run_at_the_same_time() -> None:
    class Meeting(MemoryHost):
        """Every branch waits for the other before it begins."""

        barrier = threading.Barrier(2)

        @contextmanager
        def branch(self) -> Iterator[Host]:
            self.barrier.wait(timeout=10)
            yield self

    host = Meeting()
    assert run("- parallel:\n    - effect: a\n    - effect: b\n- effect: c", host) == Completed()
    assert sorted(host.effects[:2]) == ["a", "b"]
    assert host.effects[2] == "c"
    assert host.done == 3


def test_what_branches_set_is_put_together_in_the_order_written() -> None:
    operations = """
    - set: {x: 0, kept: 1}
    - parallel:
        - group: [{set: {x: 1, first: "{{ variables.x }}"}}]
        - group: [{set: {second: "{{ variables.x }}"}}, {set: {x: 2}}]
        - log: nothing
    - effect: "{{ variables.x }} {{ variables.first }} {{ variables.second }} {{ variables.kept }}"
    """
    host = MemoryHost()
    assert run(operations, host) == Completed()
    assert host.effects == ["2 0 0 1"]


def test_the_others_end_before_a_failure_counts_and_of_several_the_first_written_does() -> None:
    host = MemoryHost()
    outcome = run(
        "- parallel:\n    - effect: a\n    - effect: 'fail: b'\n    - effect: 'fail: c'\n- effect: d", host
    )
    assert outcome == Failed("fail: b failed", "RUN/0/parallel/1")
    assert sorted(host.effects) == ["a", "fail: b", "fail: c"]


def test_several_traps_are_answered_one_after_the_other() -> None:
    operations = """
    - parallel:
        - effect: "once: a"
          on_error: trap
        - effect: b
        - effect: "fail: c"
          on_error: trap
    - effect: d
    """
    host = MemoryHost()
    first = run(operations, host)
    assert isinstance(first, Waiting)
    assert first.path == "RUN/0/parallel/0"
    assert host.records["RUN/0/parallel/1"].status is RecordStatus.COMPLETED
    answer(host, first.path, retry)
    second = run(operations, host)
    assert isinstance(second, Waiting)
    assert second.path == "RUN/0/parallel/2"
    answer(host, second.path, skip)
    assert run(operations, host) == Completed()
    assert sorted(host.effects) == ["b", "d", "fail: c", "once: a", "once: a"]


def test_a_worker_told_to_stop_ends_the_operations_at_hand_and_the_next_one_goes_on() -> None:
    operations = """
    - parallel:
        - group: [{effect: a1}, {effect: a2}]
        - group: [{effect: b1}, {effect: b2}]
    """
    host = MemoryHost()
    host._stop_when = lambda: len(host.effects) >= 2
    assert run(operations, host) == HandedOver()
    begun = set(host.effects)
    host._stop_when = lambda: False
    host.writes.clear()
    assert run(operations, host) == Completed()
    assert sorted(host.effects) == ["a1", "a2", "b1", "b2"]
    assert len(begun) >= 2


def test_a_branch_waits_in_place_for_its_slot() -> None:
    class Freeing(MemoryHost):
        """The slot is free at the third question."""

        asked = 0

        def acquire(self, path: str, name: str) -> bool:
            self.asked += 1
            return self.asked >= 3

    host = Freeing()
    assert (
        run("- parallel:\n    - effect: a\n      semaphore: s\n    - effect: b", host, Stash()) == Completed()
    )
    assert host.asked == 3
    assert sorted(host.effects) == ["a", "b"]
    # What it waited is no work of its own, as when a whole job waits for a slot.
    assert host.records["RUN/0/parallel/0"].memo["excused"] > 0
    assert "excused" not in host.records["RUN/0/parallel/1"].memo


def test_the_limit_of_the_whole_ends_all_branches_and_traps_once() -> None:
    operations = """
    - parallel:
        - group: [{effect: "slow: a"}, {effect: a2}]
        - effect: b
      timeout: 5m
      on_error: trap
    """
    host = MemoryHost()
    outcome = run(operations, host)
    assert isinstance(outcome, Waiting)
    assert (outcome.path, outcome.details["error"]) == ("RUN/0", "The time limit of 5m ran out.")
    assert "a2" not in host.effects


def test_a_defect_in_a_branch_passes_through() -> None:
    class Broken(MemoryHost):
        """Cannot even say what is recorded of one place."""

        def recorded(self, path: str) -> None:
            if path == "RUN/0/parallel/1":
                raise ZeroDivisionError
            return super().recorded(path)  # type: ignore[return-value]

    with pytest.raises(ZeroDivisionError):
        run("- parallel:\n    - effect: a\n    - effect: b", Broken())


def test_a_retried_parallel_does_all_branches_again() -> None:
    operations = "- parallel:\n    - effect: a\n    - effect: 'once: b'\n  on_error: trap\n- effect: c"
    host = MemoryHost()
    run(operations, host)
    answer(host, "RUN/0", retry)
    assert host.records["RUN/0"].memo[waits.RETRIES] == 1
    assert run(operations, host) == Completed()
    assert sorted(host.effects) == ["a", "a", "c", "once: b", "once: b"]
