"""Policies of retention: which one decides, what is never removed, and what a removal leaves behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import deployments
from jobs.actions.base import every_action
from jobs.audit import Actor
from jobs.choices import JobType, RollbackState
from jobs.exceptions import TransitionNotAllowed
from jobs.log.reader import read_entries
from jobs.log.writer import append_entries, append_entry
from jobs.models import (
    AuditRecord,
    Event,
    Job,
    JobHold,
    JobRevision,
    JobTrim,
    LogChunk,
    Project,
    RetentionPolicy,
    RetentionState,
    StepRun,
)
from jobs.retention import disk, removal, walk
from jobs.retention.choosing import Chooser
from jobs.retention.rulebook import Rulebook
from permissions.catalog import Right
from permissions.models import Environment
from rules.models import Rule
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, RuleFactory, user_with

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def policy(removes: str = "job", **fields: Any) -> RetentionPolicy:
    return RetentionPolicy.objects.create(removes=removes, **fields)


def ended(days: float, status: str = "error", **fields: Any) -> Job:
    return JobFactory.at("END", status, now=ago(days), **fields)


def going(removes: str = "job") -> set[int]:
    """Return the jobs that lose this now."""
    choices = Chooser(Rulebook.read(), NOW).choose(list(Job.objects.values_list("pk", flat=True)))
    return {choice.job.id for choice in choices if removes in choice.policies}


def walk_all() -> None:
    """Let the daemon walk over all jobs."""
    RetentionState.objects.update(began_at=None, position=0)
    while walk.serve(5):
        pass


def test_without_a_policy_nothing_goes() -> None:
    job = ended(5000)
    walk_all()
    assert going() == set()
    assert Job.objects.filter(pk=job.pk).exists()


def test_the_most_specific_policy_decides_environment_before_rule_before_outcome() -> None:
    environment, rule = EnvironmentFactory.create(), RuleFactory.create()
    fields: list[dict[str, Any]] = [
        {"environment": where, "rule": which, "outcome": how}
        for where in (environment, None)
        for which in (rule, None)
        for how in ("failed", "any")
    ]
    made = [policy(keep_days=1, **each) for each in reversed(fields)][::-1]
    for place, expected in enumerate(made):
        book = Rulebook(made[place:])
        assert book.policy_for("job", environment.pk, rule.pk, "failed") == expected
        found = book.policy_for("job", environment.pk, rule.pk, "finished")
        assert found == next(each for each in made[place:] if each.outcome == "any")
    assert Rulebook(made).policy_for("log", environment.pk, rule.pk, "failed") is None


def test_days_or_jobs_keep_a_job_and_neither_keeps_it_for_ever() -> None:
    environment, rule = EnvironmentFactory.create(), RuleFactory.create()
    jobs = [ended(days, environment=environment, rule=rule) for days in (40, 30, 20, 10, 2)]
    policy(keep_days=25)
    assert going() == {jobs[0].pk, jobs[1].pk}
    policy(rule=rule, keep_jobs=2)
    assert going() == {job.pk for job in jobs[:3]}
    policy(environment=environment, keep_days=15, keep_jobs=1)
    assert going() == {job.pk for job in jobs[:3]}
    policy(environment=environment, rule=rule)
    assert going() == set()


def test_the_newest_jobs_are_counted_among_those_that_the_policy_is_about() -> None:
    rule, environment = RuleFactory.create(), EnvironmentFactory.create()
    errors = [ended(days, "error", rule=rule, environment=environment) for days in (40, 30)]
    ended(20, "finished", rule=rule, environment=environment)
    policy(keep_jobs=1, outcome="failed")
    policy(keep_jobs=1)
    assert going() == {errors[0].pk}


@pytest.mark.parametrize(
    ("step", "status"), [("PRE", "ready"), ("RUN", "trapped"), ("RUN", "pending_approval")]
)
def test_an_active_job_is_never_removed(step: str, status: str) -> None:
    policy(keep_days=1)
    JobFactory.at(step, status, now=ago(100))
    assert going() == set()


def there(environment: Environment, project: Project) -> int | None:
    """Return the number of the job that brought what is deployed there."""
    found = deployments.deployed(environment.pk, project.pk)
    return found.job if found else None


def test_what_ended_less_than_a_day_ago_stays() -> None:
    policy(keep_jobs=1)
    rule, environment = RuleFactory.create(), EnvironmentFactory.create()
    for _ in range(3):
        ended(0.5, rule=rule, environment=environment)
    assert going() == set()


def test_what_is_deployed_and_what_was_before_stay() -> None:
    policy(keep_days=1)
    policy("log", keep_days=1)
    rule, environment, project = RuleFactory.create(), EnvironmentFactory.create(), ProjectFactory.create()
    jobs = [
        ended(100 - n, "finished", rule=rule, environment=environment, project=project) for n in range(30)
    ]
    assert there(environment, project) == jobs[-1].pk
    # The twenty by which progress is measured keep nothing but themselves.
    assert going() == {job.pk for job in jobs[:10]}
    for job in jobs:
        append_entry(job.pk, 1, "RUN", "info", "There.")
    assert going("log") == {job.pk for job in jobs[10:-2]}
    Job.objects.filter(pk=jobs[-1].pk).update(rollback=RollbackState.SUCCEEDED)
    assert there(environment, project) == jobs[-2].pk
    assert not going("log") & {jobs[-2].pk, jobs[-3].pk}


def test_a_job_that_backs_another_out_stays_as_long_as_that_one() -> None:
    policy(keep_days=1)
    environment, project = EnvironmentFactory.create(), ProjectFactory.create()
    first = ended(100, "finished", environment=environment, project=project)
    own = [("v1.0.0", JobRevision.objects.get(job=first).sha)]
    back = ended(50, "finished", environment=environment, project=project, type=JobType.DEMOTE, revisions=own)
    for days in (90, 2):
        for _ in range(25):
            ended(days, "finished", rule=back.rule, environment=environment)
    assert there(environment, project) is None
    assert back.pk not in going()
    Job.objects.filter(pk=first.pk).delete()
    assert back.pk in going()


def test_a_job_on_hold_stays_until_it_is_released() -> None:
    policy(keep_days=1)
    job = ended(10)
    actor = Actor(user_with(Right.VIEW_MONITOR, Right.DELETE), "page")
    every_action()["hold"].execute(job.pk, actor=actor, now=NOW, comment="An audit looks at it.")
    assert going() == set()
    hold = JobHold.objects.get(job=job)
    assert (hold.held_by, hold.comment) == (actor.user.get_username(), "An audit looks at it.")
    walk_all()
    every_action()["release"].execute(job.pk, actor=actor, now=NOW)
    assert going() == {job.pk}
    with pytest.raises(TransitionNotAllowed, match="release is not possible"):
        every_action()["release"].execute(job.pk, actor=actor, now=NOW)
    records = AuditRecord.objects.filter(job_id=job.pk).order_by("id").values_list("action", "comment")
    assert list(records) == [("hold", "An audit looks at it."), ("release", "")]


def test_a_removed_job_leaves_its_audit_and_an_event_and_nothing_else() -> None:
    rule = policy(keep_days=3)
    job = ended(10)
    append_entry(job.pk, 1, "RUN", "info", "There.")
    walk_all()
    assert not Job.objects.filter(pk=job.pk).exists()
    assert not LogChunk.objects.filter(job_id=job.pk).exists()
    assert not StepRun.objects.filter(job_id=job.pk).exists()
    record = AuditRecord.objects.get(job_id=job.pk)
    assert (record.action, record.source, record.job_name, record.user) == ("delete", "daemon", job.name, "")
    assert record.comment == f"retention policy {rule}, kept 3 days."
    assert Event.objects.filter(kind="deleted", job_id=job.pk).count() == 1
    assert RetentionState.objects.get().jobs == 1


def test_a_log_goes_with_a_word_in_its_place_and_goes_again_only_when_there_is_more() -> None:
    policy("log", keep_days=3)
    job = ended(10)
    for _ in range(3):
        append_entries(job.pk, 1, "RUN", [("info", "One."), ("info", "Two.")])
    walk_all()
    texts = [entry.text for entry in read_entries(job.pk).entries]
    assert texts == ["The log was removed: retention policy log of * × * × any, kept 3 days."]
    assert JobTrim.objects.get(job=job).log_upto == 6
    assert AuditRecord.objects.filter(job_id=job.pk, action="remove_log", source="daemon").count() == 1
    assert going("log") == set()
    append_entry(job.pk, 1, "RUN", "comment", "Somebody says more.")
    assert going("log") == {job.pk}


def test_a_log_that_is_too_long_goes_bit_by_bit_before_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MOST_CHUNKS", 2)
    policy(keep_days=3)
    job = ended(10)
    for _ in range(5):
        append_entry(job.pk, 1, "RUN", "info", "There.")
    removal.remove([job.pk], NOW)
    assert LogChunk.objects.filter(job=job).count() == 6
    counts = []
    while removal.drain():
        counts.append(LogChunk.objects.filter(job=job).count())
    assert counts == [4, 2, 1]
    removal.remove([job.pk], NOW)
    assert not Job.objects.filter(pk=job.pk).exists()


def test_a_job_goes_behind_the_last_line_of_its_log_and_not_in_the_next_walk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removal, "MOST_CHUNKS", 2)
    policy(keep_days=3)
    long, held = ended(10), ended(10)
    for job in (long, held):
        append_entries(job.pk, 1, "RUN", [("info", "There.")])
        append_entries(job.pk, 1, "RUN", [("info", "More.")])
    removal.remove([long.pk, held.pk], NOW)
    JobHold.objects.create(job=held, held_by="ana", comment="For the auditors.", held_at=NOW)
    walk.begin()
    while walk.serve(5):
        pass
    assert list(Job.objects.values_list("pk", flat=True)) == [held.pk]
    assert RetentionState.objects.get().jobs == 1


def test_disk_is_looked_at_when_the_logs_that_go_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MOST_CHUNKS", 2)
    policy(keep_days=3)
    job = ended(10)
    for _ in range(3):
        append_entry(job.pk, 1, "RUN", "info", "There.")
    left: list[int] = []

    def give_back(*_: object) -> bool:
        left.append(LogChunk.objects.count())
        return False

    monkeypatch.setattr(disk, "give_back", give_back)
    walk_all()
    assert left == [0]


def test_a_walk_goes_on_where_the_last_step_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "WINDOW", 2)
    monkeypatch.setattr(removal, "AT_ONCE", 1)
    policy(keep_days=3)
    jobs = [ended(10) for _ in range(5)]
    left = []
    while walk.serve(0.000_001):
        left.append(Job.objects.filter(pk__in=[job.pk for job in jobs]).count())
        assert len(left) < 20
    # However little time it has, each step does a little.
    assert left == sorted(left, reverse=True)
    assert left[0] == 4
    walk_all()
    assert not Job.objects.filter(pk__in=[job.pk for job in jobs]).exists()


def test_a_walk_begins_again_when_policies_have_changed_or_an_hour_is_over() -> None:
    policy(keep_days=30)
    job = ended(10)
    walk_all()
    first = RetentionState.objects.get().began_at
    walk.serve(5)
    assert RetentionState.objects.get().began_at == first
    policy(rule=job.rule, keep_days=5)
    walk.serve(5)
    assert not Job.objects.filter(pk=job.pk).exists()


def test_the_cost_of_a_window_does_not_grow_with_its_jobs() -> None:
    policy(keep_days=3)
    rule, environment, project = RuleFactory.create(), EnvironmentFactory.create(), ProjectFactory.create()
    counts = []
    for number in (2, 12):
        jobs = [ended(10, rule=rule, environment=environment, project=project) for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            removal.remove([job.pk for job in jobs], NOW)
        counts.append(len(queries))
        assert not Job.objects.filter(pk__in=[job.pk for job in jobs]).exists()
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"removes": "everything"},
        {"removes": "job", "outcome": "odd"},
        {"removes": "job", "keep_days": 0},
        {"removes": "job", "keep_days": 36_501},
        {"removes": "job", "keep_jobs": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_no_row(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RetentionPolicy.objects.create(**fields)
    with pytest.raises(ValidationError):
        RetentionPolicy(**fields).full_clean()


def test_there_is_one_policy_for_the_same_jobs_also_where_any_is_meant() -> None:
    policy("log", keep_days=3)
    with pytest.raises(IntegrityError, match="retention_policy_once"), transaction.atomic():
        policy("log", keep_jobs=3)
    policy("job", keep_jobs=3)
    policy("log", environment=EnvironmentFactory.create(), keep_jobs=3)


def test_there_is_one_state_and_a_log_that_goes_has_lines() -> None:
    with pytest.raises(IntegrityError, match="retention_state_is_one_row"), transaction.atomic():
        RetentionState.objects.create(pk=2, next_at=NOW)
    with pytest.raises(IntegrityError, match="job_trim_log_left_of_something"), transaction.atomic():
        JobTrim.objects.create(job=ended(1), log_left=True)


def test_policies_go_with_what_they_are_about() -> None:
    environment, rule = EnvironmentFactory.create(), RuleFactory.create()
    policy(environment=environment, keep_days=3)
    policy(rule=rule, keep_days=3)
    Environment.objects.filter(pk=environment.pk).delete()
    Rule.objects.filter(pk=rule.pk).delete()
    assert not RetentionPolicy.objects.exists()
