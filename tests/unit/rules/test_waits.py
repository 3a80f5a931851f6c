"""Operations at which the job stands: traps, approvals and slots, and how the walk goes on after the answer."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import timedelta

import pytest

from rules.engine import waits
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, Record, RecordStatus, StepOutcome, Waiting
from rules.parser import parse
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()

Answer = Callable[[Record, MemoryHost], Record]


def source_of(operations: str) -> str:
    """Return a rule with these operations in RUN."""
    return "name: test\nsteps:\n  RUN:\n" + textwrap.indent(textwrap.dedent(operations).strip("\n"), "    ")


def run(operations: str, host: MemoryHost, stash: Stash | None = None) -> StepOutcome:
    """Walk the step from its top, as each worker does that takes the job up."""
    return run_step(parse(source_of(operations), REGISTRY), "RUN", host, stash or Stash(), registry=REGISTRY)


def retry(record: Record, host: MemoryHost) -> Record:
    return waits.retried(record, host.now())


def skip(record: Record, host: MemoryHost) -> Record:
    return waits.skipped(record, host.now())


def abort(record: Record, host: MemoryHost) -> Record:
    return waits.aborted(record, host.now())


def answer(host: MemoryHost, path: str, how: Answer) -> None:
    assert host.records[path].status is RecordStatus.WAITING
    host.records[path] = how(host.records[path], host)
    host.writes.clear()


def trapped(path: str, error: str) -> Waiting:
    policy = {"timeout_seconds": 86400.0, "on_timeout": "abort", "max_retries": 0}
    return Waiting("trap", path, {"error": error, **policy})


TRAPPING = """
- effect: a
- effect: "once: b"
  on_error: trap
- effect: c
"""


def test_a_failure_with_on_error_trap_makes_the_job_wait_and_a_retry_does_only_it_again() -> None:
    host = MemoryHost()
    assert run(TRAPPING, host) == trapped("RUN/1", "once: b failed")
    assert host.records["RUN/1"].error == "once: b failed"
    assert run(TRAPPING, host) == trapped("RUN/1", "once: b failed")
    answer(host, "RUN/1", retry)
    assert run(TRAPPING, host) == Completed()
    assert host.effects == ["a", "once: b", "once: b", "c"]
    assert host.done == 3


def test_a_skip_goes_on_after_it_and_an_abort_fails() -> None:
    host = MemoryHost()
    run(TRAPPING, host)
    answer(host, "RUN/1", skip)
    assert run(TRAPPING, host) == Completed()
    assert host.effects == ["a", "once: b", "c"]
    assert host.records["RUN/1"].status is RecordStatus.SKIPPED
    assert host.done == 3

    host = MemoryHost()
    run(TRAPPING, host)
    answer(host, "RUN/1", abort)
    assert run(TRAPPING, host) == Failed("once: b failed", "RUN/1")
    assert host.effects == ["a", "once: b"]


def test_a_trap_comes_after_all_tries_and_a_retry_has_as_many_again_without_a_pause() -> None:
    operations = "- effect: 'fail: a'\n  on_error: trap\n  retry: {attempts: 3, pause: 10s}"
    host = MemoryHost()
    begun = host.clock
    run(operations, host)
    assert host.effects == ["fail: a"] * 3
    assert host.clock - begun == timedelta(seconds=20)
    for times in (2, 3):
        answer(host, "RUN/0", retry)
        began = host.clock
        assert run(operations, host) == trapped("RUN/0", "fail: a failed")
        assert host.effects == ["fail: a"] * 3 * times
        assert host.clock - began == timedelta(seconds=20)
        assert host.records["RUN/0"].memo[waits.RETRIES] == times - 1


GROUP = """
- group:
    - set: {a: 1}
    - effect: b
    - effect: "once: c"
    - effect: d
  on_error: trap
  name: Both
