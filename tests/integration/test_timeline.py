"""The operations of an attempt, laid over the tree of the rule."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import timeline
from jobs.models import Job, OperationRun, Trap
from tests.factories import JobFactory, RuleFactory, moment

pytestmark = pytest.mark.django_db

SOURCE = """\
name: {slug}
steps:
  CHECK:
    - log: not shown
  PRE:
    - log: one
      id: build
      name: Build it
    - if: "True"
      then:
        - log: yes
      else:
        - log: no
  RUN:
    - foreach: {items: [a, b], as: each, do: [{log: x}, {log: y}]}
    - log: last
"""


@pytest.fixture
def job() -> Job:
    return JobFactory.at("PRE", "running", rule=RuleFactory.create(source=SOURCE))


def ran(
    job: Job, path: str, status: str = "completed", *, seconds: float = 1, attempt: int = 1, **fields: object
) -> None:
    begin = moment()
    over = status not in {"running", "waiting", "pending"}
    OperationRun.objects.create(
        job=job, attempt=attempt, path=path, identifier=path, key="log", step=path.partition("/")[0], status=status,
        started_at=begin, finished_at=begin + timedelta(seconds=seconds) if over else None, **fields,
    )  # fmt: skip


def paths(job: Job, attempt: int | None = None) -> list[tuple[str, str]]:
    return [(each.path, each.status) for each in timeline.operations(job, attempt)]


def test_before_anything_ran_the_whole_rule_is_pending(job: Job) -> None:
    found = timeline.operations(job)
    assert [each.path for each in found] == [
        "PRE/0", "PRE/1", "PRE/1/then/0", "PRE/1/else/0", "RUN/0", "RUN/0/foreach/0", "RUN/0/foreach/1", "RUN/1",
    ]  # fmt: skip
    assert {each.status for each in found} == {"pending"}
    assert (found[0].identifier, found[0].name, found[0].key, found[0].depth) == (
        "build",
        "Build it",
        "log",
        0,
    )
    assert (found[2].identifier, found[2].name, found[2].step, found[2].depth) == (
        "PRE/1/then/0",
        "log",
        "PRE",
        1,
    )


def test_the_other_branch_disappears_once_it_is_decided(job: Job) -> None:
    ran(job, "PRE/1", "running", memo={"branch": "else"})
    assert ("PRE/1/else/0", "pending") in paths(job)
    assert "PRE/1/then/0" not in dict(paths(job))


def test_what_cannot_begin_any_more_is_left_out(job: Job) -> None:
    ran(job, "PRE/1", "skipped")
    assert [path for path, _ in paths(job) if path.startswith("PRE/1")] == ["PRE/1"]


def test_a_loop_stands_there_with_every_turn_in_order(job: Job) -> None:
    ran(job, "RUN/0", "running")
    for turn in range(11):
        ran(job, f"RUN/0/foreach[{turn}]/0")
    inside = [each for each in paths(job) if each[0].startswith("RUN/0/")]
    assert inside == [
        *((f"RUN/0/foreach[{turn}]/0", "completed") for turn in range(11)),
        ("RUN/0/foreach[10]/1", "pending"),
    ]


def test_the_second_try_of_a_group_follows_the_first(job: Job) -> None:
    ran(job, "RUN/0", "running")
    ran(job, "RUN/0/foreach[0]/0", "failed")
    ran(job, "RUN/0/retry[2]/foreach[0]/0")
    inside = [path for path, _ in paths(job) if path.startswith("RUN/0/")]
    assert inside == ["RUN/0/foreach[0]/0", "RUN/0/retry[2]/foreach[0]/0", "RUN/0/retry[2]/foreach[0]/1"]


def test_what_is_not_on_the_way_forward_comes_at_the_end_of_its_step(job: Job) -> None:
    ran(job, "PRE/0/rollback/0")
    assert [path for path, _ in paths(job)][4] == "PRE/0/rollback/0"


def test_an_earlier_attempt_shows_what_ran(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempt=2)
    job.refresh_from_db()
    ran(job, "PRE/0")
    assert paths(job, 1) == [("PRE/0", "completed")]
    assert {status for _, status in paths(job)} == {"pending"}


def test_seconds_and_usual_seconds(job: Job) -> None:
    for seconds in (1, 2, 30):
        earlier = JobFactory.create(rule=job.rule, environment=job.environment)
        ran(earlier, "PRE/0", seconds=seconds)
        ran(earlier, "RUN/0/foreach[0]/0", seconds=4)
        ran(earlier, "RUN/0/foreach[1]/0", seconds=6)
    ran(JobFactory.create(rule=job.rule), "PRE/0", seconds=1000)
    ran(job, "PRE/0", seconds=7.5)
    found = {each.path: each for each in timeline.operations(job)}
    assert (found["PRE/0"].seconds, found["PRE/0"].usual_seconds) == (7.5, 2)
    assert (found["RUN/0/foreach/0"].seconds, found["RUN/0/foreach/0"].usual_seconds) == (None, 5)
    assert found["RUN/1"].usual_seconds is None


def test_it_costs_three_queries_that_read_neither_answers_nor_memos(job: Job) -> None:
    timeline.operations(job)
    for turn in range(30):
        ran(job, f"RUN/0/foreach[{turn}]/0", value={"output": "x" * 65_536}, memo={"items": ["x"] * 1000})
    with CaptureQueriesContext(connection) as queries:
        timeline.operations(job)
    assert len(queries) == 3
    for query in queries:
        assert '"value"' not in query["sql"]
        assert '"memo"' not in query["sql"].replace('"memo" ->>', "")


def test_some_places_are_described_without_the_others(job: Job) -> None:
    for turn in range(30):
        ran(job, f"RUN/0/foreach[{turn}]/0")
    every = timeline.operations(job)
    some = timeline.places(job)[10:13]
    with CaptureQueriesContext(connection) as queries:
        assert timeline.described(job, None, some) == every[10:13]
    named = set(re.findall(r"RUN/0/foreach\[\d+\]/\d", queries[0]["sql"]))
    assert named == {place.path for place in some if place.has_begun}


UNDOING = """\
name: {slug}
steps:
  RUN:
    - group: [{log: a, rollback: [{log: not a}]}]
      rollback: [{log: x}, {log: y}]
    - log: b
