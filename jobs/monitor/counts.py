"""How many jobs are in each status, counted only as far as a person cares."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from jobs.lifecycle import Status
from jobs.models import Job

MOST: Final = 1000
"""A count stops here and reads ``999+``: a page that asks every few seconds must not count a million rows."""


def by_status(jobs: QuerySet[Job]) -> dict[Status, int]:
    """Return the number of ``jobs`` in each status, at most ``MOST`` of each, in one query.

    Args:
        jobs: Those the reader may see, narrowed by everything but the status.
    """
    pieces: list[str] = []
    parameters: list[Any] = []
    for status in Status:
        newest = jobs.filter(status=status.value).order_by("-id").values("status")[:MOST]
        try:
            sql, values = newest.query.sql_with_params()
        except EmptyResultSet:
            return {}
        pieces.append(f"({sql})")
        parameters.extend(values)
    counted = f"SELECT status, count(*) FROM ({' UNION ALL '.join(pieces)}) AS newest GROUP BY status"
    with connection.cursor() as cursor:
        cursor.execute(counted, parameters)
        return {Status(status): number for status, number in cursor.fetchall()}
