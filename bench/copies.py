"""Many jobs like one that is there, and long logs, made by the database itself: as fast as the disk, and without a worker."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from jobs.log.codec import Block

TEXT_BYTES: Final = 256 << 10
"""Of one chunk, as a command fills it."""

RARE: Final = "needle-in-the-hay"
"""Stands once in each log."""

DUE: Final[Mapping[str, str]] = {
    "status": "'ready'",
    "step": "'PRE'",
    "outcome": "NULL",
    "due_at": "clock_timestamp()",
    "scheduled_at": "clock_timestamp()",
    "max_start_at": "clock_timestamp() + interval '1 day'",
    "started_at": "NULL",
    "run_began_at": "NULL",
    "finished_at": "NULL",
    "log_lines": "0",
    "percent": "0",
    "operations_done": "0",
}
"""Columns of a job that a worker takes at once, in SQL."""

_COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'jobs_job' AND is_generated = 'NEVER'
"""
_COPY: Final = """
INSERT INTO jobs_job ({columns}) SELECT {chosen}
FROM (SELECT * FROM jobs_job WHERE id = %s) one, generate_series(1, {count:d}) number RETURNING id
"""
_LOG: Final = """
INSERT INTO jobs_logchunk (job_id, first_line, line_count, attempt, step, operation, operation_id, thread, levels,
                           first_at, last_at, size, username, data)
SELECT job, 1 + (number - 1) * %(lines)s, %(lines)s, 1, 'PRE', 'PRE/0', 'PRE/0', 0, %(levels)s, %(at)s, %(at)s, %(size)s,
       '', CASE WHEN number = %(chunks)s / 2 + 1 THEN %(rare)s::bytea ELSE %(data)s::bytea END
FROM unnest(%(jobs)s::bigint[]) job, generate_series(1, %(chunks)s) number
"""


def ended_job(steps: str = "PRE:\n  - log: a\n") -> int:
    """Make a job that ended in an error a hundred days ago, with its rule, its environment and its user; return its id."""
    from django.utils import timezone

    from jobs.models import Job
    from permissions.models import Environment, User
    from rules.actions.publish_rule import publish_rule

    now = timezone.now()
    user = User.objects.create_superuser("copies")
    source = f"name: copies\nsteps:\n{textwrap.indent(steps.strip(), '  ')}\n"
    version, _ = publish_rule(source=source, author=user, comment="", now=now)
    where, at = Environment.objects.create(code="COPIES"), now - timedelta(days=100)
    return Job.objects.create(
        name="N.COPIES-00000001", rule=version.rule, rule_version=version, environment=where, status="error",
        step="END", created_by=user, created_at=at, scheduled_at=at, max_start_at=at, finished_at=at,
    ).pk  # fmt: skip


def copies(job: int, count: int, prefix: str, values: Mapping[str, str]) -> list[int]:
    """Make jobs like another one; return their ids in order.

    Args:
        job: The other one.
        count: How many.
        prefix: Of their names; their number, from 1, follows.
        values: SQL of columns in which they differ from it.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        found = insert(cursor, job, count, {"name": f"'{prefix}' || number", **values})
        cursor.execute("ANALYZE jobs_job")
    return found


def insert(cursor: CursorWrapper, job: int, count: int, values: Mapping[str, str]) -> list[int]:
    """Insert jobs like another one; see ``copies``. In ``values`` the column ``number`` counts them from 1."""
    cursor.execute(_COLUMNS)
    columns = [name for (name,) in cursor.fetchall()]
    values = {"id": "nextval('jobs_job_id_seq')", **values}
    chosen = ", ".join(values.get(name, f"one.{name}") for name in columns)
    cursor.execute(_COPY.format(columns=", ".join(columns), chosen=chosen, count=count), [job])
    return sorted(identifier for (identifier,) in cursor.fetchall())


def write_logs(jobs: list[int], megabytes: float) -> int:
    """Give each job a log of a build, which takes so many MiB compressed; return how many lines each has."""
    from django.db import connection, transaction

    from jobs.models import Job

    plain, rare = _block(""), _block(RARE)
    chunks = max(1, round(megabytes * (1 << 20) / len(plain.data)))
    values: dict[str, Any] = {
        "lines": plain.line_count, "levels": plain.levels, "at": plain.first_at, "size": plain.size,
        "data": plain.data, "rare": rare.data, "chunks": chunks,
    }  # fmt: skip
    for at in range(0, len(jobs), 10):
        some = jobs[at : at + 10]
        # Nobody is told of them: these lines are of long ago.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(_LOG, {**values, "jobs": some})
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
            Job.objects.filter(pk__in=some).update(log_lines=chunks * plain.line_count)
    return chunks * plain.line_count


def _block(word: str) -> Block:
    """Return a chunk of lines as a build prints them, with a word in its middle instead of another."""
    import random
    from datetime import UTC, datetime

    from jobs.log.codec import BlockBuilder, Level, Stream

    dice = random.Random(1)
    lines = [
        f"{number:07d} [build] compiling src/main/org/example object_{dice.randrange(10**6):06d}.o {dice.random():.4f} s"
        for number in range(TEXT_BYTES // 80)
    ]
    if word:
        lines[len(lines) // 2] = f"{len(lines) // 2:07d} [build] {word}"
    builder = BlockBuilder()
    builder.add("\n".join(lines).encode(), datetime(2026, 1, 1, tzinfo=UTC), Level.INFO, Stream.STDOUT)
    return builder.build()