"""


def test_a_rollback_stands_under_its_operation_once_it_has_begun() -> None:
    job = JobFactory.at("RUN", "running", rule=RuleFactory.create(source=UNDOING))
    for path in ("RUN/0", "RUN/0/group/0"):
        ran(job, path)
    assert [path for path, _ in paths(job)] == ["RUN/0", "RUN/0/group/0", "RUN/1"]
    for path in ("RUN/0/rollback/0", "RUN/0/rollback/1", "RUN/0/group/0/rollback/0"):
        ran(job, path)
    found = timeline.operations(job)
    assert [(each.path, each.depth) for each in found] == [
        ("RUN/0", 0), ("RUN/0/group/0", 1), ("RUN/0/group/0/rollback/0", 2), ("RUN/0/rollback/0", 1), ("RUN/0/rollback/1", 1),
        ("RUN/1", 0),
    ]  # fmt: skip


def test_an_operation_says_whether_it_is_reused_and_undone(job: Job) -> None:
    ran(job, "PRE/0", ran_in=1, undo="undone")
    first, second = timeline.operations(job)[:2]
    assert (first.ran_in, first.is_undone) == (1, True)
    assert (second.ran_in, second.is_undone) == (None, False)


def test_the_usual_range_is_what_eight_of_ten_runs_took(job: Job) -> None:
    for number in range(11):
        before = JobFactory.at("END", "finished", rule=job.rule, environment=job.environment)
        ran(before, "PRE/0", seconds=10 + number)
    found = {each.path: each for each in timeline.operations(job)}
    assert found["PRE/0"].usual_seconds == 15
    assert found["PRE/0"].usual_range == (11, 19)


def test_fewer_than_three_runs_make_no_range(job: Job) -> None:
    for _ in range(2):
        ran(JobFactory.at("END", "finished", rule=job.rule, environment=job.environment), "PRE/0")
    found = {each.path: each for each in timeline.operations(job)}
    assert (found["PRE/0"].usual_seconds, found["PRE/0"].usual_range) == (1, None)


def test_a_run_that_stood_in_a_trap_says_nothing_about_work(job: Job) -> None:
    before = JobFactory.at("END", "finished", rule=job.rule, environment=job.environment)
    ran(before, "PRE/0", seconds=3600)
    Trap.objects.create(
        job=before, attempt=1, step="PRE", path="PRE/0", operation="build", began_at=moment(), closed_at=moment(),
        on_timeout="abort", deadline=moment(), answer="retry",
    )  # fmt: skip
    assert {each.path: each for each in timeline.operations(job)}["PRE/0"].usual_seconds is None
