"""What the monitor shows: a page of jobs in groups, the counts on top, and what narrows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.choices import BADGES, StatusChoice
from jobs.keyset import Ordering
from jobs.lifecycle import ACTIVE, Status, Step
from jobs.models import Job
from jobs.monitor import counts, polling, remaining, times

PLACE_PARAMETERS: Final = ("cursor",)
"""Say where a page begins; everything else in the address says what is looked for."""

FIELD_LABELS: Final = {
    "status": gettext_lazy("Status"),
    "environment": gettext_lazy("Environment"),
    "project": gettext_lazy("Project"),
    "nature": gettext_lazy("Nature"),
    "rule": gettext_lazy("Rule"),
    "type": gettext_lazy("Type"),
    "step": gettext_lazy("Step"),
    "created_by": gettext_lazy("User"),
    "q": gettext_lazy("Text"),
}


COLUMNS: Final = (
    (gettext_lazy("Name"), ""),
    (gettext_lazy("Environment"), ""),
    (gettext_lazy("Status"), ""),
    (gettext_lazy("Step"), ""),
    (gettext_lazy("Progress"), ""),
    (gettext_lazy("Project"), ""),
    (gettext_lazy("Natures"), ""),
    (gettext_lazy("Rule"), ""),
    (gettext_lazy("User"), ""),
    (gettext_lazy("Start date"), "started_at"),
    (gettext_lazy("End date"), "finished_at"),
    (gettext_lazy("Scheduled date"), "scheduled_at"),
    (gettext_lazy("Max start date"), ""),
)
"""The user's columns, and the database column by which a list can be ordered."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; ``href`` orders the list by it, ``state`` says how it is ordered now."""

    label: str
    href: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs under one heading."""

    key: str
    heading: str
    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class Chip:
    """A status with its count, or an applied filter; ``href`` switches it."""

    label: str
    href: str
    count: str = ""
    family: str = ""
    selected: bool = False


def grouped(jobs: Iterable[Job], now: datetime) -> list[Group]:
    """Return ``jobs`` under headings by their day of creation; those whose RUN is still to come stand first.

    Args:
        jobs: Newest first, so that each day is one stretch.
        now: The present moment.
    """
    groups: dict[str, Group] = {}
    upcoming = Group("upcoming", _("Upcoming"), [])
    for job in jobs:
        if is_upcoming(job, now):
            upcoming.jobs.append(job)
            continue
        key, heading = times.bucket(job.created_at, now)
        groups.setdefault(key, Group(key, heading, [])).jobs.append(job)
    upcoming.jobs.sort(key=lambda job: (job.scheduled_at, job.pk))
    return [upcoming, *groups.values()] if upcoming.jobs else list(groups.values())


def ungrouped(jobs: list[Job]) -> list[Group]:
    """Return ``jobs`` in one group without a heading, for orders in which days are no stretches."""
    return [Group("all", "", jobs)] if jobs else []


def columns(query: QueryDict, ordering: Ordering) -> list[Column]:
    """Return the columns in the order of the product document; those with dates switch the order of the list."""
    found = []
    for label, name in COLUMNS:
        if not name:
            found.append(Column(str(label)))
            continue
        is_this, descending = ordering.column == name, ordering.descending
        turned = name if is_this and descending else f"-{name}"
        state = ("descending" if descending else "ascending") if is_this else ""
        found.append(Column(str(label), address(query, "ordering", [turned]), state))
    return found


def is_upcoming(job: Job, now: datetime) -> bool:
    """Return whether the job waits for a date that is still to come."""
    return (
        Status(job.status) in ACTIVE
        and job.run_began_at is None
        and job.scheduled_at > now
        and job.step != Step.POST
    )


def status_chips(query: QueryDict, numbers: dict[Status, int]) -> list[Chip]:
    """Return a chip for each status that occurs or is selected; each one switches itself in the address."""
    selected = query.getlist("status")
    chips = []
    for status in Status:
        number = numbers.get(status, 0)
        if not number and status.value not in selected:
            continue
        others = [value for value in selected if value != status.value]
        wanted = others if status.value in selected else [*selected, status.value]
        chips.append(
            Chip(
                label=str(StatusChoice(status).label),
                href=address(query, "status", wanted),
                count=f"{counts.MOST - 1}+" if number >= counts.MOST else str(number),
                family=BADGES[status],
                selected=status.value in selected,
            )
        )
    return chips


def applied_filters(query: QueryDict) -> list[Chip]:
    """Return a chip for each filter in the address besides the status; following it takes that one away."""
    chips = []
    for name, values in query.lists():
        if name in {"status", "limit", "ordering", *PLACE_PARAMETERS}:
            continue
        for value in filter(None, values):
            others = [other for other in values if other != value]
            label = FIELD_LABELS.get(name, name.replace("_", " "))
            chips.append(Chip(label=f"{label}: {value}", href=address(query, name, others)))
    return chips


def address(query: QueryDict, name: str, values: Sequence[str]) -> str:
    """Return the query of the present address from its first page, with ``values`` under ``name``."""
    pairs = [
        (other, value)
        for other, found in query.lists()
        for value in found
        if value and other != name and other not in PLACE_PARAMETERS
    ]
    return "?" + urlencode([*pairs, *((name, value) for value in values)])


def version(jobs: Iterable[Job], numbers: dict[Status, int], now: datetime) -> str:
    """Return what changes whenever the shown rows would look different: facts, language, zone, the day, dates that pass."""
    rows = [
        (
            job.pk, job.status, job.step, job.percent, job.reason, job.urgent, job.started_at, job.finished_at,
            job.scheduled_at, job.max_start_at, is_upcoming(job, now), [nature.code for nature in job.natures.all()],
            remaining.span(job, now),
        )
        for job in jobs
    ]  # fmt: skip
    return polling.version_of(
        rows,
        sorted(numbers.items()),
        translation.get_language(),
        timezone.get_current_timezone_name(),
        timezone.localdate(now),
    )
