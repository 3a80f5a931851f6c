"""The rows of the monitor in groups: by time along the list, or the newest of each environment, status or project.

By time, groups are stretches of the list itself: its order and its pages stay, and a heading counts the rows of this page
(``12+`` where the group goes on). A folded one is left out of the page, so that the page is filled with what follows; its
count is made for it, at most ``counts.MOST``.

By environment, status or project a list of a million jobs cannot be sorted and read in pages that make sense: the first group
would go on for thousands of them. So each group shows its newest ``ROWS`` in the list's order and leads to all of its own; there
are at most ``MOST`` groups. It costs one query for their rows and one for their counts, whatever there is: each group reads from
the index of its column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import list_rows, lists, selectors
from jobs.choices import StatusChoice
from jobs.keyset import Ordering, Page
from jobs.lifecycle import ACTIVE, Status, Step
from jobs.list_rows import Listed
from jobs.models import Job
from jobs.monitor import counts
from jobs.monitor.stretches import Stretch, stretches
from jobs.monitor.view_query import TIME, Query, address
from permissions import policy
from permissions.policy import AnyUser

ROWS: Final = 10
MOST: Final = 30
NEWEST_SEEN: Final = 1000
"""Projects are those of so many newest jobs."""

UPCOMING: Final = "upcoming"
UNDATED: Final = "undated"
_CREATION: Final = frozenset({"id", "created_at"})
_DATES: Final = frozenset({*_CREATION, "scheduled_at", "max_start_at", "started_at", "finished_at"})


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs under one heading.

    Attributes:
        key: In addresses.
        heading: For people, empty where there are no groups.
        jobs: Its rows, none when it is folded.
        count: How many there are, ``50+`` when there are more.
        fold: The address in which it is folded, or not any more.
        is_folded: Whether its rows are left out.
        all: The address of all of its jobs, empty where the list itself has them all.
    """

    key: str
    heading: str
    jobs: list[Listed] = field(default_factory=list)
    count: str = ""
    fold: str = ""
    is_folded: bool = False
    all: str = ""


def is_upcoming(job: Listed, now: datetime) -> bool:
    """Return whether the job waits for a date that is still to come."""
    return (
        Status(job.status) in ACTIVE
        and job.run_began_at is None
        and job.scheduled_at > now
        and job.step != Step.POST
    )


def _upcoming(now: datetime) -> Q:
    active = [status.value for status in ACTIVE]
    return Q(status__in=active, run_began_at=None, scheduled_at__gt=now) & ~Q(step=Step.POST.value)


def fold_address(query: QueryDict, key: str, folded: Iterable[str]) -> str:
    """Return the address in which the group ``key`` is folded, or not any more."""
    others = [each for each in query.getlist("fold") if each and each != key]
    return address(query, "fold", others if key in folded else [*others, key])


def is_by_time(query: Query) -> bool:
    """Return whether the list is in groups of time: only orders by a date have stretches."""
    return query.group == TIME and query.ordering.column in _DATES


class TimeGroups:
    """The groups of one list by time.

    Args:
        query: What is asked for.
        parameters: Of the address.
        now: The present moment.
    """

    def __init__(self, query: Query, parameters: QueryDict, now: datetime) -> None:
        self._query, self._parameters, self._now = query, parameters, now
        column = query.ordering.column
        self._column = "created_at" if column in _CREATION else column
        self._with_upcoming = column in _CREATION
        self._stretches = stretches(now)
        self._folded = [stretch for stretch in self._stretches if stretch.key in query.folded]

    def unfolded(self) -> Q:
        """Return the condition that leaves out the jobs of folded groups."""
        found = Q()
        for condition in self._folded_conditions().values():
            found &= ~condition
        return found

    def _folded_conditions(self) -> dict[str, Q]:
        found: dict[str, Q] = {}
        upcoming = _upcoming(self._now)
        if self._with_upcoming and UPCOMING in self._query.folded:
            found[UPCOMING] = upcoming
        if UNDATED in self._query.folded and self._query.ordering.nullable:
            found[UNDATED] = Q(**{f"{self._column}__isnull": True})
        for stretch in self._folded:
            condition = self._within(stretch)
            found[stretch.key] = condition & ~upcoming if self._with_upcoming else condition
        return found

    def _within(self, stretch: Stretch) -> Q:
        # NOT of a comparison with NULL keeps no row, so that a job without the date would be lost.
        found = Q(**{f"{self._column}__isnull": False}) if self._query.ordering.nullable else Q()
        if stretch.begins_at is not None:
            found &= Q(**{f"{self._column}__gte": stretch.begins_at})
        if stretch.ends_at is not None:
            found &= Q(**{f"{self._column}__lt": stretch.ends_at})
        return found

    def groups(self, page: Page[Listed], jobs: QuerySet[Job]) -> list[Group]:
        """Return the groups of a page.

        Args:
            page: Rows of ``unfolded``.
            jobs: All that the filter keeps.
        """
        shown: dict[str, Group] = {}
        for job in page.rows:
            key = self._key(job)
            shown.setdefault(key, Group(key, self._heading(key))).jobs.append(job)
        if UPCOMING in shown:
            shown[UPCOMING].jobs.sort(key=lambda job: (job.scheduled_at, job.pk))
        open_groups = {key: replace(group, count=self._count(group, page)) for key, group in shown.items()}
        found = {**open_groups, **self._folded_groups(page, jobs)}
        return [
            replace(
                found[key], fold=fold_address(self._parameters, key, self._query.folded)
            )
            for key in self._order()
            if key in found
        ]  # fmt: skip

    def _key(self, job: Listed) -> str:
        if self._with_upcoming and is_upcoming(job, self._now):
            return UPCOMING
        moment: datetime | None = getattr(job, self._column)
        if moment is None:
            return UNDATED
        day = timezone.localdate(moment)
        if self._with_upcoming:
            day = min(day, timezone.localdate(self._now))
        return next(stretch.key for stretch in self._stretches if stretch.has(day))

    def _heading(self, key: str) -> str:
        headings = {stretch.key: stretch.heading for stretch in self._stretches}
        return {**headings, UPCOMING: _("Upcoming"), UNDATED: _("Without this date")}[key]

    def _order(self) -> list[str]:
        """Return all keys as the list's order puts them; NULL stands where PostgreSQL puts it."""
        keys = [UNDATED, *(stretch.key for stretch in self._stretches)]
        if not self._query.ordering.descending:
            keys.reverse()
        return [UPCOMING, *keys]

    def _count(self, group: Group, page: Page[Listed]) -> str:
        """Return how many rows of a group are on the page, with a sign where it may go on beyond it."""
        at_the_end = page.next is not None and (group.key == UPCOMING or page.rows[-1] in group.jobs)
        at_the_beginning = page.previous is not None and (group.key == UPCOMING or page.rows[0] in group.jobs)
        return f"{len(group.jobs)}{'+' if at_the_end or at_the_beginning else ''}"

    def _folded_groups(self, page: Page[Listed], jobs: QuerySet[Job]) -> dict[str, Group]:
        """Return the folded groups that stand on the page: those before its last row, all on the last page."""
        conditions = self._folded_conditions()
        if not conditions:
            return {}
        order = self._order()
        last = order.index(self._key(page.rows[-1])) if page.rows and page.next is not None else len(order)
        if page.rows and self._key(page.rows[-1]) == UPCOMING and page.next is not None:
            last = len(order)
        wanted = {key: jobs.filter(found) for key, found in conditions.items() if order.index(key) <= last}
        numbers = counts.bounded(wanted)
        return {
            key: Group(key, self._heading(key), count=counts.shown(number), is_folded=True)
            for key, number in numbers.items()
            if number
        }


