"""Sections 10 and 11: ``POST apply/`` is ``manage.py apply`` for administrators elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.models import AuditRecord, Project
from permissions.models import Environment, User
from rules.models import Rule
from tests.api import Answer, Api
from tests.factories import EnvironmentFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db

DOCUMENT = """
environments:
  - {code: QA, name: Quality, order: 2}
projects:
  - {code: shop, name: The shop}
"""
RULE = "name: deploy\nsteps:\n  RUN:\n    - log: there\n"


@pytest.fixture
def root() -> Api:
    return Api(UserFactory.create(is_superuser=True, username="root"))


def apply(api: Api, *texts: str, files: dict[str, str] | None = None, **options: Any) -> Answer:
    documents = [
        {"name": f"{place}.yaml", "text": text, "files": files or {}} for place, text in enumerate(texts)
    ]
    return api.post("apply/", {"documents": documents, **options})


def test_documents_are_applied_once_and_by_name(root: Api) -> None:
    done = apply(root, DOCUMENT)
    assert (done.status, done.json) == (
        200,
        {
            "dry_run": False,
            "changes": ["created environment QA", "created project shop"],
            "notes": [],
        },
    )
    assert Environment.objects.get().name == "Quality"
    records = AuditRecord.objects.order_by("id").values_list("user", "source", "address")
    assert set(records) == {("root", "api", "127.0.0.1")}
    assert apply(root, DOCUMENT).json["changes"] == []


def test_a_dry_run_changes_nothing(root: Api) -> None:
    assert apply(root, DOCUMENT, dry_run=True).json["changes"] == [
        "created environment QA",
        "created project shop",
    ]
    assert not Project.objects.exists()


def test_prune_removes_what_the_kinds_do_not_name(root: Api) -> None:
    EnvironmentFactory.create(code="OLD")
    assert "removed environment OLD" in apply(root, DOCUMENT, prune=True).json["changes"]
    assert [each.code for each in Environment.objects.all()] == ["QA"]


def test_mistakes_are_named_with_document_and_line_and_nothing_is_done(root: Api) -> None:
    broken = "environments:\n  - {code: DEV}\n  - {code: PROD, colur: red}\nprojekts: []\n"
    body = apply(root, DOCUMENT, broken).problem(400, "configuration_invalid")
    assert [(each["document"], each["line"], each["hint"]) for each in body["errors"]] == [
        ("1.yaml", 3, "Did you mean colour?"), ("1.yaml", 4, "Did you mean projects?"),
    ]  # fmt: skip
    assert body["detail"] == "2 mistakes, nothing was changed."
    assert not Environment.objects.exists()


def test_files_come_with_the_document_and_never_from_the_servers_disk(root: Api, tmp_path: Path) -> None:
    there = tmp_path / "deploy.yaml"
    there.write_text(RULE)
    document = f"rules:\n  - {{file: {there}}}\n"
    body = apply(root, document).problem(400, "files_missing")
    assert body["files"] == [{"document": 0, "file": str(there)}]
    assert not Rule.objects.exists()
    assert apply(root, document, files={str(there): RULE}).json["changes"] == ["rule deploy version 1"]
    wrong = apply(root, document, files={str(there): "name: deploy\nsteps:\n  RUN:\n    - lgo: x\n"})
    (mistake,) = wrong.problem(400, "configuration_invalid")["errors"]
    assert (mistake["document"], mistake["line"]) == (str(there), 4)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": [{"txt": "a"}]}, "documents[0].txt"),
        ({"documents": [{"text": "\x00"}]}, "documents[0].text"),
        ({"documents": [{"text": "", "files": {"a": 1}}]}, "documents[0].files.a"),
        ({"documents": [{"text": ""}, {"text": ""}]}, "documents"),
        ({"documents": [{"text": ""}], "dry_run": 1}, "dry_run"),
        ({"documents": [{"text": ""}], "dryrun": True}, "dryrun"),
    ],
)
def test_bad_bodies_name_what_is_wrong(root: Api, body: Any, field: str) -> None:
    assert field in root.post("apply/", body).field_errors()


def test_only_administrators_apply_and_none_with_a_limited_token(root: Api) -> None:
    dev = EnvironmentFactory.create(code="DEV")
    apply(Api(user_with("view_monitor", "create", environments=[dev])), DOCUMENT).problem(
        403, "permission_denied"
    )
    limited = Api(User.objects.get(username="root"), environments=["DEV"])
    apply(limited, DOCUMENT).problem(403, "permission_denied")
    apply(Api(), DOCUMENT).problem(401, "not_authenticated")
    assert not Project.objects.exists()


def test_the_same_key_applies_once(root: Api) -> None:
    body = {"documents": [{"text": DOCUMENT}]}
    first = root.post("apply/", body, **{"Idempotency-Key": "k"})
    again = root.post("apply/", body, **{"Idempotency-Key": "k"})
    assert again.json == first.json
    assert again.response["Idempotent-Replayed"] == "true"
