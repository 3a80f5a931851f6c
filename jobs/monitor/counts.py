"""How many jobs are in each status, counted only as far as a person cares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from jobs.lifecycle import Status
from jobs.models import Job

MOST: Final = 1000
"""A count stops here and reads ``999+``: a page that asks every few seconds must not count a million rows."""

_STATUS: Final = "\0"
"""Stands for each status in turn; no filter can hold it."""


def by_status(jobs: QuerySet[Job]) -> dict[Status, int]:
    """Return the number of ``jobs`` in each status, at most ``MOST`` of each, in one query.

    Args:
        jobs: Those the reader may see, narrowed by everything but the status.
    """
    # Any of them: in an order, rare ones would be looked for among all others.
    some = jobs.filter(status=_STATUS).order_by().values("status")[:MOST]
    try:
        # Written once, for writing it takes longer than answering it.
        piece, values = some.query.sql_with_params()
    except EmptyResultSet:
        return {}
    parameters = [status.value if value == _STATUS else value for status in Status for value in values]
    counted = f"SELECT status, count(*) FROM ({' UNION ALL '.join([f'({piece})'] * len(Status))}) AS found GROUP BY status"
    with connection.cursor() as cursor:
        cursor.execute(counted, parameters)
        return {Status(status): number for status, number in cursor.fetchall()}


def bounded(parts: Mapping[str, QuerySet[Job]]) -> dict[str, int]:
    """Return the number of jobs of each part by its key, at most ``MOST`` of each, in one query; none for an empty part."""
    counted = "SELECT {place} AS place, count(*) AS number FROM ({sql}) AS found"
    return {key: number for key, number in _each(parts, counted, MOST) if number}


def first_of(parts: Mapping[str, QuerySet[Job]], count: int) -> dict[str, list[int]]:
    """Return the numbers of the first ``count`` jobs of each part in its order, by its key, in one query."""
    return {key: numbers for key, numbers in _each(parts, "SELECT {place}, array({sql})", count) if numbers}


def _each(parts: Mapping[str, QuerySet[Job]], statement: str, count: int) -> Iterator[tuple[str, Any]]:
    keys, pieces = list(parts), []
    parameters: list[Any] = []
    for place, jobs in enumerate(parts.values()):
        try:
            sql, values = jobs.values("pk")[:count].query.sql_with_params()
        except EmptyResultSet:
            continue
        pieces.append(statement.format(place=place, sql=sql))
        parameters.extend(values)
    if pieces:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(pieces), parameters)
            yield from ((keys[place], found) for place, found in cursor.fetchall())


def shown(number: int) -> str:
    """Return a count as people read it, ``999+`` when it goes on."""
    return f"{MOST - 1}+" if number >= MOST else str(number)
