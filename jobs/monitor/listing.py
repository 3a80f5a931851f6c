"""What stands around the rows of the monitor: headings that sort, chips of statuses and filters, and its version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobs import filters
from jobs.choices import BADGES, JobType, StatusChoice
from jobs.lifecycle import Status
from jobs.monitor import counts, polling, remaining
from jobs.monitor.groups import Group, is_upcoming
from jobs.monitor.view_query import Query, address, given_values
from jobs.search_words import quoted, split

MOST_CHIPS: Final = 50
"""So many applied filters have a chip."""

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
    "created_after": gettext_lazy("Created from"),
    "created_before": gettext_lazy("Created before"),
    "scheduled_after": gettext_lazy("Scheduled from"),
    "scheduled_before": gettext_lazy("Scheduled before"),
    "started_after": gettext_lazy("Started from"),
    "started_before": gettext_lazy("Started before"),
    "finished_after": gettext_lazy("Ended from"),
    "finished_before": gettext_lazy("Ended before"),
    "ordering": gettext_lazy("Order"),
    "columns": gettext_lazy("Columns"),
    "group": gettext_lazy("Groups"),
    "fold": gettext_lazy("Folded groups"),
    "view": gettext_lazy("View"),
    "cursor": gettext_lazy("Page"),
    "format": gettext_lazy("Format"),
    "panel": gettext_lazy("Panel"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading; ``href`` orders the list by it, ``state`` says how it is ordered now."""

    key: str
    label: str
    href: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A status with its count, or an applied filter; ``href`` switches it."""

    label: str
    href: str
    count: str = ""
    family: str = ""
    selected: bool = False
    negated: bool = False
    name: str = ""


def label_of(name: str) -> str:
    """Return how people call a parameter of the address."""
    if name in filters.NEGATED:
        return _("Not %(field)s") % {"field": str(FIELD_LABELS[filters.NEGATED[name]]).lower()}
    return str(FIELD_LABELS.get(name, name))


def headings(parameters: QueryDict, query: Query) -> list[Heading]:
    """Return the headings of the columns; those with an index behind them switch the order of the list."""
    ordering, found = query.ordering, []
    for column in query.columns:
        if not column.ordering:
            found.append(Heading(column.key, str(column.label)))
            continue
        is_this = ordering.column == column.ordering
        # A name is looked for from A on, a date from the newest on.
        first, second = (
            (column.ordering, f"-{column.ordering}")
            if column.ordering == "name"
            else (f"-{column.ordering}", column.ordering)
        )
        href = address(parameters, "ordering", [second if is_this and ordering.name == first else first])
        state = ("descending" if ordering.descending else "ascending") if is_this else ""
        found.append(Heading(column.key, str(column.label), href, state))
    return found


def status_chips(parameters: QueryDict, numbers: dict[Status, int]) -> list[Chip]:
    """Return a chip for each status that occurs or is selected; each one switches itself in the address.

    A status that is left out keeps its chip, with what there is of it, as the way back to it.
    """
    selected, left_out = parameters.getlist("status"), parameters.getlist(f"{filters.NEGATION}status")
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
                href=address(parameters, "status", wanted),
                count=counts.shown(number),
                family=BADGES[status],
                selected=status.value in selected,
                negated=status.value in left_out,
            )
        )
    return chips


def applied_filters(parameters: QueryDict) -> list[Chip]:
    """Return a chip for each value of a filter in the address, and each word of the text; following it takes that one away.

    Statuses that are wanted have chips of their own. Each address has all other values, so past ``MOST_CHIPS`` one chip
    stands for the rest and opens the panel of filters.
    """
    chips: list[Chip] = []
    more = 0
    given = given_values(parameters)
    for name in filters.PARAMETERS:
        values = given.get(name, []) if name != "status" else []
        if name == filters.TEXT:
            chips += _words(parameters, values)
            continue
        fitting = values[: max(0, MOST_CHIPS - len(chips))]
        more += len(values) - len(fitting)
        for value in fitting:
            others = [other for other in values if other != value]
            chips.append(
                Chip(
                    label=f"{label_of(name)}: {value_label(name, value)}",
                    href=address(parameters, name, others),
                    negated=name in filters.NEGATED,
                    name=name,
                )
            )
    if more:
        label = ngettext("and %(n)s more", "and %(n)s more", more) % {"n": more}
        chips.append(Chip(label=label, href=address(parameters, "panel", ["filters"]), name="panel"))
    return chips


def _words(parameters: QueryDict, values: list[str]) -> list[Chip]:
    words = split(" ".join(values))
    chips = []
    for place, word in enumerate(words):
        others = [_again(other) for at, other in enumerate(words) if at != place]
        href = address(parameters, "q", [" ".join(others)] if others else [])
        chips.append(Chip(label=f"{label_of('q')}: {word}", href=href, name="q"))
    return chips


def _again(word: str) -> str:
    """Return a word as it is read as one."""
    return word if split(word) == (word,) else quoted(word)


def value_label(name: str, value: str) -> str:
    """Return how people call a value of a filter."""
    field = filters.NEGATED.get(name, name)
    if field == "status" and value in StatusChoice.values:
        return str(StatusChoice(value).label)
    if field == "type" and value in JobType.values:
        return str(JobType(value).label)
    return value


def version(groups: Iterable[Group], numbers: dict[Status, int], now: datetime, asked: str) -> str:
    """Return what changes whenever the shown rows would look different.

    Args:
        groups: With their rows.
        numbers: Of jobs per status.
        now: The present moment: dates pass, and the day ends.
        asked: The address, for the same jobs look different with other columns.
    """
    rows: list[Any] = [
        (
            group.key, group.count, group.is_folded,
            [
                (
                    job.pk, job.status, job.step, job.percent, job.reason, job.urgent, job.started_at, job.finished_at,
                    job.scheduled_at, job.max_start_at, is_upcoming(job, now), job.attempt, job.comment, job.outcome,
                    job.rollback, job.natures, remaining.span(job, now),
                )
                for job in group.jobs
            ],
        )
        for group in groups
    ]  # fmt: skip
    return polling.version_of(
        asked,
        rows,
        sorted(numbers.items()),
        translation.get_language(),
        timezone.get_current_timezone_name(),
        timezone.localdate(now),
    )
