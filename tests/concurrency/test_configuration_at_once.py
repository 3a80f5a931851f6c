"""Whoever changes the configuration waits for whoever does already: forms, API and documents never mix."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.acting import COMMAND, acting_as
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.models import AuditRecord, Project, ProjectEnvironment
from permissions import locks
from permissions.models import Environment, User
from tests.api import Api
from tests.concurrency.test_apply_at_once import wait_for_a_waiter
from tests.factories import EnvironmentFactory, ProjectFactory
from tests.pages import Reader

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = "environments:\n  - {code: PROD, name: Production, order: 7}\n"


def apply(text: str) -> list[str]:
    return apply_documents([Source("site.yaml", text, Path())], now=timezone.now())


def meanwhile(other: Callable[[], Any], change: Callable[[], Any]) -> Any:
    """Let ``other`` begin while ``change`` is under way in a transaction; return what it says when both are done."""

    def run() -> Any:
        try:
            return other()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            locks.hold()
            found = pool.submit(run)
            wait_for_a_waiter()
            change()
        return found.result(timeout=20)


def test_of_two_documents_the_second_records_only_what_it_changed_itself() -> None:
    first = DOCUMENT.replace("order: 7", "order: 3")
    assert meanwhile(lambda: apply(DOCUMENT), lambda: apply(first)) == ["changed environment PROD: order"]
    records = AuditRecord.objects.order_by("id").values_list("action", "comment")
    assert list(records) == [
        ("create_environment", 'PROD: name "Production"; position 3'),
        ("change_environment", "PROD: position 3 → 7"),
    ]


def test_a_form_waits_for_a_document_and_says_what_it_changed_of_it() -> None:
    root = User.objects.create_superuser("root")
    environment = EnvironmentFactory.create(code="PROD", name="Old", position=1)
    sent = {
        "code": "PROD", "name": "By hand", "position": 1, "colour": environment.colour, "expiry": "1d",
        "expiry_urgent": "1h", "variables": "{}",
    }  # fmt: skip
    address = f"/admin/permissions/environment/{environment.pk}/change/"
    reader = Reader(root)
    answer = meanwhile(lambda: reader.post(address, sent), lambda: apply(DOCUMENT))
    assert answer.status_code == 302
    environment.refresh_from_db()
    assert (environment.name, environment.position) == ("By hand", 1)
    comments = list(AuditRecord.objects.order_by("id").values_list("source", "comment"))
    assert comments[0] == ("command", 'PROD: name "Old" → "Production"; position 1 → 7')
    assert comments[1][0] == "admin"
    assert 'name "Production" → "By hand"; position 7 → 1' in comments[1][1]


def test_the_api_changes_what_it_names_of_what_the_document_left() -> None:
    root = User.objects.create_superuser("root")
    environment = EnvironmentFactory.create(code="PROD")
    project = ProjectFactory.create(code="shop", name="Old")
    ProjectEnvironment.objects.create(project=project, environment=environment, variables={"a": 1})
    document = "projects:\n  - {code: shop, name: Shop, environments: {PROD: {variables: {a: 2}}}}\n"
    body = json.dumps({"environments": {"PROD": {"variables": {"b": 3}}}})
    api = Api(root)
    answer = meanwhile(lambda: api.call("PATCH", "projects/shop/", body).status, lambda: apply(document))
    assert answer == 200
    assert Project.objects.get().name == "Shop"
    assert ProjectEnvironment.objects.get().variables == {"b": 3}
    assert AuditRecord.objects.order_by("id").values_list("comment", flat=True)[2] == (
        "shop: variables in PROD (a, b)"
    )


def test_a_record_says_what_was_in_the_database_and_not_in_an_old_copy() -> None:
    environment = EnvironmentFactory.create(code="PROD", name="Old")

    def change_without_lock() -> None:
        Environment.objects.filter(pk=environment.pk).update(name="Other")
        connection.close()

    with ThreadPoolExecutor(1) as pool, acting_as(COMMAND):
        stale = Environment.objects.get(pk=environment.pk)
        pool.submit(change_without_lock).result(timeout=20)
        with transaction.atomic():
            stale.name = "New"
            stale.save()
    assert AuditRecord.objects.get().comment == 'PROD: name "Other" → "New"'
