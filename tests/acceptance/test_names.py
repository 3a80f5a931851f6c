"""What people and things may be called, and what git is told, whichever door it comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone, translation

from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.problems import ConfigurationInvalid
from jobs.models import Project
from permissions.models import Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, UserFactory

pytestmark = pytest.mark.django_db

NOT_A_NAME: dict[str, Any] = {"a-b": 1}


@pytest.fixture
def root() -> Api:
    return Api(UserFactory.create(is_superuser=True, username="root"))


def refused(**document: Any) -> str:
    with translation.override("en"), pytest.raises(ConfigurationInvalid) as found:
        apply_documents([Source("site.yaml", json.dumps(document), Path())], now=timezone.now())
    return " ".join(each.message for each in found.value.problems)


def test_users_that_could_be_taken_for_another(root: Api) -> None:
    UserFactory.create(username="vera")
    for name in ("Vera", "\uff56\uff45\uff52\uff41"):
        root.post("users/", {"username": name}).problem(409, "name_taken")
    for name in (".", ".."):
        assert root.post("users/", {"username": name}).field_errors().keys() == {"username"}
        assert root.post("groups/", {"name": name}).field_errors().keys() == {"name"}
    assert root.post("users/", {"username": "\uff41\uff4e\uff41"}).json["username"] == "ana"
    assert "other letters' case" in refused(users=[{"username": "VERA"}])
    assert "Write it as vera" in refused(users=[{"username": "\uff56era"}])
    assert "more than dots" in refused(users=[{"username": ".."}])
    for name in ("..", "a\nb", " ops"):
        assert "more than dots" in refused(groups=[{"name": name}])
    assert not Group.objects.exists()


def test_control_characters_are_in_no_name(root: Api) -> None:
    for path, body, field in (
        ("users/", {"username": "ana", "first_name": "a\x1b[2Jb"}, "first_name"),
        ("environments/", {"code": "QA", "name": "a\nb"}, "name"),
        ("tokens/", {"name": "a\rb"}, "name"),
    ):
        assert root.post(path, body).field_errors().keys() == {field}
    assert "control characters" in refused(environments=[{"code": "QA", "name": "a\u202eb"}])
    assert "control characters" in refused(users=[{"username": "bob", "last_name": "a\u0007b"}])


def test_variables_have_names_that_rules_can_read(root: Api) -> None:
    dev = EnvironmentFactory.create(code="DEV", variables=NOT_A_NAME)
    for path, body in (
        ("environments/", {"code": "QA", "variables": NOT_A_NAME}),
        ("projects/", {"code": "shop", "variables": {"x" * 101: 1}}),
    ):
        assert root.post(path, body).field_errors().keys() == {"variables"}
    body = {"code": "shop", "environments": {"DEV": {"variables": NOT_A_NAME}}}
    assert root.post("projects/", body).field_errors().keys() == {"environments.DEV.variables"}
    assert "is not a name" in refused(environments=[{"code": "QA", "variables": NOT_A_NAME}])
    kept = json.dumps({"variables": {**NOT_A_NAME, "c": 2}})
    assert root.call("PATCH", "environments/DEV/", kept).status == 200, "what was there may stay"
    document = {"environments": [{"code": "DEV", "variables": {**NOT_A_NAME, "c": 3}}]}
    apply_documents([Source("site.yaml", json.dumps(document), Path())], now=timezone.now())
    assert Environment.objects.get(pk=dev.pk).variables["c"] == 3


@pytest.mark.parametrize("address", ["--upload-pack=touch /tmp/x", "ext::sh -c id", "odd://host/x", "a\nb"])
def test_git_is_given_no_options_and_no_programs(root: Api, address: str) -> None:
    body = {"code": "shop", "repository": address}
    assert root.post("projects/", body).field_errors().keys() == {"repository"}
    assert "address of a git repository" in refused(projects=[body])
    assert not Project.objects.exists()


def test_a_slash_too_many_or_too_few_is_a_problem() -> None:
    for path in ("/api", "/metrics/", "/healthz/"):
        answer = Client().get(path, follow=True)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_usual_addresses_are_fine(root: Api) -> None:
    addresses = (
        "/srv/git/shop",
        "git@host:shop.git",
        "https://u:p@host/shop",
        "ssh://git@host/x",
        "file:///srv/x",
        "",
    )
    for number, address in enumerate(addresses):
        assert root.post("projects/", {"code": f"p{number}", "repository": address}).status == 201
    assert User.objects.count() == 1