- effect: "{{ variables.a }}"
"""


def test_a_trap_on_a_group_does_the_group_again_or_leaves_the_rest_of_it() -> None:
    host = MemoryHost()
    assert run(GROUP, host) == trapped("RUN/0", "once: c failed")
    answer(host, "RUN/0", retry)
    assert run(GROUP, host) == Completed()
    assert host.effects == ["b", "once: c", "b", "once: c", "d", "1"]

    host = MemoryHost()
    run(GROUP, host)
    answer(host, "RUN/0", skip)
    # What the group set before it failed is known after it, in whichever worker that is.
    assert run(GROUP, host) == Completed()
    assert host.effects == ["b", "once: c", "1"]


def test_a_time_limit_that_ran_out_traps_as_any_other_error() -> None:
    operations = (
        "- group:\n    - effect: 'slow: a'\n    - effect: b\n  timeout: 5m\n  on_error: trap\n- effect: c"
    )
    host = MemoryHost()
    assert run(operations, host) == trapped("RUN/0", "The time limit of 5m ran out.")
    host.clock += timedelta(hours=1)
    answer(host, "RUN/0", retry)
    assert run(operations, host) == trapped("RUN/0", "The time limit of 5m ran out.")
    assert host.effects == ["slow: a", "slow: a"]


def test_the_time_that_people_take_is_not_counted_by_the_limit_around() -> None:
    operations = """
    - group:
        - effect: "once: a"
          on_error: trap
        - effect: b
      timeout: 5m
    """
    host = MemoryHost()
    run(operations, host)
    host.clock += timedelta(hours=1)
    answer(host, "RUN/0/group/0", retry)
    host.records["RUN/0"] = waits.excused(host.records["RUN/0"], 1, timedelta(hours=1))
    assert run(operations, host) == Completed()


def test_a_condition_that_cannot_be_worked_out_traps_and_is_worked_out_again() -> None:
    operations = "- effect: a\n  when: variables.wanted\n  on_error: trap"
    host = MemoryHost()
    outcome = run(operations, host)
    assert isinstance(outcome, Waiting)
    answer(host, "RUN/0", retry)
    assert run(operations, host, Stash(variables={"wanted": False})) == Completed()
    assert host.effects == []
    assert host.records["RUN/0"].status is RecordStatus.SKIPPED


APPROVAL = """
- effect: a
- approval: {approvers: ["group: qa", "user:{{ job.name }}"], min: 2, exclude_creator: true}
  name: Into {{ environment }}
  save_as: signed
- effect: "{{ signed.approved_by[0].user }}"
"""


def test_an_approval_waits_until_its_record_is_complete() -> None:
    host = MemoryHost()
    details = {
        "approvers": ["group:qa", "user:N.DEV-00000007"],
        "min": 2,
        "exclude_creator": True,
    }
    for _ in range(2):
        assert run(APPROVAL, host) == Waiting("approval", "RUN/1", details)
    host.records["RUN/1"] = waits.approved(host.records["RUN/1"], host.now(), [{"user": "ana"}])
    host.writes.clear()
    assert run(APPROVAL, host) == Completed()
    assert host.effects == ["a", "ana"]


SLOT = "- effect: a\n- effect: b\n  semaphore: deploy-{{ environment }}\n- effect: c"


def test_without_a_free_slot_the_job_waits_and_with_one_it_goes_on_and_gives_it_back() -> None:
    host = MemoryHost()
    host.taken = {"deploy-DEV"}
    for _ in range(2):
        assert run(SLOT, host) == Waiting("semaphore", "RUN/1", {"name": "deploy-DEV"})
    host.taken = set()
    assert run(SLOT, host) == Completed()
    assert host.effects == ["a", "b", "c"]
    assert host.holding == {}


@pytest.mark.parametrize("operation", ["effect: 'fail: b'", "group: [{effect: 'fail: b'}]"])
def test_a_slot_is_given_back_by_what_fails(operation: str) -> None:
    host = MemoryHost()
    assert isinstance(run(f"- {operation}\n  semaphore: s", host), Failed)
    assert host.holding == {}


def test_the_wait_for_a_slot_is_not_counted_by_the_operation_s_own_limit() -> None:
    operations = "- group: [{effect: a}]\n  semaphore: s\n  timeout: 5m"
    host = MemoryHost()
    host.taken = {"s"}
    run(operations, host)
    host.clock += timedelta(hours=1)
    host.taken = set()
    assert run(operations, host) == Completed()


def test_an_operation_in_a_group_that_holds_a_slot_asks_for_it_again_after_a_trap() -> None:
    operations = """
    - group:
        - effect: "once: a"
          on_error: trap
        - effect: b
      semaphore: s
    """
    host = MemoryHost()
    run(operations, host)
    answer(host, "RUN/0/group/0", retry)
    host.holding, host.taken = {}, {"s"}
    assert run(operations, host) == Waiting("semaphore", "RUN/0", {"name": "s"})
    host.taken = set()
    assert run(operations, host) == Completed()
    assert host.effects == ["once: a", "once: a", "b"]
