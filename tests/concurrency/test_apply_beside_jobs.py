"""While documents are applied jobs are created and schedules run: neither waits for the other, or both for each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import schedules
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.export import export_text
from jobs.configuration.kinds.projects import Projects
from jobs.models import AuditRecord, Job, Project, Schedule, ScheduleRun, Semaphore, WorkerSeen
from permissions.models import Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, RuleFactory, ScheduleFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
SECONDS = 5


def apply(text: str, *, dry_run: bool = False) -> list[str]:
    return apply_documents([Source("site.yaml", text, Path())], now=timezone.now(), dry_run=dry_run)


def begun(pool: ThreadPoolExecutor, what: Callable[[], Any]) -> Future[Any]:
    """Do something in a thread of its own, whose connection must not outlive it."""

    def run() -> Any:
        try:
            return what()
        finally:
            connection.close()

    return pool.submit(run)


def wait_for_who_waits_here() -> None:
    """Return once somebody waits for a row that this connection holds."""
    deadline = time.monotonic() + 20
    query = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waits.")


@pytest.fixture
def owner(transactional_db: None) -> User:
    """Return whose jobs and schedules these are; there is all that they refer to, and a worker to run them."""
    now = timezone.now()
    WorkerSeen.objects.create(name="a@h", host="h", pid=1, queues=["create"], started_at=now, seen_at=now)
    owner = User.objects.create_superuser("root")
    shop, rule = ProjectFactory.create(code="shop"), RuleFactory.create(slug="web")
    environment = EnvironmentFactory.create(code="PROD", position=1)
    ScheduleFactory.create(name="nightly", owner=owner, rule=rule, environment=environment, project=shop)
    return owner


def create_jobs(owner: User) -> tuple[int, int]:
    """Create a job as a person does, and one by the clock; return the answer's status, and how many runs were taken up."""
    body = {"rule": "web", "environment": "PROD", "project": "shop"}
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(seconds=1))
    return Api(owner).call("POST", "jobs/", json.dumps(body)).status, schedules.serve("a@h/1")


@pytest.mark.parametrize("moved", [True, False], ids=["changed", "nothing to change"])
def test_jobs_are_created_while_documents_are_being_applied(owner: User, moved: bool) -> None:
    document = export_text(["projects", "rules", "environments", "users"])
    if moved:
        document = document.replace("order: 1\n", "order: 2\n")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert apply(document) == (["changed environment PROD: order"] if moved else [])
            # What a run of apply holds is held now, and until this block ends.
            # The clock leaves out schedules that somebody else holds, so they are not in this document.
            assert begun(pool, lambda: create_jobs(owner)).result(SECONDS) == (201, 1)
        assert Job.objects.count() == 2
    assert ScheduleRun.objects.get().result == ScheduleRun.Result.CREATED


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "apply"])
def test_documents_are_applied_while_a_job_is_being_created(owner: User, dry_run: bool) -> None:
    document = export_text().replace("order: 1\n", "order: 2\n")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        schedule = Schedule.objects.get()
        JobFactory.create(
            environment=schedule.environment, project=schedule.project, rule=schedule.rule, created_by=owner
        )
        ScheduleRun.objects.create(schedule=schedule, due_at=timezone.now(), look_at=timezone.now())
        connection.check_constraints()  # as at the end of its transaction, which comes with this block's
        found = begun(pool, lambda: apply(document, dry_run=dry_run)).result(SECONDS)
        assert found == ["changed environment PROD: order"]
    assert Environment.objects.get().position == (1 if dry_run else 2)
    assert Job.objects.count() == 1


def test_semaphores_are_taken_in_the_order_in_which_jobs_take_them(transactional_db: None) -> None:
    first, second = (Semaphore.objects.create(name=name, slots=1) for name in ("first", "second"))
    document = "semaphores:\n  - {name: second, slots: 2}\n  - {name: first, slots: 2}\n"
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Semaphore.objects.select_for_update().get(pk=first.pk)
            applied = begun(pool, lambda: apply(document))
            wait_for_who_waits_here()
            # This would wait for apply, and apply waits for this.
            Semaphore.objects.select_for_update(nowait=True).get(pk=second.pk)
        assert applied.result(SECONDS) == [
            "changed semaphore second: slots",
            "changed semaphore first: slots",
        ]


def test_a_run_that_the_database_takes_back_is_made_anew(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = "environments:\n  - {code: PROD, order: 2}\nprojects:\n  - {code: shop, name: New, variables: {a: 1}}\n"
    tries: list[Any] = []
    save = Projects.save

    def counted(*given: Any) -> None:
        tries.append(given)
        save(*given)

    monkeypatch.setattr(Projects, "save", counted)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '20s'")  # so that the other one is taken back
            Project.objects.select_for_update().get(code="shop")
            applied = begun(pool, lambda: apply(document))
            wait_for_who_waits_here()
            Environment.objects.filter(code="PROD").update(name="Meanwhile")
        assert applied.result(20) == [
            "changed environment PROD: order",
            "changed project shop: name, variables",
        ]
    assert len(tries) == 2
    assert AuditRecord.objects.filter(action__startswith="change").count() == 2
    assert Environment.objects.values_list("name", "position").get() == ("Meanwhile", 2)
