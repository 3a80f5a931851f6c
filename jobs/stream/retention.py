"""How long events are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection

AT_ONCE: Final = 5000

# The newest of the old ones stays: readers tell by the first row whether they missed something.
_OLD: Final = (
    "SELECT count(*) = 2 AND max(at) < %s FROM (SELECT at FROM jobs_event ORDER BY id LIMIT 2) first"
)
_FORGET: Final = """
DELETE FROM jobs_event WHERE id < (
    SELECT max(id) FROM (SELECT id, at FROM jobs_event ORDER BY id LIMIT %s) first WHERE at < %s)
"""


def forget_events(now: datetime) -> int:
    """Remove some of the events that are older than ``CLARIVE_EVENT_HOURS``, and return how many those were.

    Costs a look at two rows when there are none.
    """
    before = now - timedelta(hours=settings.CLARIVE_EVENT_HOURS)
    with connection.cursor() as cursor:
        cursor.execute(_OLD, [before])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FORGET, [AT_ONCE, before])
        return int(cursor.rowcount)
