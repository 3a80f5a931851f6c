"""Section 8: what is where at an instant stays the answer about it, whatever happens later; see decision 92."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from random import Random
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from jobs import deployments
from jobs.choices import JobType
from jobs.deployments import Wanted
from jobs.lifecycle import Event, Step
from jobs.models import Deployment, Job
from jobs.transitions import Change, apply, lock
from permissions.models import User
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, happen

pytestmark = pytest.mark.django_db

SHAS = [character * 40 for character in "abcdef"]


@dataclass
class Entry:
    """What one job brought, and why it does not stand: ``undone``, or numbers of jobs that back it out."""

    job: int
    shas: set[str]
    gone: set[str | int] = field(default_factory=set)


@dataclass
class Place:
    """One environment and project as a pile of what was brought: the slow way to say what is there."""

    pile: list[Entry] = field(default_factory=list)

    def finish(self, job: Job, shas: set[str]) -> None:
        if job.type == JobType.DEMOTE:
            for entry in self.pile:
                if entry.shas & shas:
                    entry.gone.add(job.pk)
        else:
            self.pile.append(Entry(job.pk, shas))

    def undo(self, number: int) -> None:
        for entry in self.pile:
            entry.gone.discard(number)
            if entry.job == number:
                entry.gone.add("undone")

    @property
    def top(self) -> int | None:
        return next((entry.job for entry in reversed(self.pile) if not entry.gone), None)


class Story:
    """Lets things happen to jobs of one place, and asks after each what is there."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.environment, self.project = EnvironmentFactory.create(), ProjectFactory.create()
        self.reader: User = UserFactory.create(is_superuser=True)
        self.place, self.jobs = Place(), dict[int, set[str]]()
        self.answers: list[tuple[datetime, int | None]] = []

    def step(self) -> None:
        acts = [self.create, self.create, self.demote]
        if self.jobs:
            acts += [
                self.undo, self.fail_to_undo, self.rerun, self.rerun_and_be_undone, self.rerun_and_fail,
                self.rerun_post, self.rerun_pre_and_be_undone, self.delete,
            ]  # fmt: skip
        self.dice.choice(acts)()
        self.answers.append((timezone.now(), self.place.top))

    def create(self, kind: str = JobType.PROMOTE) -> None:
        shas = self.dice.sample(SHAS, self.dice.choice([1, 1, 2]))
        job = JobFactory.at(
            "END", "finished", environment=self.environment, project=self.project, type=kind,
            revisions=[(f"v{sha[0]}", sha) for sha in shas],
        )  # fmt: skip
        self.jobs[job.pk] = set(shas)
        self.place.finish(job, self.jobs[job.pk])

    def demote(self) -> None:
        self.create(JobType.DEMOTE)

    def undo(self) -> None:
        job = self.some()
        self.events(job, Event.ASK_ROLLBACK, Event.ASKED_UNDONE)
        if job.last_ran == Step.RUN:
            self.place.undo(job.pk)

    def fail_to_undo(self) -> None:
        self.events(self.some(), Event.ASK_ROLLBACK, Event.ASKED_UNDO_FAILED)

    def rerun(self) -> None:
        job = self.again(Step.RUN)
        self.events(job, Event.START, Event.STEP_OK, Event.START, Event.STEP_OK)
        self.place.finish(job, self.jobs[job.pk])

    def rerun_and_be_undone(self) -> None:
        job = self.again(Step.RUN)
        self.events(job, Event.START, Event.UNDO, Event.UNDONE, Event.START, Event.STEP_OK)
        self.place.undo(job.pk)

    def rerun_and_fail(self) -> None:
        self.events(self.again(Step.RUN), Event.START, Event.FAIL, Event.START, Event.STEP_OK)

    def rerun_post(self) -> None:
        """Nothing is brought by it, so what others brought since stays on top."""
        self.events(self.again(Step.POST), Event.START, Event.STEP_OK)

    def rerun_pre_and_be_undone(self) -> None:
        """PRE never touched the environment."""
        job = self.again(Step.PRE)
        self.events(job, Event.START, Event.UNDO, Event.UNDONE, Event.START, Event.STEP_OK)

    def delete(self) -> None:
        job = self.some()
        happen(job, Event.DELETE)
        del self.jobs[job.pk]

    def some(self) -> Job:
        return Job.objects.get(pk=self.dice.choice(sorted(self.jobs)))

    def again(self, step: Step) -> Job:
        job = self.some()
        with transaction.atomic():
            return apply(lock(job.pk), Change(Event.RERUN, timezone.now(), asked_step=step))

    def events(self, job: Job, *events: Event) -> None:
        for event in events:
            happen(job, event)

    def ask(self, at: datetime | None) -> int | None:
        found = deployments.places(
            self.reader, Wanted([self.environment.code], at=at), beyond=None, backward=False, inclusive=False, count=9
        )  # fmt: skip
        return found[0].brought.job if found else None


@pytest.mark.parametrize("seed", range(4))
def test_what_was_said_of_an_instant_is_said_ever_after(seed: int) -> None:
    story = Story(seed)
    for _ in range(20):
        story.step()
        assert story.ask(None) == story.answers[-1][1]
    for at, expected in story.answers:
        assert story.ask(at) == expected


def test_what_was_there_before_the_table_is_made_from_the_jobs() -> None:
    """All but what was undone: when that had been brought nobody knows any more."""
    place: dict[str, Any] = {"environment": EnvironmentFactory.create(), "project": ProjectFactory.create()}
    kept = JobFactory.at("END", "finished", revisions=[("v1", SHAS[0]), ("w1", SHAS[1])], **place)
    back = JobFactory.at("END", "finished", type=JobType.DEMOTE, **place)
    undone = JobFactory.at("END", "finished", **place)
    happen(undone, Event.ASK_ROLLBACK)
    happen(undone, Event.ASKED_UNDONE)
    JobFactory.at("END", "error", **place)
    JobFactory.at("RUN", "cancelled", **place)
    JobFactory.at("END", "finished", revisions=[], **place)
    fields = ("environment", "project", "at", "kind", "job_number", "job_name", "revisions", "shas")
    written = list(Deployment.objects.exclude(job_number=undone.pk).order_by("pk").values(*fields))
    assert [each["job_number"] for each in written] == [kept.pk, back.pk]
    Deployment.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(import_module("jobs.migrations.0028_deployments_kept").FROM_JOBS)
    for each in written:
        for revision in each["revisions"]:
            assert [revision.pop(name) for name in ("follows", "precedes")] == [None, None], "not known then"
    assert list(Deployment.objects.order_by("pk").values(*fields)) == written


def test_nobody_changes_what_was_written() -> None:
    JobFactory.at("END", "finished")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Deployment.objects.update(at=timezone.now())


def test_what_a_transaction_did_that_came_to_nothing_is_nowhere() -> None:
    job = JobFactory.at("POST", "running")
    with transaction.atomic():
        happen(job, Event.STEP_OK)
        assert Deployment.objects.exists()
        transaction.set_rollback(True)
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [({"kind": "moved"}, "deployment_kind_known"), ({"shas": []}, "deployment_of_something")],
)
def test_a_row_says_something_that_is_known(fields: dict[str, Any], constraint: str) -> None:
    row = {
        "environment": EnvironmentFactory.create(), "project": ProjectFactory.create(), "at": timezone.now(),
        "kind": "brought", "job_number": 1, "job_name": "N", "revisions": [], "shas": SHAS[:1], **fields,
    }  # fmt: skip
    with pytest.raises(DatabaseError, match=constraint), transaction.atomic():
        Deployment.objects.create(**row)
