"""Section 10 under fire: Schemathesis asks everything as an administrator, with few rights, and as nobody."""

from __future__ import annotations

from typing import Any, Final

import pytest
from pytest_django.fixtures import Settings

from jobs.models import Job
from permissions import tokens
from permissions.models import User
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    user_with,
)

pytestmark = pytest.mark.django_db

OF_NOBODY: Final = {
    *(("GET /api/schema/", status) for status in (200, 304, 400, 406)),
    ("GET /healthz", 200),
    ("GET /readyz", 503),
}
"""What is there for everybody; no worker is, in these tests."""


@pytest.fixture
def known(settings: Settings, broker: str) -> dict[str, list[Any]]:
    """A small world, and what can be named in it."""
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 0.05
    settings.CLARIVE_API_RATE = None
    dev, prod = EnvironmentFactory.create(code="DEV"), EnvironmentFactory.create(code="PROD")
    project, rule = ProjectFactory.create(code="shop"), RuleFactory.create(slug="web")
    NatureFactory.create(code="python")
    # None that waits for an answer: these jobs have no operations, and an answer is written to one.
    places = [("RUN", "ready"), ("PRE", "running"), ("END", "finished"), ("END", "error")]
    jobs = [
        JobFactory.at(step, status, environment=environment, project=project, rule=rule)
        for step, status in places
        for environment in (dev, prod)
    ]
    return {
        "job_id": [job.pk for job in jobs],
        "environment": ["DEV", "PROD"],
        "project": ["shop"],
        "rule": ["web"],
        "slug": ["web"],
        "code": ["DEV", "shop", "python"],
        "username": [UserFactory.create(username="somebody").username],
        "principal": ["user:somebody"],
    }


def few_rights() -> User:
    dev = Job.objects.filter(environment__code="DEV").earliest("pk").environment
    return user_with("view_monitor", "create", environments=[dev], username="vera")


@pytest.mark.parametrize("who", ["administrator", "few rights", "nobody"])
def test_whatever_is_asked_is_answered_as_described(who: str, known: dict[str, list[Any]]) -> None:
    # Importing it takes longer than all tests of a usual file.
    from tests.fuzzing import Fuzz

    headers = {}
    if who != "nobody":
        user = few_rights() if who == "few rights" else UserFactory.create(is_superuser=True)
        headers = {"Authorization": f"Bearer {tokens.issue(user)}"}
    fuzz = Fuzz(headers, known)
    fuzz.run()
    assert not fuzz.failures, "\n\n".join(f"{name}\n{text}" for name, text in fuzz.failures.items())
    answered = {status for _, status in fuzz.statuses}
    if who == "nobody":
        strange = {each for each in fuzz.statuses if each[1] not in {401, 404, 405}} - OF_NOBODY
        assert strange == set()
    else:
        assert {200, 400} <= answered
