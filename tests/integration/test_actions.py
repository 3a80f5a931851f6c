"""What every use-case on a job shares: visibility, rights, the table, what was seen, one audit record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from jobs import transitions
from jobs.actions.base import Asker, JobAction, Seen
from jobs.audit import Actor
from jobs.exceptions import JobChanged, JobNotFound, TransitionNotAllowed
from jobs.lifecycle import Event
from jobs.models import AuditRecord, Job
from jobs.transitions import Change
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import RightMissing
from permissions.models import User
from tests.factories import JobFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db


class Stop(JobAction):
    """A use-case as the real ones are."""

    key, right, event = "stop", Right.CANCEL, Event.CANCEL

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        transitions.apply(job, Change(self.event, now))


def stop(job: Job, user: User, **params: Any) -> Job:
    return Stop().execute(job.pk, actor=Actor(user, "api", "127.0.0.1"), now=timezone.now(), **params)


def test_what_is_done_leaves_one_record() -> None:
    job = JobFactory.at("RUN", "running")
    user = user_with(Right.VIEW_MONITOR, Right.CANCEL, environments=[job.environment])
    assert stop(job, user, comment="wrong window").status == "cancelled"
    record = AuditRecord.objects.get()
    assert (record.action, record.user, record.job_id, record.comment) == (
        "stop",
        user.username,
        job.pk,
        "wrong window",
    )
    assert (record.from_status, record.to_status, record.address) == ("running", "cancelled", "127.0.0.1")


def test_a_job_that_may_not_be_seen_is_not_there() -> None:
    job = JobFactory.at("RUN", "running")
    for user in (UserFactory.create(), user_with(Right.CANCEL, environments=[job.environment])):
        with pytest.raises(JobNotFound):
            stop(job, user)
    assert Job.objects.get(pk=job.pk).status == "running"


def test_a_missing_right_is_named_and_a_refusal_changes_nothing() -> None:
    job = JobFactory.at("END", "finished")
    viewer = user_with(Right.VIEW_MONITOR, environments=[job.environment])
    with pytest.raises(RightMissing, match=r"action\.job\.cancel"):
        stop(job, viewer)
    policy.grant(viewer, Right.CANCEL, job.environment)
    with pytest.raises(TransitionNotAllowed, match=f"{job.name} is at END / finished; stop"):
        stop(job, viewer)
    assert not AuditRecord.objects.exists()


def test_a_job_that_is_not_as_it_was_seen_is_left_alone() -> None:
    job = JobFactory.at("RUN", "running")
    user = user_with(Right.VIEW_MONITOR, Right.CANCEL)
    with pytest.raises(JobChanged, match="running in attempt 1"):
        stop(job, user, seen=Seen(1, "ready"))
    assert stop(job, user, seen=Seen(1, "running")).status == "cancelled"


@pytest.mark.parametrize(("step", "status", "may"), [("RUN", "running", True), ("END", "error", False)])
def test_what_may_be_done_is_what_is_accepted(step: str, status: str, may: bool) -> None:
    job = JobFactory.at(step, status)
    asker = Asker(UserFactory.create(), frozenset(Right))
    assert (Stop().refusal(job, asker, now=timezone.now()) is None) is may
