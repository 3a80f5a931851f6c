"""The table of events: how far it may be read, and its rows."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.db import connection

from jobs.models import Event
from jobs.stream.position import Position

_COVERED: Final = """
SELECT CASE WHEN oldest IS NULL THEN %(event)s >= jobs_event_horizon()
            ELSE %(event)s + 1 >= oldest AND %(event)s <= (SELECT last_value FROM jobs_event_id_seq) END
FROM (SELECT min(id) AS oldest FROM jobs_event) kept
"""


class Row(NamedTuple):
    """An event as it is kept; see ``jobs.models.Event``."""

    id: int
    kind: str
    job_id: int | None
    environment_id: int | None
    data: dict[str, Any]


def horizon() -> int:
    """Return the number up to which all events are settled: committed and in sight of the next statement, or never to come.

    Beyond it a transaction that has not ended may hold a lower number than what is to be seen.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT jobs_event_horizon()")
        row = cursor.fetchone()
    return int(row[0])


def rows_after(position: Position, up_to: int, limit: int) -> list[Row]:
    """Return what follows ``position``, at most ``limit`` rows; an event that is told in part comes first again.

    Args:
        position: Where the reader is.
        up_to: A horizon that was read before, in a statement of its own.
        limit: Most rows.
    """
    first = position.event + (position.line is None)
    found = Event.objects.filter(id__gte=first, id__lte=up_to).order_by("id")[:limit]
    return [Row(*row) for row in found.values_list("id", "kind", "job_id", "environment_id", "data")]


def is_covered(position: Position) -> bool:
    """Return whether everything after ``position`` is still kept; not so for a number that was never given out."""
    with connection.cursor() as cursor:
        cursor.execute(_COVERED, {"event": position.event})
        row = cursor.fetchone()
    return bool(row[0])