def ungrouped(jobs: list[Listed]) -> list[Group]:
    """Return ``jobs`` in one group without a heading."""
    return [Group("all", "", jobs)] if jobs else []


@dataclass(frozen=True, slots=True)
class _Part:
    """One group by a value: the jobs that are in it, and the parameter that asks for it."""

    key: str
    heading: str
    condition: Q
    parameter: str


def by_value(user: AnyUser, query: Query, parameters: QueryDict) -> list[Group]:
    """Return the newest jobs of each environment, status or project, as ``query.group`` says. At most eight queries."""
    jobs = lists.jobs_of(lists.Wanted(selectors.seen_environments(user), query.wanted))
    parts = _PARTS[query.group](user, query, jobs)[:MOST]
    numbers = counts.bounded({part.key: jobs.filter(part.condition) for part in parts})
    parts = [part for part in parts if numbers.get(part.key)]
    rows = _rows(jobs, [part for part in parts if part.key not in query.folded], query.ordering)
    return [
        Group(
            part.key,
            part.heading,
            rows.get(part.key, []),
            counts.shown(numbers[part.key]),
            fold_address(parameters, part.key, query.folded),
            part.key in query.folded,
            _all_of(parameters, query.group, part) if numbers[part.key] > ROWS else "",
        )
        for part in parts
    ]


def _all_of(parameters: QueryDict, group: str, part: _Part) -> str:
    if not part.parameter:
        return ""
    found = parameters.copy()
    for name in ("group", "fold"):
        found.pop(name, None)
    return address(found, group, [part.parameter])


def _rows(jobs: QuerySet[Job], parts: Sequence[_Part], ordering: Ordering) -> dict[str, list[Listed]]:
    sign = "-" if ordering.descending else ""
    keys = (ordering.column,) if ordering.is_single else (ordering.column, ordering.tie)
    ordered = jobs.order_by(*(f"{sign}{key}" for key in keys))
    numbers = counts.first_of({part.key: ordered.filter(part.condition) for part in parts}, ROWS)
    wanted = [number for found in numbers.values() for number in found]
    listed = {job.pk: job for job in list_rows.listed(wanted)}
    return {key: [listed[number] for number in found if number in listed] for key, found in numbers.items()}


def _environments(user: AnyUser, query: Query, jobs: QuerySet[Job]) -> list[_Part]:
    visible = policy.environments_for(user)
    if wanted := query.wanted.values.get("environment"):
        visible = visible.filter(code__in=wanted)
    rows = visible.values_list("pk", "code", "name")[:MOST]
    return [
        _Part(f"environment-{code}", f"{code} · {name}" if name and name != code else code, Q(environment=pk), code)
        for pk, code, name in rows
    ]  # fmt: skip


def _statuses(user: AnyUser, query: Query, jobs: QuerySet[Job]) -> list[_Part]:
    return [
        _Part(f"status-{status.value}", str(StatusChoice(status).label), Q(status=status.value), status.value)
        for status in Status
    ]


def _projects(user: AnyUser, query: Query, jobs: QuerySet[Job]) -> list[_Part]:
    """Return the projects of the newest jobs, the one that was worked with last first."""
    newest = jobs.order_by("-id").values_list("project_id", "project__code")
    found = dict(newest[:NEWEST_SEEN])
    return [
        _Part(f"project-{code}", code, Q(project=pk), code) if code
        else _Part("project-", _("Without a project"), Q(project=None), "")
        for pk, code in found.items()
    ]  # fmt: skip


VALUES: Final = ("environment", "status", "project")
"""Groups by a value."""

_PARTS: Final = {"environment": _environments, "status": _statuses, "project": _projects}
