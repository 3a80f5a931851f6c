"""Which numbers the jobs of some dates have: those between two numbers, and a few strays.

Numbers and dates grow together, but nobody promises it: a job may be created for next month, or run again after a year. So a list
of certain dates in the order of numbers is a walk between two numbers, with the strays looked up one by one. Both come from
indexes: where a range of dates begins and ends from that of the date, and what lies beyond from a summary of the table, which
knows the least and the greatest number and dates of each few pages of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import DateTimeField, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from jobs.selectors import DATE_FIELDS, JobFilter

NEAR: Final = 1000
"""So many jobs next to the end of a range of dates are looked at to see where it ends."""

MOST_STRAYS: Final = 10_000
"""With more of them there is no end on that side."""

LARGEST: Final = 2**63 - 1

_END: Final = """
SELECT {side}, edge.number, CASE WHEN edge.looked_at = {near} THEN
    jobs_strays('{column}', '{sign}', %s, edge.number, {most}) ELSE '{{}}' END
FROM (
    SELECT {edge}(id) AS number, count(*) AS looked_at
    FROM (SELECT id FROM jobs_job WHERE {column} {sign} %s ORDER BY {column} {direction} LIMIT {near}) AS near
) AS edge
"""
"""One end of a range of dates; without jobs it has no number."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where jobs of the wanted dates are.

    Attributes:
        first: The least number but for strays.
        last: The greatest number but for strays.
        strays: Numbers beyond, among them those of all jobs of these dates that are not between the two.
    """

    first: int
    last: int
    strays: tuple[int, ...] = ()

    def between(self, number: str = "pk") -> Q:
        """Return the condition for jobs between the two numbers; nothing is said of an end that is not there.

        Args:
            number: The column that has the job's number.
        """
        least = Q(**{f"{number}__gte": self.first}) if self.first else Q()
        return least & Q(**{f"{number}__lte": self.last}) if self.last < LARGEST else least

    def apart(self, number: str = "pk") -> Q:
        """Return the condition for strays; ``number`` as for ``between``."""
        # One value: thousands take Django longer to write than PostgreSQL to look up.
        return Q(**{f"{number}__in": RawSQL("SELECT unnest(%s::bigint[])", (list(self.strays),))})


EVERYTHING: Final = Span(0, LARGEST)
NOTHING: Final = Span(1, 0)


def span_of(narrowed: JobFilter) -> Span:
    """Return where the jobs of the dates are that a filter names; beyond it there are none.

    Args:
        narrowed: Any filter. One without dates leaves everything.
    """
    ends = list(_ends(narrowed))
    if not ends:
        return EVERYTHING
    with connection.cursor() as cursor:
        statement = " UNION ALL ".join(f"({query})" for query, _ in ends)
        cursor.execute(statement, [value for _, values in ends for value in values])
        found = cursor.fetchall()
    if any(number is None for _, number, _ in found):
        return NOTHING
    bound = [(side, number, strays) for side, number, strays in found if len(strays) <= MOST_STRAYS]
    first = max((number for side, number, _ in bound if side == 1), default=0)
    last = min((number for side, number, _ in bound if side == 2), default=LARGEST)
    return Span(first, last, tuple(sorted({stray for _, _, strays in bound for stray in strays})))


def _ends(narrowed: JobFilter) -> list[tuple[str, tuple[datetime, datetime]]]:
    """Return a query for each end of a range, and its parameters."""
    ends = []
    for name, column in DATE_FIELDS.items():
        common: dict[str, Any] = {"column": column, "near": NEAR, "most": MOST_STRAYS}
        if after := narrowed.after.get(name):
            query = _END.format(side=1, edge="min", sign=">=", direction="ASC", **common)
            ends.append((query, (after, after)))
        if before := narrowed.before.get(name):
            query = _END.format(side=2, edge="max", sign="<", direction="DESC", **common)
            ends.append((query, (before, before)))
    return ends


def dated(narrowed: JobFilter) -> list[GreaterThanOrEqual | LessThan]:
    """Return the dates of a filter as conditions that no index serves.

    In a span nearly all jobs have the dates. The planner, which takes number and date for independent, would think that hardly
    any has both, and read all of one to be quick.
    """
    found: list[GreaterThanOrEqual | LessThan] = []
    for name, column in DATE_FIELDS.items():
        hidden = RawSQL(f"jobs_job.{column} + interval '0'", (), output_field=DateTimeField())
        if after := narrowed.after.get(name):
            found.append(GreaterThanOrEqual(hidden, after))
        if before := narrowed.before.get(name):
            found.append(LessThan(hidden, before))
    return found
