"""Several administrators make the same grant, user, group or schedule, or take the last superusers away, at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import close_old_connections, connection

from permissions import policy
from permissions.catalog import Right
from permissions.models import User
from tests.api import Api
from tests.factories import EnvironmentFactory, GroupFactory, RuleFactory, UserFactory

AT_ONCE = 3


def at_once(ask: Callable[[int], int]) -> list[int]:
    """Return the statuses of requests that are sent at the same moment."""
    barrier = Barrier(AT_ONCE)

    def one(number: int) -> int:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            return ask(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(one, range(AT_ONCE)))


@pytest.mark.django_db(transaction=True)
def test_one_of_them_makes_it_and_the_others_are_told() -> None:
    dev, ops = EnvironmentFactory.create(code="DEV"), GroupFactory.create(name="ops")
    RuleFactory.create(slug="web")
    api = Api(UserFactory.create(is_superuser=True))
    rights = ("view_monitor", "cancel", "create")
    bodies: dict[str, Callable[[int], dict[str, Any]]] = {
        "grants": lambda number: {"principal": "group:ops", "environment": "DEV", "rights": [rights[number]]},
        "users": lambda number: {"username": "ana", "first_name": str(number)},
        "groups": lambda number: {"name": "night"},
        "schedules": lambda number: {
            "name": ("nightly", "NIGHTLY", "Nightly")[number],
            "rule": "web",
            "environment": "DEV",
            "cron": "@daily",
        },
    }
    for kind, body in bodies.items():
        statuses = at_once(lambda number, kind=kind, body=body: api.post(f"{kind}/", body(number)).status)  # type: ignore[misc]
        assert statuses == [201, 409, 409], kind
    assert len(policy.granted_on(ops, dev)) == 1
    assert len(api.walk("schedules/")) == 1

    (grant,) = api.walk("grants/")
    deleted = at_once(lambda number: api.call("DELETE", f"grants/{grant['id']}/").status)
    assert deleted == [204, 404, 404]
    assert policy.granted_on(ops, dev) == frozenset[Right]()


@pytest.mark.django_db(transaction=True)
def test_somebody_stays_who_may_do_everything() -> None:
    users = [UserFactory.create(is_superuser=True) for _ in range(AT_ONCE)]
    apis = [Api(user) for user in users]

    def give_up(number: int) -> int:
        body = '{"is_superuser": false}'
        return apis[number].call("PATCH", f"users/{users[number].username}/", body).status

    assert at_once(give_up) == [200, 200, 409]
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
