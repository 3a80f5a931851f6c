"""Puts made-up jobs into the database, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random
from typing import Final

from django.conf import settings
from django.db import InternalError, ProgrammingError, connection, transaction

from jobs.models import Deployment, Job
from jobs.seeding import details, rows
from jobs.seeding.copying import Table
from jobs.seeding.details import Details
from jobs.seeding.lives import Life, lives
from jobs.seeding.rows import Rows
from jobs.seeding.world import World, make_world

BATCH: Final = 20_000

_EVENT_TRIGGERS: Final = r"""
SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = ANY(%s::regclass[]) AND tgparentid = 0 AND proname LIKE 'jobs\_event\_%%'
"""
# As migration 0028 makes them of jobs that were there before.
_BROUGHT: Final = """
INSERT INTO jobs_deployment (environment_id, project_id, at, kind, job_number, job_name, revisions, shas)
SELECT job.environment_id, job.project_id, job.finished_at, CASE job.type WHEN 'demote' THEN 'backed_out' ELSE 'brought' END,
       job.id, job.name, own.brought, own.commits
FROM jobs_job job CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('ref', ref, 'sha', sha) ORDER BY position) AS brought,
           array_agg(sha ORDER BY position) AS commits
    FROM jobs_jobrevision WHERE job_id = job.id
) own
WHERE job.id >= %s AND job.id < %s AND job.status = 'finished' AND own.commits IS NOT NULL
ORDER BY job.finished_at, job.id
"""
_TABLES: Final = (
    rows.JOBS, rows.REVISIONS, rows.NATURES, rows.APPROVALS, rows.TRAPS, details.STEPS, details.OPERATIONS,
    details.CONTENTS, details.AUDIT, details.TIMINGS, details.LOGS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made.

    Attributes:
        jobs: How many.
        seed: The same one makes the same jobs, but for their numbers.
        until: The present of those that have not ended, and the end of the past.
        days: How long the past is.
        detailed: So many of the newest have steps, operations, contents, audit and timings too.
        logged: So many of a hundred have a log.
    """

    jobs: int
    seed: int
    until: datetime
    days: int
    detailed: int
    logged: int


def load(wish: Wish, said: Callable[[int], None]) -> None:
    """Make the jobs in one transaction; ``said`` is told how many are there after each batch.

    Nobody creates jobs meanwhile: their numbers follow one another.
    """
    with transaction.atomic():
        world = make_world(wish.until)
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {Job._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
        first = _reserve(wish.jobs)
        with _without_events():
            for done in _batches(wish, world, first):
                said(done)


def tidy() -> None:
    """Let the planner know what is there, as the server itself would after a while."""
    # VACUUM cannot run inside of a transaction, as in a test.
    verb = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    with connection.cursor() as cursor:
        for name in (*(table.name for table in _TABLES), Deployment._meta.db_table):
            cursor.execute(f"{verb} {name}")


def _batches(wish: Wish, world: World, first: int) -> Iterator[int]:
    random = Random(wish.seed)
    until = int(wish.until.timestamp())
    writer, more = Rows(world, random, settings.CLARIVE_JOB_NAME_MASK, until), Details(world)
    # What is drawn on the way must not depend on how it is cut into batches.
    course = lives(Random(wish.seed), wish.jobs, until=until, days=wish.days)
    done = 0
    while batch := tuple(islice(course, BATCH)):
        _fill(wish, writer, more, first, done, batch)
        done += len(batch)
        yield done
    details.TIMINGS.fill(more.timings())


def _fill(wish: Wish, writer: Rows, more: Details, first: int, done: int, batch: tuple[Life, ...]) -> None:
    lines: dict[Table, list[str]] = {table: [] for table in _TABLES}
    detailed_from = wish.jobs - wish.detailed
    for place, life in enumerate(batch, start=done):
        key = first + place
        is_logged = place * 7919 % 100 < wish.logged
        job = writer.job(key, life, details.log_lines(life) if is_logged else 0)
        lines[rows.JOBS].append(job)
        lines[rows.REVISIONS].extend(writer.revisions(key, life))
        lines[rows.NATURES].extend(writer.natures(key, life))
        lines[rows.APPROVALS].extend(writer.approvals(key, life))
        lines[rows.TRAPS].extend(writer.traps(key, life))
        if is_logged:
            lines[details.LOGS].extend(more.logs(key, life))
        if place >= detailed_from or not life.finished:
            lines[details.STEPS].extend(more.steps(key, life))
            lines[details.OPERATIONS].extend(more.operations(key, life))
            lines[details.CONTENTS].extend(more.contents(key, life))
            lines[details.AUDIT].extend(more.audit(key, life, job.split("\t", 2)[1]))
            more.note_timing(key, life)
    for table in _TABLES:
        table.fill(lines[table])
    with connection.cursor() as cursor:
        cursor.execute(_BROUGHT, [first + done, first + done + len(batch)])


def _reserve(count: int) -> int:
    """Return the first of ``count`` numbers that no other job gets."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [Job._meta.db_table])
        (sequence,) = cursor.fetchone()
        cursor.execute(f"SELECT nextval('{sequence}')")
        (first,) = cursor.fetchone()
        cursor.execute(f"SELECT setval('{sequence}', %s)", [first + count - 1])
    return int(first)


@contextmanager
def _without_events() -> Iterator[None]:
    """Write no event a row, which nobody waits for.

    Who may (a superuser, or whom one has granted it) replays rows as a replica does: without any trigger, also those that
    look at foreign keys, and these rows refer to what was just made. Others own the tables and switch the triggers that write
    events off until the end of the transaction.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
        is_replica = True
    except (ProgrammingError, InternalError):
        is_replica = False
        _switch_triggers("DISABLE")
    yield
    if is_replica:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    else:
        with connection.cursor() as cursor:
            # A table with keys still to be checked cannot be altered.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        _switch_triggers("ENABLE")


def _switch_triggers(word: str) -> None:
    """Switch the triggers that write events."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENT_TRIGGERS, [[table.name for table in _TABLES]])
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} {word} TRIGGER {trigger}")
