"""Progress of jobs whose rule calls another one, and of those whose last operation a person decides about."""

from __future__ import annotations

import pytest

from jobs import selectors
from jobs.models import Job, OperationRun
from tests.factories import publish
from tests.life import Cast, fresh, state, work

pytestmark = pytest.mark.django_db(transaction=True)

CALLED = """\
name: shared
steps:
  PRE:
    - foreach: {items: [1, 2, 3], do: [{log: turn}, {log: again}]}
  RUN:
    - log: deployed
    - if: "False"
      then: [{log: never}]
"""
CALLER = """\
PRE:
  - rule: shared
  - log: built
RUN:
  - rule: shared
"""
TRAPS = """\
PRE:
  - log: built
  - fail: no disk
    on_error: trap
RUN:
  - log: deployed
POST:
  - approval: {approvers: ["group:qa"]}
"""


@pytest.fixture
def cast(broker: str) -> Cast:
    return Cast()


def expect(job: Job) -> Job:
    """Let a job expect what a new one of its rule does."""
    expected, basis = selectors.usual_operations(job.rule_id, job.environment_id) or (0, "tree")
    Job.objects.filter(pk=job.pk).update(operations_expected=expected or 6, progress_basis=basis)
    return fresh(job)


def figures(job: Job) -> tuple[int, int, int]:
    found = fresh(job)
    return found.operations_done, found.operations_expected, found.percent


def slowly(job: Job) -> int:
    """Return what was done of a job, counted from all that is recorded of it in Python."""
    places = set()
    for run in OperationRun.objects.filter(job=job, attempt=fresh(job).attempt):
        if run.status in {"completed", "skipped", "ignored"} and run.key not in {
            "rule",
            "foreach",
            "if",
            "group",
        }:
            places.add(tuple(part.partition("[")[0] for part in run.path.split("/")))
    return len(places)


def test_what_a_called_rule_does_counts_and_its_loops_count_once(cast: Cast) -> None:
    publish(CALLED)
    job = work(expect(cast.job(CALLER)))
    # Two in the loop, one in the caller, one in the other step of the called rule; the branch not taken never came.
    assert (state(job), figures(job)) == (("END", "finished"), (4, 6, 100))
    assert slowly(job) == 4
    again = cast.job("RUN: [{log: x}]")
    Job.objects.filter(pk=again.pk).update(
        rule=job.rule, rule_version=job.rule_version, rule_pins=job.rule_pins
    )
    again = work(expect(fresh(again)))
    assert (state(again), figures(again), again.progress_basis) == (
        ("END", "finished"),
        (4, 4, 100),
        "environment",
    )


def test_an_answer_to_the_last_operation_of_a_step_counts_at_once_and_for_good(cast: Cast) -> None:
    job = work(expect(cast.job(TRAPS)))
    assert (state(job), figures(job)[0]) == (("PRE", "trapped"), 1)
    cast.do(job, "boss", "skip")
    assert figures(job)[0] == slowly(job) == 2
    work(job)
    assert (state(job), figures(job)[0]) == (("POST", "pending_approval"), 3)
    cast.do(job, "qa1", "approve")
    assert figures(job)[0] == slowly(job) == 4
    work(job)
    assert (state(job), figures(job)[0], figures(job)[2]) == (("END", "finished"), 4, 100)
