"""Keyset pages: a page begins after the last row seen, so nothing is skipped, repeated or counted.

Rows are ordered by (column, tie). A column may be NULL (``started_at``); NULL stands where PostgreSQL's own
order puts it, after every value when ascending and before every value when descending, so that an index on
(column, tie) serves both directions. A page is one query, two where it runs over the border to NULL.

A cursor is not signed: it says no more than a position, and every part of it is checked when it comes back.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Final, Generic, Literal, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import (
    Tuple,
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)

Row = TypeVar("Row", bound=Model)
Thing = TypeVar("Thing")
Found = TypeVar("Found")
Value = datetime | int | str | None
Kind = Literal["datetime", "int", "str"]

_LARGEST: Final = 2**63 - 1
_LONGEST_CURSOR: Final = 2000
_TUPLES: Final[dict[tuple[bool, bool], Callable[..., Any]]] = {
    (True, False): TupleGreaterThan,
    (True, True): TupleGreaterThanOrEqual,
    (False, False): TupleLessThan,
    (False, True): TupleLessThanOrEqual,
}
_LOOKUPS: Final = {(True, False): "gt", (True, True): "gte", (False, False): "lt", (False, True): "lte"}


class BadCursor(ValueError):
    """The cursor is not one that this list gave."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """How a list is ordered.

    Attributes:
        name: As the asker writes it, ``-created_at``; a cursor is good for its own ordering only.
        column: First column; the tie itself for orderings by one unique column.
        kind: Type of ``column``.
        descending: Of both columns.
        nullable: Whether ``column`` may be NULL.
        tie: Unique column that decides among equals.
    """

    name: str
    column: str
    kind: Kind = "int"
    descending: bool = False
    nullable: bool = False
    tie: str = "id"

    @property
    def is_single(self) -> bool:
        """Whether the column is unique by itself."""
        return self.column == self.tie


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list.

    Attributes:
        value: Of the ordering's column.
        tie: Of the tie column; an equal ``value`` again when the column is the tie.
        backward: The page ends here instead of beginning here.
        inclusive: The row at this very place belongs to the page.
    """

    value: Value
    tie: int
    backward: bool = False
    inclusive: bool = False

    def encode(self, ordering: Ordering) -> str:
        """Return the cursor as text for addresses."""
        value = self.value.astimezone(UTC).isoformat() if isinstance(self.value, datetime) else self.value
        parts = [ordering.name, value, self.tie, int(self.backward), int(self.inclusive)]
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, ordering: Ordering) -> Cursor:
        """Return what ``encode`` was given.

        Raises:
            BadCursor: Anything about it is not as ``encode`` writes it for this ordering.
        """
        try:
            name, value, tie, backward, inclusive = _unpack(text)
        except (binascii.Error, ValueError, RecursionError, TypeError) as error:
            raise BadCursor from error
        if name != ordering.name or not _is_key(tie) or (backward, inclusive) not in _FLAGS:
            raise BadCursor
        return cls(_typed(value, ordering), tie, bool(backward), bool(inclusive))


_FLAGS: Final = ((0, 0), (0, 1), (1, 0), (1, 1))


def _unpack(text: str) -> list[Any]:
    if len(text) > _LONGEST_CURSOR:
        raise BadCursor
    packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    parts = json.loads(packed)
    if not isinstance(parts, list):
        raise BadCursor
    return parts


