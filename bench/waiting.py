"""Jobs that wait, put into a database for the time of a block: for dates, approvals, traps and slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bench import copies

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

PREFIX: Final = "WAIT-"
SEMAPHORE: Final = "bench"

KINDS: Final[Mapping[str, tuple[str, int]]] = {
    "date": ("ready", 4),
    "approval": ("pending_approval", 2),
    "trap": ("trapped", 2),
    "paused": ("trap_paused", 1),
    "slot": ("ready", 1),
}
"""Status, and how many of ten wait for it."""

_SOON: Final = "clock_timestamp() + interval '2 hours'"
_COMMON: Final = {
    "step": "'RUN'",
    "outcome": "NULL",
    "scheduled_at": _SOON,
    "max_start_at": f"{_SOON} + interval '1 day'",
    "started_at": "clock_timestamp()",
    "run_began_at": "NULL",
    "finished_at": "NULL",
    "claim": "NULL",
    "claimed_by": "''",
    "lease_expires_at": "NULL",
}
_WAIT: Final = """
INSERT INTO jobs_{table} (job_id, attempt, step, path, operation, name, began_at, {columns})
SELECT id, attempt, step, 'RUN/0', 'wait', 'Waits', clock_timestamp(), {values} FROM jobs_job WHERE name LIKE %s
"""
_OPENED: Final = {
    "approval": (
        "approval",
        "approvers, minimum, exclude_creator, result",
        """'["group:qa"]', 1, false, 'open'""",
    ),
    "trap": (
        "trap",
        "error, stash, deadline, on_timeout, retries, max_retries, answer",
        f"'It broke.', '{{}}', {_SOON}, 'abort', 0, 0, 'open'",
    ),
    "paused": (
        "trap",
        "error, stash, remaining, on_timeout, retries, max_retries, answer",
        "'It broke.', '{}', interval '1 hour', 'abort', 0, 0, 'open'",
    ),
}


@contextmanager
def waiting(count: int) -> Iterator[None]:
    """Let so many jobs wait, none of which is due within two hours; a job must be there, for theirs are like it."""
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            for kind, (status, tenths) in KINDS.items():
                _insert(cursor, kind, status, count * tenths // 10)
            cursor.execute("ANALYZE jobs_job")
        yield
    finally:
        with connection.cursor() as cursor:
            _remove(cursor)


def _insert(cursor: CursorWrapper, kind: str, status: str, count: int) -> None:
    mine = f"{PREFIX}{kind}-"
    due = _SOON if kind == "date" else "NULL"
    values = {**_COMMON, "name": f"'{mine}' || number", "status": f"'{status}'", "due_at": due}
    cursor.execute("SELECT min(id) FROM jobs_job")
    copies.insert(cursor, cursor.fetchone()[0], count, values)
    if kind in _OPENED:
        table, names, given = _OPENED[kind]
        cursor.execute(_WAIT.format(table=table, columns=names, values=given), [f"{mine}%"])
    if kind == "slot":
        _queue(cursor, mine)


def _queue(cursor: CursorWrapper, mine: str) -> None:
    """Let the jobs wait for the one slot of a semaphore, which the first of them holds."""
    cursor.execute(
        "INSERT INTO jobs_semaphore (name, slots) VALUES (%s, 1) ON CONFLICT DO NOTHING", [SEMAPHORE]
    )
    cursor.execute(
        "INSERT INTO jobs_semaphorerequest (semaphore_id, job_id, path, asked_at, granted_at) "
        "SELECT s.id, j.id, 'RUN/0', clock_timestamp(), CASE WHEN j.name = %s THEN clock_timestamp() END "
        "FROM jobs_semaphore s, jobs_job j WHERE s.name = %s AND j.name LIKE %s ORDER BY j.id",
        [f"{mine}1", SEMAPHORE, f"{mine}%"],
    )
    # Who holds the slot stands in a trap, not in the queue.
    cursor.execute("UPDATE jobs_job SET status = 'trap_paused' WHERE name = %s", [f"{mine}1"])


def _remove(cursor: CursorWrapper) -> None:
    for table in ("approval", "trap", "semaphorerequest"):
        cursor.execute(
            f"DELETE FROM jobs_{table} WHERE job_id IN (SELECT id FROM jobs_job WHERE name LIKE %s)",
            [f"{PREFIX}%"],
        )
    cursor.execute("DELETE FROM jobs_semaphore WHERE name = %s", [SEMAPHORE])
    cursor.execute("DELETE FROM jobs_job WHERE name LIKE %s", [f"{PREFIX}%"])
