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
SKIPPED = """\
PRE:
  - group:
      - log: begun
      - rule: shared
      - if: "False"
        then: [{log: never}]
      - fail: no disk
        when: variables.disk == "full"
      - foreach: {items: [1, 2], do: [{log: turn}]}
      - group: [{log: one}, {if: "True", then: [{log: two}]}]
      - rule: shared
    id: build
    on_error: trap
  - log: built
    id: built
RUN:
  - fail: no disk either
    when: variables.disk == "full"
    on_error: trap
  - rule: shared
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


def test_a_person_who_skips_a_group_skips_all_that_was_left_of_it(cast: Cast) -> None:
    publish(CALLED)
    whole = work(cast.job(SKIPPED, operations_expected=12, stash={"variables": {"disk": "empty"}}))
    # Ten leaves in PRE, with a loop and the calls, and two in RUN; branches not taken never came.
    assert (state(whole), figures(whole)) == (("END", "finished"), (12, 12, 100))
    broken = cast.job("RUN: [{log: x}]", operations_expected=12, stash={"variables": {"disk": "full"}})
    Job.objects.filter(pk=broken.pk).update(
        rule=whole.rule, rule_version=whole.rule_version, rule_pins=whole.rule_pins
    )
    assert (state(work(broken)), figures(broken)) == (("PRE", "trapped"), (3, 12, 25))
    cast.do(broken, "boss", "retry")
    assert (state(work(broken)), figures(broken)) == (("PRE", "trapped"), (3, 12, 25))
    cast.do(broken, "boss", "skip")
    # What failed and the six after it count at once, and go on counting for whoever takes the job up.
    assert figures(broken) == (9, 12, 75)
    assert (state(work(broken)), figures(broken)) == (("RUN", "trapped"), (10, 12, 83))
    cast.do(broken, "boss", "skip")
    assert figures(broken) == (11, 12, 91)
    assert (state(work(broken)), figures(broken)) == (("END", "finished"), (12, 12, 100))
    # It is history as good as any other, and what a rerun reuses counts the same.
    usual = selectors.usual_operations(whole.rule_id, whole.environment_id, but=whole.pk)
    assert usual == (12, "environment")
    cast.do(broken, "boss", "rerun", step="PRE", from_operation="built")
    assert figures(broken)[0] == 9
    assert state(work(broken)) == ("RUN", "trapped")
    assert figures(broken)[0] == 10
    cast.do(broken, "boss", "cancel")
    cast.do(broken, "boss", "rerun", step="PRE", from_operation="build")
    assert figures(broken)[0] == 0
