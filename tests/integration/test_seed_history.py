"""``manage.py seed_history``: jobs as the product would have left them, nothing that is not asked for."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from jobs import selectors
from jobs.api.views import detail
from jobs.lifecycle import ACTIVE, ENDED
from jobs.log.reader import iter_text
from jobs.models import (
    Approval,
    Deployment,
    Event,
    Job,
    JobRevision,
    OperationRun,
    StepRun,
    Timing,
    Trap,
)
from permissions.models import Environment
from tests.factories import JobFactory, user_with

pytestmark = pytest.mark.django_db

BROKEN_KEYS = """
SELECT format('SELECT %L, count(*) FROM %s c LEFT JOIN %s p ON p.%I = c.%I WHERE c.%I IS NOT NULL AND p.%I IS NULL',
              conname, conrelid::regclass, confrelid::regclass, target.attname, own.attname, own.attname, target.attname)
FROM pg_constraint
JOIN pg_attribute own ON own.attrelid = conrelid AND own.attnum = conkey[1]
JOIN pg_attribute target ON target.attrelid = confrelid AND target.attnum = confkey[1]
WHERE contype = 'f' AND conparentid = 0 AND conrelid::regclass::text LIKE 'jobs\\_%'
"""


def seed(jobs: int = 150, **options: object) -> str:
    out = StringIO()
    call_command("seed_history", jobs=jobs, yes=True, stdout=out, **options)
    return out.getvalue()


def broken_keys() -> dict[str, int]:
    """Return how many rows refer to nothing, by foreign key: COPY as a replica looks at none."""
    with connection.cursor() as cursor:
        cursor.execute(BROKEN_KEYS)
        found = {}
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
            name, number = cursor.fetchone()
            found[name] = number
    return {name: number for name, number in found.items() if number}


def test_what_is_made_is_whole_and_writes_no_event() -> None:
    said = seed(logs=20)

    assert "jobs a second" in said
    assert Job.objects.count() == 150
    assert broken_keys() == {}
    assert not Event.objects.exclude(kind="rights").exists()
    active, ended = Job.objects.filter(status__in=ACTIVE), Job.objects.filter(status__in=ENDED)
    assert not JobRevision.objects.filter(job__in=ended, active=True).exists()
    assert not JobRevision.objects.filter(job__in=active, active=False).exists()
    assert (
        Job.objects.filter(status="pending_approval").count()
        == Approval.objects.filter(result="open").count()
    )
    assert (
        Job.objects.filter(status__startswith="trap").count() == Trap.objects.filter(closed_at=None).count()
    )
    assert all(table.objects.exists() for table in (StepRun, OperationRun, Timing))
    assert set(Deployment.objects.values_list("job_number", flat=True)) == set(
        Job.objects.filter(status="finished", project__isnull=False).values_list("pk", flat=True)
    )
    # The next job of somebody has a number of its own.
    assert JobFactory.create().pk > 150

    everybody = user_with("view_monitor")
    for job in active:
        assert detail(selectors.visible_job(everybody, job.pk), everybody)["status"] == job.status
    logged = ended.filter(log_lines__gt=0).first()
    assert logged is not None
    assert b"".join(iter_text(logged.pk)).count(b"\n") == logged.log_lines


def test_without_a_yes_nothing_is_done() -> None:
    with pytest.raises(CommandError, match=r"would make 150 .* Nothing was done"):
        call_command("seed_history", jobs=150)

    assert not Job.objects.exists()
    assert not Environment.objects.exists()


def test_a_database_with_jobs_is_refused_unless_told() -> None:
    JobFactory.create()

    with pytest.raises(CommandError, match=r"has jobs"):
        seed()
    assert Job.objects.count() == 1


def test_the_owner_of_the_tables_who_is_no_superuser_writes_no_event_either() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()
        cursor.execute("CREATE ROLE seeder")
        cursor.execute(f'GRANT "{owner}" TO seeder')
        cursor.execute("SET ROLE seeder")
        try:
            seed(jobs=60)
        finally:
            cursor.execute("RESET ROLE")

    assert Job.objects.count() == 60
    assert broken_keys() == {}
    assert not Event.objects.exclude(kind="rights").exists()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname IN ('job_event_of_new', 'log_event', 'contents_event')"
        )
        assert cursor.fetchall() == [("O",)]


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"logs": 101}, {"days": 0}, {"until": "yesterday"}])
def test_numbers_and_times_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(CommandError):
        seed(**wrong)  # type: ignore[arg-type]