def _is_key(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _typed(value: object, ordering: Ordering) -> Value:
    if value is None and ordering.nullable:
        return None
    if ordering.kind == "int" and _is_key(value):
        assert isinstance(value, int)
        return value
    if ordering.kind == "str" and isinstance(value, str) and value.isprintable():
        return value
    if ordering.kind == "datetime" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise BadCursor from error
        # At the ends of time it is no moment in every zone, and the next cursor could not be written.
        if moment.tzinfo is not None and MINYEAR < moment.year < MAXYEAR:
            return moment
    raise BadCursor


@dataclass(frozen=True, slots=True)
class Page(Generic[Thing]):
    """Rows in the ordering's order, and the cursors of the pages beside it, ``None`` where there is none."""

    rows: list[Thing]
    next: Cursor | None
    previous: Cursor | None


def page(queryset: QuerySet[Row], ordering: Ordering, cursor: Cursor | None, limit: int) -> Page[Row]:
    """Return at most ``limit`` rows of ``queryset`` from ``cursor`` on, or from the beginning."""

    def read(count: int) -> list[Row]:
        return read_rows(queryset, ordering, cursor, count)

    def place(row: Row, backward: bool) -> Cursor:
        return _place(row, ordering, backward=backward)

    return page_of(read, place, cursor, limit)


def page_of(
    read: Callable[[int], list[Thing]],
    place: Callable[[Thing, bool], Cursor],
    cursor: Cursor | None,
    limit: int,
) -> Page[Thing]:
    """Return at most ``limit`` rows of whatever ``read`` reads.

    Args:
        read: Returns at most so many rows from ``cursor`` on, in the direction that it walks.
        place: Returns the cursor that stands at a row, walking backward or not.
        cursor: Where the page begins, ``None`` for the beginning.
        limit: How many rows a page has.
    """
    backward = cursor is not None and cursor.backward
    found = read(limit + 1)
    more = len(found) > limit
    rows = found[:limit]
    if backward:
        rows.reverse()
    if not rows:
        return Page([], *_around_nothing(cursor))
    before = place(rows[0], True) if (more if backward else cursor) else None
    after = place(rows[-1], False) if (backward or more) else None
    return Page(rows, after, before)


def _around_nothing(cursor: Cursor | None) -> tuple[Cursor | None, Cursor | None]:
    """Return next and previous of an empty page: the way back, where the asker came from."""
    if cursor is None:
        return None, None
    back = Cursor(cursor.value, cursor.tie, not cursor.backward, not cursor.inclusive)
    return (back, None) if cursor.backward else (None, back)


def _place(row: Model, ordering: Ordering, *, backward: bool) -> Cursor:
    tie = row.pk if ordering.is_single else getattr(row, ordering.tie)
    return Cursor(getattr(row, ordering.column), tie, backward)


def read_rows(
    queryset: QuerySet[Row, Found], ordering: Ordering, cursor: Cursor | None, count: int
) -> list[Found]:
    """Return at most ``count`` rows from the cursor on in the direction it walks."""
    ascending = not ordering.descending
    if cursor is not None and cursor.backward:
        ascending = not ascending
    sign = "" if ascending else "-"
    # Written out, NULLs would stand where PostgreSQL puts them by itself.
    keys = (ordering.column,) if ordering.is_single else (ordering.column, ordering.tie)
    ordered = queryset.order_by(*(f"{sign}{key}" for key in keys))
    if cursor is None:
        return list(ordered[:count])
    rows = list(ordered.filter(beyond(ordering, cursor, ascending=ascending))[:count])
    values_come_first = ascending
    in_first_part = (cursor.value is not None) == values_come_first
    if ordering.nullable and in_first_part and len(rows) < count:
        rest = Q(**{f"{ordering.column}__isnull": values_come_first})
        rows += ordered.filter(rest)[: count - len(rows)]
    return rows


def beyond(ordering: Ordering, cursor: Cursor, *, ascending: bool) -> Any:
    """Return the condition that keeps what lies beyond the cursor within its part, values or NULL."""
    way = (ascending, cursor.inclusive)
    if ordering.is_single:
        return Q(**{f"{ordering.column}__{_LOOKUPS[way]}": cursor.value})
    if cursor.value is None:
        return Q(**{f"{ordering.column}__isnull": True, f"{ordering.tie}__{_LOOKUPS[way]}": cursor.tie})
    return _TUPLES[way](Tuple(F(ordering.column), F(ordering.tie)), (cursor.value, cursor.tie))
