"""What one door refuses as a name all refuse: documents, with the line; the API; the forms of the administration."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.db import models
from django.test import RequestFactory
from django.utils import timezone

from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.problems import ConfigurationInvalid
from jobs.models import Nature, Project, Schedule, Secret, Subscription
from permissions.models import Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, RuleFactory

pytestmark = pytest.mark.django_db

LINES: Final = ("a\nb", "a\u202eb")
CODES: Final = ("a b", "a/b", "..", "x" * 51)


@dataclass(frozen=True, slots=True)
class Door:
    """A kind, by its key in documents and in the API.

    Attributes:
        model: Its rows.
        names: What no thing of the kind may be called.
        column: Where the name stands.
        more: What else a thing of the kind needs.
        in_api: Whether the API writes it, too.
    """

    model: type[models.Model]
    names: tuple[str, ...]
    column: str = "name"
    more: dict[str, Any] = field(default_factory=dict)
    in_api: bool = True


_SCHEDULE: Final = {"owner": "root", "rule": "web", "environment": "PROD", "cron": "@daily"}
DOORS: Final = {
    "environments": Door(Environment, CODES, "code"),
    "projects": Door(Project, CODES, "code"),
    "natures": Door(Nature, CODES, "code", {"include": ["*"]}),
    "schedules": Door(Schedule, CODES, more=_SCHEDULE),
    "groups": Door(Group, ("..", "x" * 151)),
    "users": Door(User, ("a b", "..", "x" * 151), "username"),
    "subscriptions": Door(Subscription, (*LINES, "x" * 101), more={"addresses": ["a@example.org"]}),
    # Values are in no document, and no answer of the API.
    "secrets": Door(Secret, ("a b", "a-b", "if", "x" * 65), in_api=False),
}
"""Without semaphores, which operations call as they like, and rules, whose sources are the same at every door."""


@pytest.mark.parametrize("key", DOORS)
def test_what_one_door_refuses_all_refuse(key: str, rf: RequestFactory) -> None:
    door = DOORS[key]
    root = User.objects.create_superuser("root")
    EnvironmentFactory.create(code="PROD")
    RuleFactory.create(slug="web")
    before = door.model._base_manager.count()
    items = [json.dumps({**door.more, door.column: name}) for name in door.names]
    document = "\n".join([f"{key}:", *(f"  - {item}" for item in items)])
    with pytest.raises(ConfigurationInvalid) as found:
        apply_documents([Source("site.yaml", document, Path())], now=timezone.now())
    lines = {problem.place.line for problem in found.value.problems}
    assert lines == set(range(2, 2 + len(items))), found.value
    request, api = rf.get("/"), Api(root)
    request.user = root
    form = site.get_model_admin(door.model).get_form(request)
    for name, item in zip(door.names, items, strict=True):
        assert door.column in form(data={door.column: name}).errors, name
        if door.in_api:
            assert api.call("POST", f"{key}/", item).field_errors().keys() == {door.column}, name
    assert door.model._base_manager.count() == before


def test_blanks_at_the_ends_which_forms_take_away_are_in_no_document() -> None:
    items = '{name: " a", addresses: [a@example.org]}'
    with pytest.raises(ConfigurationInvalid, match="without blanks at its ends"):
        apply_documents([Source("site.yaml", f"subscriptions:\n  - {items}\n", Path())], now=timezone.now())
