"""What tests of the engine share: rules from a few lines, jobs created as a person does, and waiting for them."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from jobs import creation, runner
from jobs.actions.create import ask, request_for
from jobs.actions.lookup import make_plan
from jobs.audit import Actor
from jobs.lifecycle import ENDED
from jobs.log.reader import read_entries
from jobs.models import CreationRequest, Job
from jobs.wishes import Wish
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from tests.factories import EnvironmentFactory, UserFactory
from tests.waiting import until

ENDED_VALUES = {status.value for status in ENDED}


def rule(slug: str, steps: str) -> str:
    """Publish a rule with these steps and return its slug."""
    source = f"name: {slug}\nsteps:\n{textwrap.indent(textwrap.dedent(steps).strip(), '  ')}\n"
    publish_rule(source=source, author=None, comment="", now=timezone.now())
    return slug


def setting() -> tuple[Environment, Actor]:
    """Return an environment DEV and a superuser who asks through the API."""
    user: User = UserFactory.create(is_superuser=True)
    return EnvironmentFactory.create(code="DEV"), Actor(user, "api")


def create(rule_slug: str, actor: Actor, **wish: Any) -> Job:
    """Create a job in DEV and return it as the asker gets it."""
    wanted = Wish(rule=rule_slug, environment="DEV", **wish)
    return ask(request_for(wanted, actor, timezone.now(), uuid.uuid4()))


def ended(job: Job, seconds: float = 30) -> Job:
    """Wait until the job has ended and return it."""

    def look() -> Job | None:
        job.refresh_from_db()
        return job if job.status in ENDED_VALUES else None

    return until(look, seconds, f"the end of {job.name}, which is at {job.step} / {job.status}")


def at(job: Job, step: str, status: str, seconds: float = 30) -> Job:
    """Wait until the job is at ``step`` / ``status``."""

    def look() -> bool:
        job.refresh_from_db()
        return (job.step, job.status) == (step, status)

    until(
        look, seconds, f"{job.name} at {step} / {status}, which is at {job.step} / {job.status}: {job.reason}"
    )
    return job


def log_of(job: Job) -> list[str]:
    """Return the texts of the job's whole log."""
    return [entry.text for entry in read_entries(job.pk, limit=5000).entries]


def lines(path: Path) -> list[str]:
    """Return the lines of a file that processes append to; none while it is not there."""
    return path.read_text().splitlines() if path.exists() else []


def serve(slug: str, variables: Mapping[str, Any] | None = None) -> CreationRequest:
    """Ask for a job as the web process does, with variables of its own, and serve the request in this process."""
    _, actor = setting()
    now = timezone.now()
    plan = make_plan(Wish(rule=slug, environment="DEV", variables=dict(variables or {})), actor, now)
    request = CreationRequest.objects.create(
        wish=plan.to_data(),
        actor=actor.user,
        source="api",
        created_at=now,
        deadline=now + timedelta(seconds=10),
    )
    creation.serve(str(request.pk), "test")
    request.refresh_from_db()
    return request


def job_of(request: CreationRequest) -> Job:
    """Return the job that a request made."""
    assert request.job_id is not None
    return Job.objects.get(pk=request.job_id)


def run_all() -> None:
    """Run all due jobs in this process."""
    while (job := runner.take_due("test")) is not None:
        runner.run(job)
