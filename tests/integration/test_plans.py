"""Lists against a seeded past: the same answers as a plain walk, and plans whose work does not grow with the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Q
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from bench import plans
from jobs import filters, keyset, list_dates, list_rows, lists, selectors
from jobs.models import Job
from jobs.representation import represent_job
from permissions.models import Environment, User
from tests.factories import user_with

JOBS = 800
SEEN = ("DEV2", "QA", "PROD")
LIMIT = 7
QUERIES = (
    *plans.LISTS.values(),
    "status=running", "status=error&status=abend&project=shop-002", "environment=PROD&environment=DEV", "project=nowhere",
    "nature=nature-py&nature=nature-sql", "type=demote&type=static", "step=INIT", "step=PRE&step=END", "q=invoices",
    "q=CHG-0", "q=nowhere", "q=main", "q=12", "q=invoices+PROD", "q=99%25", "exclude_step=END", "exclude_type=promote",
    "exclude_status=error", "exclude_environment=PROD", "exclude_project=shop-001", "exclude_nature=nature-py",
    "exclude_rule=deploy-01", "status=error&exclude_status=error", "rule=deploy-01&exclude_rule=deploy-01",
    "&".join(f"exclude_rule=deploy-{number:02d}" for number in range(1, 49)),
    "&".join(f"exclude_created_by=maker{number:02d}" for number in range(1, 39)),
    "created_before=2025-06-01T00:00:00Z", "created_after=2026-01-01T00:00:00Z", "finished_before=2024-09-01T00:00:00Z",
    "scheduled_after=2025-01-01T00:00:00Z&scheduled_before=2025-02-01T00:00:00Z", "started_after=2030-01-01T00:00:00Z",
    "ordering=id", "ordering=started_at&status=running&status=ready", "ordering=-finished_at&type=demote",
)  # fmt: skip
_SAME = (
    "name", "type", "status", "step", "outcome", "reason", "attempt", "urgent", "comment", "created_at", "scheduled_at",
    "max_start_at", "started_at", "run_began_at", "finished_at", "rollback", "percent",
)  # fmt: skip
"""What a row has under the name that the job has it under."""


@pytest.fixture(scope="module")
def past(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A past to look at, made once; all of it is taken back at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("seed_history", jobs=JOBS, until="2026-11-01T00:00:00+00:00", yes=True, verbosity=0)
        with connection.cursor() as cursor:
            # Of tables that others have emptied the planner may know no better than that they have one row.
            cursor.execute("ANALYZE")
        # What is deferred until the end of the transaction would be looked at anew at the end of each test.
        connection.check_constraints()
        yield
        transaction.set_rollback(True)


@pytest.fixture
def reader(past: None, db: None) -> User:
    """Somebody who sees three environments."""
    return user_with("view_monitor", environments=Environment.objects.filter(code__in=SEEN))


@pytest.fixture
def administrator(past: None, db: None) -> User:
    """Somebody who sees all of them."""
    return user_with("view_monitor", username="sees-all")


def read(query: str) -> tuple[selectors.JobFilter, keyset.Ordering]:
    parameters = {name: [str(each) for each in values] for name, values in QueryDict(query).lists()}
    ordering = filters.parse_ordering(parameters.pop("ordering", []))
    return filters.parse_filter(parameters), ordering


def test_lists_walk_through_the_same_jobs_as_plain_queries(reader: User, administrator: User) -> None:
    for user in (reader, administrator):
        for query in QUERIES:
            compare(user, query)


def compare(user: User, query: str) -> None:
    narrowed, ordering = read(query)
    wanted = lists.Wanted(selectors.seen_environments(user), narrowed)
    plain = selectors.visible_jobs(user).filter(narrowed.condition())

    def same(cursor: keyset.Cursor | None) -> keyset.Page[Any]:
        ours, theirs = (
            lists.page(wanted, ordering, cursor, LIMIT),
            keyset.page(plain, ordering, cursor, LIMIT),
        )
        assert [place.number for place in ours.rows] == [job.pk for job in theirs.rows], query
        assert (ours.next, ours.previous) == (theirs.next, theirs.previous), query
        return ours

    second = same(None).next
    if second is not None:
        back = same(second).previous
        assert back is not None
        same(back)


@pytest.mark.parametrize("most_strays", [list_dates.MOST_STRAYS, 1])
def test_where_many_jobs_have_a_date_their_list_is_the_same(
    administrator: User, monkeypatch: pytest.MonkeyPatch, most_strays: int
) -> None:
    monkeypatch.setattr(list_dates, "NEAR", 5)
    monkeypatch.setattr(list_dates, "MOST_STRAYS", most_strays)
    oldest, newest = [*Job.objects.order_by("pk")[3:9]], [*Job.objects.order_by("-pk")[2:5]]
    for job, days in (*((each, 1000) for each in oldest), *((each, -1000) for each in newest)):
        date = job.scheduled_at + timedelta(days=days)
        Job.objects.filter(pk=job.pk).update(scheduled_at=date, max_start_at=date, started_at=None)
    for query in (
        "scheduled_before=2024-06-01T00:00:00Z",
        "scheduled_before=2024-06-01T00:00:00Z&created_after=2026-06-01T00:00:00Z",
        "scheduled_after=2026-06-01T00:00:00Z&created_before=2025-01-01T00:00:00Z&q=CHG",
        "started_before=2025-01-01T00:00:00Z&status=error",
    ):
        compare(administrator, query)
    for field in ("created", "scheduled", "started", "finished"):
        query = f"{field}_after=2026-06-01T00:00:00Z"
        compare(administrator, query)
        narrowed, ordering = read(query)
        wanted = lists.Wanted(None, narrowed)
        last = lists.page(wanted, read(f"{query}&ordering=id")[1], None, LIMIT)
        assert last.rows, query
        here = lists.page(wanted, ordering, None, 1000)
        assert [row.number for row in here.rows[-LIMIT:]] == [row.number for row in last.rows[::-1]], query


def test_what_else_must_hold_narrows_a_list(reader: User) -> None:
    narrowed, ordering = read("status=error")
    first = lists.page(lists.Wanted(selectors.seen_environments(reader), narrowed), ordering, None, 1).rows[0]
    only = lists.Wanted(selectors.seen_environments(reader), narrowed, but=~Q(pk=first.number))

    assert first.number not in [place.number for place in lists.page(only, ordering, None, 50).rows]


def test_rows_read_by_one_statement_are_those_of_the_objects(administrator: User) -> None:
    newest = list(Job.objects.order_by("-id").values_list("pk", flat=True)[:80])
    objects = selectors.jobs_as_listed(newest)

    rows = list_rows.represented(newest)
    assert {row["status"] for row in rows} >= {"finished", "ready", "running", "trapped", "pending_approval"}
    assert rows == [represent_job(objects[number]) for number in newest]
    assert list_rows.represented([0, newest[0]]) == rows[:1]


def test_rows_of_pages_are_those_of_the_objects(administrator: User) -> None:
    newest = list(Job.objects.order_by("-id").values_list("pk", flat=True)[:80])
    foreseen = {"at": "2026-11-01T00:00:00+00:00", "current": [1.0, 2.0, 3.0], "rest": [30.0, 60.0, 90.0]}
    Job.objects.filter(status="ready").update(forecast=foreseen)
    objects, now = selectors.jobs_as_listed(newest), timezone.now()

    rows = list_rows.listed(newest)
    assert [row.pk for row in rows] == newest
    assert any(row.eta(now) for row in rows)
    for row in rows:
        job = objects[row.pk]
        environment = job.environment
        assert row == row._replace(
            **{name: getattr(job, name) for name in _SAME},
            rule=job.rule.slug,
            rule_version=job.rule_version.number,
            environment=environment.code,
            environment_name=environment.name,
            environment_colour=environment.colour,
            project=job.project.code if job.project else None,
            revisions=[[revision.ref, revision.sha] for revision in job.revisions.all()],
            natures=[[nature.code, nature.name] for nature in job.natures.all()],
            created_by=job.created_by.get_username(),
        )
        assert row.eta(now) == job.eta(now)
    assert list_rows.listed([0, newest[0]]) == rows[:1]


def test_a_list_reads_no_table_as_a_whole_and_sorts_a_few_rows_of_each_place(reader: User) -> None:
    with connection.cursor() as cursor:
        # Of so small a table the planner would read all; along which index it walks is only to be seen in docs/plans.md.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    for name, query in plans.LISTS.items():
        found = plans.plans_of_list(reader, query, limit=LIMIT)
        assert len(found) <= 2, name
        for plan in found:
            said = f"{name}: " + "\n".join(plans.written(plan))
            assert plan.whole_scans() == [], said
            assert plan.rows_sorted() <= len(SEEN) * (LIMIT + 1) * 12, said


def test_what_a_new_job_expects_is_read_from_the_last_twenty_whatever_has_finished(
    past: None, db: None
) -> None:
    model = Job.objects.filter(status="finished").earliest("id")
    Job.objects.filter(status="finished").update(rule=model.rule_id, environment=model.environment_id)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
    assert Job.objects.filter(status="finished").count() > 20 * 20
    here, *anywhere = plans.plans_of_usual(model.rule_id, model.environment_id)
    # Where none has finished it is one look more, at those of all environments.
    assert len(anywhere) == 2
    for plan in (here, *anywhere):
        said = "\n".join(plans.written(plan))
        assert plan.whole_scans() == [], said
        assert plan.rows_read() <= 20, said
        assert plan.rows_sorted() <= 20, said


def test_the_number_of_statements_does_not_depend_on_the_rows(reader: User) -> None:
    narrowed, ordering = read("")
    wanted = lists.Wanted(selectors.seen_environments(reader), narrowed)
    counted = []
    for limit in (1, 50):
        with CaptureQueriesContext(connection) as captured:
            page = lists.page(wanted, ordering, None, limit)
            list_rows.represented([place.number for place in page.rows])
        counted.append(len(captured))

    assert counted == [2, 2]


def test_a_worker_that_looks_for_work_looks_at_no_job_that_waits_for_its_date(past: None, db: None) -> None:
    expired = Job.objects.filter(due_at__lte=timezone.now()).count()
    tomorrow = timezone.now() + timedelta(days=1)
    Job.objects.filter(pk__in=Job.objects.filter(status="finished").order_by("pk")[:40]).update(
        due_at=tomorrow
    )
    assert looked_at() <= expired


def test_a_worker_takes_the_first_of_many_that_are_due_without_looking_at_the_others(
    past: None, db: None
) -> None:
    expired = Job.objects.filter(due_at__lte=timezone.now()).count()
    due = timezone.now() - timedelta(minutes=1)
    Job.objects.filter(pk__in=Job.objects.filter(status="finished").order_by("pk")[:40]).update(due_at=due)
    assert looked_at() <= 1 + expired


def looked_at() -> int:
    """Return how many jobs a worker's look for work looks at; it finds them along their index, in its order."""
    with connection.cursor() as cursor:
        # Of so small a table the planner would read all.
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = plans.plan_of_work()
    scans = [node for node in plan.nodes() if "Scan" in node["Node Type"]]
    assert [node["Index Name"] for node in scans] == ["job_due_order"], plans.written(plan)
    assert plan.rows_sorted() == 0
    return plan.rows_read()
