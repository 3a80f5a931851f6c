"""Lists of jobs: which rows a page has, found by as many short walks along an index as there are places to look.

``environment IN (three of twenty) ORDER BY id DESC LIMIT 50`` leaves PostgreSQL two bad ways: walk the newest jobs of all
environments and drop most of them, or sort all jobs of the three. With a rare filter either way reads a great part of the
table. So the list asks for the first rows of each environment, and of each wanted value in it, where an index has them in
order, and merges these few. What it costs depends on the rows of the page and on the number of places, never on how many
jobs there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from jobs import list_dates
from jobs.choices import StatusChoice
from jobs.keyset import Cursor, Ordering, Page, Value, beyond, page_of, read_rows
from jobs.list_words import jobs_with
from jobs.models import Job, JobNature, Nature
from jobs.selectors import DATE_FIELDS, JobFilter, flipped
from permissions.models import Environment

MOST_PLACES: Final = 400
"""So many walks at most; each costs some microseconds. With more the planner is left to choose."""

USUAL_ENVIRONMENTS: Final = 20
"""So many there are where nobody counted."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """A filter whose values are walked one by one, along an index of (column, environment, id).

    Attributes:
        name: Of the filter.
        column: Of the job; natures have a table of their own.
        table: Where its codes are, empty for values that the job's own row has.
        code: The column of that table.
        common: The value that nearly all jobs have; who wants it walks the environments alone.
        is_partial: The index leaves the common value out.
    """

    name: str
    column: str
    table: str = ""
    code: str = ""
    common: str = ""
    is_partial: bool = False


_DRIVERS: Final = (
    _Driver("status", "status", common="finished"),
    _Driver("step", "step", common="END", is_partial=True),
    _Driver("project", "project_id", "jobs_project", "code"),
    _Driver("created_by", "created_by_id", "permissions_user", "username"),
    _Driver("rule", "rule_id", "rules_rule", "slug"),
    _Driver("type", "type", common="promote", is_partial=True),
    _Driver("nature", "", "jobs_nature", "code"),
)
"""The one that keeps the fewest jobs first, as far as that can be said beforehand."""

_NATURE: Final = _DRIVERS[-1]
_NOTHING: Final = Q(pk__in=())
"""No job has one of the words."""

_PLACE: Final = RawSQL("place.id", ())
_WANTED: Final = RawSQL("wanted.id", ())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is of.

    Attributes:
        environments: Keys of those that the reader sees, ``None`` for all.
        filter: What narrows it.
        but: What else must hold.
    """

    environments: Sequence[int] | None
    filter: JobFilter
    but: Q | None = None


class Place(NamedTuple):
    """Where a job stands in a list."""

    number: int
    value: Value


def page(wanted: Wanted, ordering: Ordering, cursor: Cursor | None, limit: int) -> Page[Place]:
    """Return the places of at most ``limit`` jobs from ``cursor`` on, or from the beginning.

    Args:
        wanted: Of what.
        ordering: Any.
        cursor: Where to begin, ``None`` for the beginning.
        limit: How many rows a page has.
    """
    wanted = _looked_up(wanted)
    if wanted.but == _NOTHING:
        return page_of(lambda _count: [], _cursor_at, cursor, limit)
    # A word that is not rare is met soon in some environment, and in another one perhaps never.
    if ordering.column == "id" and not wanted.filter.text:
        return page_of(partial(_walked, wanted, ordering, cursor), _cursor_at, cursor, limit)
    if ordering.column == "id":
        wanted = _within_dates(wanted)

    def read(count: int) -> list[Place]:
        found = read_rows(_everywhere(wanted).values_list("pk", ordering.column), ordering, cursor, count)
        return [Place(*row) for row in found]

    return page_of(read, _cursor_at, cursor, limit)


def _walked(wanted: Wanted, ordering: Ordering, cursor: Cursor | None, count: int) -> list[Place]:
    """Return the places of at most ``count`` jobs by their numbers, beyond ``cursor``."""
    span = list_dates.span_of(wanted.filter)
    found = _first(wanted, ordering, cursor, count, span.between)
    if span.strays:
        found += _first(wanted, ordering, cursor, count, span.apart)
        found.sort(reverse=not _is_ascending(ordering, cursor))
    return [Place(number, number) for number in found[:count]]


