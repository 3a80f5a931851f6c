"""What to do about a list without rows: which filter keeps the jobs away, and how many there are without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import QueryDict
from django.utils import timezone

from jobs import filters, selectors
from jobs.monitor import counts, listing
from jobs.monitor.view_query import address, given_values
from permissions.policy import AnyUser

MOST: Final = 5


@dataclass(frozen=True, slots=True)
class WayOut:
    """A filter to take away.

    Attributes:
        label: What it says: ``Rule: web``.
        count: How many jobs there are without it.
        href: The list without it.
    """

    label: str
    count: str
    href: str


def ways_out(user: AnyUser, parameters: QueryDict) -> list[WayOut]:
    """Return the filters that alone keep jobs away, the narrowest first: without it there are the most. One query.

    None is returned where it takes two filters to find any.
    """
    given = {name: values for name, values in given_values(parameters).items() if name in filters.PARAMETERS}
    visible, zone = selectors.visible_jobs(user), timezone.get_current_timezone()
    parts = {}
    for name in given if len(given) > 1 else ():
        others = {other: values for other, values in given.items() if other != name}
        parts[name] = visible.filter(filters.parse_filter(others, zone=zone).condition())
    numbers = counts.bounded(parts)
    found = sorted(numbers.items(), key=lambda pair: -pair[1])[:MOST]
    return [
        WayOut(_label(name, given[name]), counts.shown(number), address(parameters, name, []))
        for name, number in found
    ]


def _label(name: str, values: list[str]) -> str:
    shown = ", ".join(listing.value_label(name, value) for value in values[:3])
    return f"{listing.label_of(name)}: {shown}{' …' if len(values) > 3 else ''}"
