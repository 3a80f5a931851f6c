"""What was taken from the asker while a job was checked counts as if it had been so at first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from jobs import creation
from jobs.actions.create import _answer, request_for
from jobs.api.errors import refusal_members
from jobs.audit import Actor
from jobs.models import CreationRequest, Job
from jobs.wishes import Wish
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.rights import Limits
from tests.engine import rule
from tests.factories import EnvironmentFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "create", environments=[dev], username="ana")


def answered(ana: User, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any]) -> dict[str, Any]:
    """Return what the asker is told when ``meanwhile`` happens while CHECK runs."""
    slug = rule("quick", "CHECK:\n  - log: x\nPRE:\n  - log: x")
    now = timezone.now()
    request = request_for(Wish(rule=slug, environment="DEV"), Actor(ana, "api"), now, uuid.uuid4())
    request.save(force_insert=True)
    monkeypatch.setattr(creation, "_check", lambda *_arguments: meanwhile())
    creation.serve(str(request.pk), "test")
    request.refresh_from_db()
    assert (request.state, Job.objects.exists()) == (CreationRequest.State.REFUSED, False)
    with pytest.raises(Exception) as refused:  # noqa: PT011
        _answer(request)
    return refusal_members(refused.value)


def test_a_right_that_was_taken(ana: User, dev: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answered(ana, monkeypatch, lambda: policy.set_rights(ana, dev, [Right.VIEW_MONITOR]))
    assert (said["code"], said["right"]) == ("right_missing", "action.job.create")


def test_an_environment_that_was_hidden(ana: User, dev: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answered(ana, monkeypatch, lambda: policy.set_rights(ana, dev, []))
    assert said["errors"] == [{"field": "environment", "message": "Unknown environment: DEV."}]


def test_an_environment_that_was_deleted(
    ana: User, dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = answered(ana, monkeypatch, dev.delete)
    assert said["errors"] == [{"field": "environment", "message": "Unknown environment: DEV."}]


def test_an_asker_who_was_made_inactive(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answered(ana, monkeypatch, lambda: User.objects.filter(pk=ana.pk).update(is_active=False))
    assert said["code"] == "authentication_failed"


def test_the_limits_of_a_token_count_too(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ana.limits = Limits.of(["view_monitor", "create"], ["DEV"])

    def renamed() -> None:
        Environment.objects.update(code="ELSEWHERE")

    said = answered(ana, monkeypatch, renamed)
    assert said["errors"] == [{"field": "environment", "message": "Unknown environment: DEV."}]