def _is_ascending(ordering: Ordering, cursor: Cursor | None) -> bool:
    return ordering.descending is (cursor is not None and cursor.backward)


def _cursor_at(row: Place, backward: bool) -> Cursor:
    return Cursor(row.value, row.number, backward)


def jobs_of(wanted: Wanted) -> QuerySet[Job]:
    """Return the jobs themselves, in no order, for whoever counts some of them."""
    return _everywhere(_looked_up(wanted))


def counts_by_status(wanted: Wanted) -> dict[str, int]:
    """Return how many jobs are in each status, 0 for a status without jobs. All are counted, however many there are."""
    rows = jobs_of(wanted).order_by().values_list("status").annotate(Count("pk"))
    return {**dict.fromkeys(StatusChoice.values, 0), **dict(rows)}


def _looked_up(wanted: Wanted) -> Wanted:
    """Return the same, narrowed to the few jobs that have a rare word."""
    rare = jobs_with(wanted.filter.text) if wanted.filter.text else None
    if rare is None:
        return wanted
    # One value: three thousand take Django longer to write than PostgreSQL to look up.
    numbers = Q(pk__in=RawSQL("SELECT unnest(%s::bigint[])", (rare,)))
    return replace(wanted, but=numbers & (wanted.but or Q()) if rare else _NOTHING)


def _within_dates(wanted: Wanted) -> Wanted:
    """Return the same, narrowed to the numbers that jobs of the wanted dates may have."""
    span = list_dates.span_of(wanted.filter)
    if span == list_dates.EVERYTHING:
        return wanted
    numbers = span.between() | span.apart() if span.strays else span.between()
    return replace(wanted, but=numbers & (wanted.but or Q()))


def _everywhere(wanted: Wanted) -> QuerySet[Job]:
    """Return the jobs of all environments together, whose order an index has: by a date, or by the name."""
    narrowed = wanted.filter.positive()
    jobs = Job.objects.filter(narrowed.condition(but_for=("nature",)))
    if codes := narrowed.values.get("nature"):
        jobs = jobs.filter(pk__in=_with_natures(codes))
    if left_out := narrowed.without.get("nature"):
        jobs = jobs.filter(JobFilter(without={"nature": left_out}).condition())
    if wanted.environments is not None:
        jobs = jobs.filter(environment__in=wanted.environments)
    return jobs if wanted.but is None else jobs.filter(wanted.but)


def _with_natures(codes: Sequence[str]) -> QuerySet[Any, Any]:
    """Return the numbers of the jobs with one of these natures.

    The keys are read first: of a key the planner knows how many jobs have it, of a code in another table it thinks that it is
    one of many, and looks up each job of a common nature by itself.
    """
    keys = list(Nature.objects.filter(code__in=codes).order_by().values_list("pk", flat=True))
    return JobNature.objects.filter(nature__in=keys).values("job_id")


def _first(
    wanted: Wanted, ordering: Ordering, cursor: Cursor | None, count: int, numbers: Callable[[str], Q]
) -> list[int]:
    """Return the numbers of at most ``count`` jobs beyond ``cursor``, in the direction in which it walks.

    Args:
        wanted: Of what.
        ordering: By the number.
        cursor: Where to begin, ``None`` for the beginning.
        count: How many.
        numbers: Returns the condition for what walks by the name of the column that has the job's number.
    """
    ascending = _is_ascending(ordering, cursor)
    narrowed = flipped(wanted.filter.positive())
    driver = next((each for each in _DRIVERS if _drives(each, narrowed, wanted.environments)), None)
    handled = ("environment", *DATE_FIELDS, driver.name if driver else "")
    jobs = _placed(driver, wanted).filter(narrowed.condition(but_for=handled), *list_dates.dated(narrowed))
    if driver is not None:
        jobs = _driven(jobs, driver, narrowed)
    walked: QuerySet[Any] = _along_nature(jobs) if driver is _NATURE else jobs
    number = "job_id" if driver is _NATURE else "id"
    walked = walked.filter(numbers(number))
    if cursor is not None:
        walked = walked.filter(
            beyond(replace(ordering, column=number, tie=number), cursor, ascending=ascending)
        )
    found = walked.order_by(number if ascending else f"-{number}").values_list(number)[:count]
    return _merged(found, driver, wanted, narrowed, ascending)


