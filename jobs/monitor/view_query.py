"""What the address of the monitor asks for: which jobs, in which order, with which columns, in which groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import filters, keyset, selectors
from jobs.exceptions import InvalidInput
from jobs.monitor import columns, wrong_values
from jobs.monitor.columns import Column
from jobs.monitor.wrong_values import no_value

GROUPS: Final[dict[str, Promise]] = {
    "time": gettext_lazy("By time"),
    "environment": gettext_lazy("By environment"),
    "status": gettext_lazy("By status"),
    "project": gettext_lazy("By project"),
    "none": gettext_lazy("No groups"),
}
"""Ways to put the list in groups, as people call them."""

TIME: Final = "time"
VIEW_PARAMETERS: Final = (*filters.PARAMETERS, "ordering", "columns", "group")
"""What a saved view keeps: everything but where the reader is in it."""

NO_VIEW: Final = "none"
"""The ``view`` of somebody who left their usual one."""

PLACE_PARAMETERS: Final = ("cursor", "panel")
"""Say where the reader is; everything else in the address says what is looked for."""

COLUMN_PANEL: Final = ("column", "at", "move")
"""What the panel of columns sends; it leads to an address with ``columns``."""

KNOWN: Final = (
    *VIEW_PARAMETERS, *PLACE_PARAMETERS, "fold", "view", "format", "search", "open", *COLUMN_PANEL,
)  # fmt: skip
"""All that the address of the monitor may say."""

_MOST_FOLDS: Final = 40
_LONGEST_KEY: Final = 100


@dataclass(frozen=True, slots=True)
class Query:
    """What an address asks for.

    Attributes:
        wanted: Which jobs.
        ordering: In which order.
        cursor: From where on, ``None`` for the beginning.
        columns: Which columns, in their order.
        group: One of ``GROUPS``.
        folded: Keys of the groups whose rows are not shown.
        view: Number of the saved view that it came from, ``None`` when it came from none.
    """

    wanted: selectors.JobFilter = field(default_factory=selectors.JobFilter)
    ordering: keyset.Ordering = filters.NEWEST_FIRST
    cursor: keyset.Cursor | None = None
    columns: tuple[Column, ...] = field(default_factory=lambda: columns.parse(()))
    group: str = TIME
    folded: frozenset[str] = frozenset()
    view: int | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves any job out."""
        return self.wanted != selectors.JobFilter()

    def without_status(self) -> selectors.JobFilter:
        """Return the filter for the counts per status."""
        values, without = (
            {name: found for name, found in of.items() if name != "status"}
            for of in (self.wanted.values, self.wanted.without)
        )
        return replace(self.wanted, values=values, without=without)


def read_query(query: QueryDict) -> Query:
    """Return what the address asks for.

    Raises:
        InvalidInput: Names each part that is not usable.
    """
    given = given_values(query)
    errors: dict[str, list[str]] = {}
    found = Query()
    for read in (_filter, _ordering, _columns, _group, _folds, _view):
        try:
            found = read(found, given)
        except InvalidInput as error:
            errors.update(error.errors)
    if errors:
        raise InvalidInput(errors)
    return _place(found, given)


def given_values(query: QueryDict) -> dict[str, list[str]]:
    """Return the values by name, without the empty ones that forms send."""
    return {name: [value for value in values if value] for name, values in query.lists()}


def _filter(found: Query, given: dict[str, list[str]]) -> Query:
    return replace(found, wanted=read_filter(given))


def read_filter(given: Mapping[str, Sequence[str]]) -> selectors.JobFilter:
    """Return the filter of an address in the reader's zone.

    Raises:
        InvalidInput: Names each part that is not usable, in the reader's words.
    """
    zone = timezone.get_current_timezone()
    return filters.parse_filter(given, zone=zone, unknown_value=wrong_values.of_field)


def _ordering(found: Query, given: dict[str, list[str]]) -> Query:
    asked = given.get("ordering", [])
    if len(asked) == 1 and asked[0] not in filters.PAGE_ORDERINGS:
        raise InvalidInput({"ordering": [no_value(asked[0], _orderings())]})
    return replace(found, ordering=filters.parse_ordering(asked, filters.PAGE_ORDERINGS))


def _orderings() -> dict[str, str]:
    """Return the orders that there are, each as its heading shows it."""
    labels = {column.ordering: column.label for column in columns.COLUMNS.values() if column.ordering}
    return {
        name: f"{labels[ordering.column]} {'↓' if ordering.descending else '↑'}"
        for name, ordering in filters.PAGE_ORDERINGS.items()
    }


def _columns(found: Query, given: dict[str, list[str]]) -> Query:
    return replace(found, columns=columns.parse(given.get("columns", [])))


def _group(found: Query, given: dict[str, list[str]]) -> Query:
    groups = given.get("group", [])
    if len(groups) > 1:
        raise InvalidInput({"group": ["Give this parameter once."]})
    if groups and groups[0] not in GROUPS:
        raise InvalidInput({"group": [no_value(groups[0], GROUPS)]})
    return replace(found, group=groups[0] if groups else TIME)


def _folds(found: Query, given: dict[str, list[str]]) -> Query:
    keys = given.get("fold", [])
    if len(keys) > _MOST_FOLDS:
        raise InvalidInput({"fold": [f"Give at most {_MOST_FOLDS} values."]})
    if any(len(key) > _LONGEST_KEY for key in keys):
        raise InvalidInput({"fold": [f"Use at most {_LONGEST_KEY} characters."]})
    return replace(found, folded=frozenset(keys))


def _view(found: Query, given: dict[str, list[str]]) -> Query:
    text = "".join(given.get("view", []))
    if not text or text == NO_VIEW:
        return found
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInput({"view": [_("This is no saved view.")]})
    return replace(found, view=int(text))


def _place(found: Query, given: dict[str, list[str]]) -> Query:
    text = "".join(given.get("cursor", []))
    try:
        cursor = keyset.Cursor.decode(text, found.ordering) if text else None
    except keyset.BadCursor:
        raise InvalidInput({"cursor": [_("This is no place in the list.")]}) from None
    return replace(found, cursor=cursor)


def address(query: QueryDict, name: str, values: Sequence[str]) -> str:
    """Return the query of the present address from its first page, with ``values`` under ``name``."""
    return "?" + urlencode([*pairs(query, without=(name,)), *((name, value) for value in values)])


def pairs(
    query: QueryDict, *, without: Iterable[str] = (), only: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Return names and values of the present address from its first page, in its order."""
    left_out = {*without, *PLACE_PARAMETERS}
    kept = None if only is None else set(only)
    return [
        (name, value)
        for name, values in query.lists()
        for value in values
        if value and name not in left_out and (kept is None or name in kept)
    ]


def canonical(query: QueryDict) -> str:
    """Return what a saved view keeps of an address: the same text for the same view, whatever order it was asked in."""
    rank = {name: place for place, name in enumerate(VIEW_PARAMETERS)}
    found = pairs(query, only=VIEW_PARAMETERS)
    return urlencode(
        [(name, value) for _rank, name, value in sorted({(rank[name], name, value) for name, value in found})]
    )


def page_address(query: QueryDict, ordering: keyset.Ordering, cursor: keyset.Cursor | None) -> str:
    """Return the address of the page at ``cursor``, an empty text when there is none."""
    if cursor is None:
        return ""
    return "?" + urlencode([*pairs(query), ("cursor", cursor.encode(ordering))])
