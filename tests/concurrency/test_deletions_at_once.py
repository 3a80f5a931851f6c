"""Of two who change and delete the same thing at once one is told that it is gone, or that it changed; neither is a defect."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db.models import Model

from jobs.models import Nature
from permissions.models import Environment, User
from tests.api import Answer, Api
from tests.concurrency.test_configuration_at_once import meanwhile
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db: None) -> Api:
    return Api(User.objects.create_superuser("root"))


def patched(api: Api, path: str, body: object) -> Callable[[], Answer]:
    return lambda: api.call("PATCH", path, json.dumps(body))


def test_what_is_deleted_meanwhile_is_not_changed(root: Api) -> None:
    for path, body, thing in (
        ("groups/ops/", {"members": ["root"]}, GroupFactory.create(name="ops")),
        ("users/ana/", {"email": "a@example.com"}, UserFactory.create(username="ana")),
        ("natures/web/", {"name": "Web"}, Nature.objects.create(code="web", name="w", include=["*"])),
        ("environments/DEV/", {"name": "Dev"}, EnvironmentFactory.create(code="DEV")),
    ):
        meanwhile(patched(root, path, body), thing.delete).problem(404, "not_found")


def test_the_second_who_deletes_is_told_so_and_leaves_no_history(root: Api) -> None:
    for path, thing in (
        ("groups/ops/", GroupFactory.create(name="ops")),
        ("natures/web/", Nature.objects.create(code="web", name="w", include=["*"])),
    ):
        meanwhile(functools.partial(root.call, "DELETE", path), thing.delete).problem(404, "not_found")
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("gone", [Group, User, Environment])
def test_nothing_is_granted_to_or_on_what_is_deleted_meanwhile(root: Api, gone: type[Model]) -> None:
    things: dict[type[Model], Model] = {
        Group: GroupFactory.create(name="ops"),
        User: UserFactory.create(username="ana"),
        Environment: EnvironmentFactory.create(code="DEV"),
    }
    principal = "user:ana" if gone is User else "group:ops"
    body = {"principal": principal, "environment": "DEV", "rights": ["view_monitor"]}
    answer = meanwhile(lambda: root.post("grants/", body), things[gone].delete)
    answer.problem(409, "changed_meanwhile")