def _along_nature(jobs: QuerySet[Job]) -> QuerySet[JobNature]:
    """Return the rows of the wanted nature whose jobs are among ``jobs``.

    Each job is looked up by itself: of a join the planner thinks that natures are spread evenly, and walks through the jobs of
    a rare one.
    """
    fits = jobs.filter(pk=OuterRef("job_id")).order_by().values("pk")
    return JobNature.objects.filter(nature=_WANTED).alias(fits=Subquery(fits)).filter(fits__isnull=False)


def _placed(driver: _Driver | None, wanted: Wanted) -> QuerySet[Job]:
    """Return the jobs of one environment; along the natures those of all, for their index knows no environments."""
    jobs = Job.objects.all() if wanted.but is None else Job.objects.filter(wanted.but)
    if driver is not _NATURE:
        return jobs.filter(environment=_PLACE)
    if wanted.environments is not None:
        jobs = jobs.filter(environment__in=wanted.environments)
    return jobs.filter(wanted.filter.only("environment").condition())


def _driven(jobs: QuerySet[Job], driver: _Driver, narrowed: JobFilter) -> QuerySet[Job]:
    if driver is not _NATURE:
        jobs = jobs.filter(**{driver.column: _WANTED})
    if left_out := narrowed.without.get(driver.name):
        jobs = jobs.filter(JobFilter(without={driver.name: left_out}).condition())
    # The planner must see that the index has all of them.
    return jobs.exclude(**{driver.column: driver.common}) if driver.is_partial else jobs


def _drives(driver: _Driver, narrowed: JobFilter, environments: Sequence[int] | None) -> bool:
    values = set(narrowed.values.get(driver.name, ()))
    if not values or driver.common in values:
        return False
    places = USUAL_ENVIRONMENTS if environments is None else len(environments)
    return len(values) * (1 if driver is _NATURE else places) <= MOST_PLACES


def _environments(wanted: Wanted) -> tuple[str, tuple[Any, ...]]:
    """Return the query of the environments to look into, with its parameters."""
    chosen = Environment.objects.order_by()
    if wanted.environments is not None:
        chosen = chosen.filter(pk__in=wanted.environments)
    if codes := wanted.filter.values.get("environment"):
        chosen = chosen.filter(code__in=codes)
    if codes := wanted.filter.without.get("environment"):
        chosen = chosen.exclude(code__in=codes)
    return chosen.values("pk").query.sql_with_params()


def _merged(
    walked: QuerySet[Any, Any], driver: _Driver | None, wanted: Wanted, narrowed: JobFilter, ascending: bool
) -> list[int]:
    """Return the numbers of the first jobs of all places together; what walks in each gives back numbers."""
    sources: list[str] = []
    parameters: list[Any] = []
    try:
        piece, values = walked.query.sql_with_params()
        if driver is not _NATURE:
            query, known = _environments(wanted)
            sources.append(f"({query}) AS place(id)")
            parameters += known
    except EmptyResultSet:
        return []
    if driver is not None:
        of_codes = f"SELECT id FROM {driver.table} WHERE {driver.code} = ANY(%s::text[])"
        sources.append(f"({of_codes if driver.table else 'SELECT unnest(%s::text[])'}) AS wanted(id)")
        parameters.append(sorted(set(narrowed.values[driver.name])))
    # A job of two wanted natures comes twice.
    statement = (
        f"SELECT DISTINCT found.id FROM {' CROSS JOIN '.join(sources)} CROSS JOIN LATERAL ({piece}) AS found(id) "
        f"ORDER BY found.id {'ASC' if ascending else 'DESC'} LIMIT {walked.query.high_mark:d}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (*parameters, *values))
        return [number for (number,) in cursor.fetchall()]
