"""Lists as keyset pages: ``{"next", "previous", "results"}`` with full addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from django.db import models
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import filters, keyset
from jobs.exceptions import InvalidInput
from jobs.keyset import BadCursor, Cursor, Kind, Ordering, Page

DEFAULT_LIMIT: Final = 50
MOST: Final = 200
CURSOR: Final = "cursor"
LIMIT: Final = "limit"
PARAMETERS: Final = (CURSOR, LIMIT)


def limit_of(request: Request, *, default: int = DEFAULT_LIMIT, most: int = MOST) -> int:
    """Return how many rows the asker wants on a page.

    Raises:
        InvalidInput: Not a whole number from 1 to ``most``.
    """
    return integer_of(request, LIMIT, least=1, most=most) or default


def integer_of(request: Request, name: str, *, least: int, most: int) -> int | None:
    """Return a whole number among the query parameters, ``None`` when it is not given.

    Raises:
        InvalidInput: It is not a number within the bounds, or is given twice.
    """
    text = single(request, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise InvalidInput({name: [f"Write a whole number from {least} to {most}."]})
    return int(text)


def single(request: Request, name: str) -> str | None:
    """Return a query parameter that may be given once.

    Raises:
        InvalidInput: It is given twice, or holds a null character.
    """
    texts = request.query_params.getlist(name)
    if len(texts) > 1:
        raise InvalidInput({name: ["Give this parameter once."]})
    if texts and "\x00" in texts[0]:
        raise InvalidInput({name: ["Null characters are not allowed."]})
    return texts[0] if texts else None


def words(request: Request, *names: str) -> dict[str, str]:
    """Return those of these query parameters that are given, each once and no longer than names may be looked for.

    Raises:
        InvalidInput: Names each that is not so.
    """
    found, errors = {}, {}
    for name in names:
        try:
            text = single(request, name)
        except InvalidInput as error:
            errors.update(error.errors)
            continue
        if text is not None and len(text) > filters.LONGEST_TEXT:
            errors[name] = [f"Use at most {filters.LONGEST_TEXT} characters."]
        elif text is not None:
            found[name] = text
    if errors:
        raise InvalidInput(errors)
    return found


def cursor_of(request: Request, ordering: Ordering) -> Cursor | None:
    """Return where the asked page begins.

    Raises:
        InvalidInput: The cursor is not one of this list in this order.
    """
    text = single(request, CURSOR)
    if text is None:
        return None
    try:
        return Cursor.decode(text, ordering)
    except BadCursor:
        raise InvalidInput({CURSOR: ["This cursor is not one of this list in this order."]}) from None


def address(request: Request, **changed: str) -> str:
    """Return the asked address with some query parameters changed."""
    query = request.query_params.copy()
    for name, value in changed.items():
        query[name] = value
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def envelope(request: Request, page: Page[Any], ordering: Ordering, results: Sequence[Any]) -> Response:
    """Return the answer for one page."""
    links = {
        name: address(request, cursor=cursor.encode(ordering)) if cursor else None
        for name, cursor in (("next", page.next), ("previous", page.previous))
    }
    return Response({**links, "results": results})


def paged(
    request: Request,
    queryset: QuerySet[keyset.Row],
    ordering: Ordering,
    represent: Callable[[keyset.Row], Any],
) -> Response:
    """Return the page of ``queryset`` that ``request`` asks for."""
    return paged_together(request, queryset, ordering, lambda rows: [represent(row) for row in rows])


def paged_together(
    request: Request,
    queryset: QuerySet[keyset.Row],
    ordering: Ordering,
    represent: Callable[[Sequence[keyset.Row]], list[Any]],
) -> Response:
    """Return the same, of rows that are represented together."""
    page = keyset.page(queryset, ordering, cursor_of(request, ordering), limit_of(request))
    return envelope(request, page, ordering, represent(page.rows))


IN_MEMORY: Final = Ordering("path", "path", "str", tie="path")


def sliced(request: Request, places: Sequence[str], represent: Callable[[range], list[Any]]) -> Response:
    """Return the asked page of a list that is made in memory.

    Args:
        request: Says where the page begins and how long it is.
        places: A lasting and unique name for each row.
        represent: Returns the rows with these indices as JSON.
    """
    cursor, limit = cursor_of(request, IN_MEMORY), limit_of(request)
    begin, end = 0, limit
    if cursor is not None:
        # A row that is not there any more leaves its number behind: a loop's body that became its first turn.
        index = places.index(str(cursor.value)) if cursor.value in places else cursor.tie
        index = min(index, len(places))
        begin, end = (max(0, index - limit), index) if cursor.backward else (index + 1, index + 1 + limit)
    rows = range(begin, min(end, len(places)))
    page: Page[Any] = Page(
        [],
        Cursor(places[rows[-1]], rows[-1]) if rows and end < len(places) else None,
        Cursor(places[rows[0]], rows[0], backward=True) if rows and begin > 0 else None,
    )
    return envelope(request, page, IN_MEMORY, represent(rows))


Found = TypeVar("Found")


def written_out(
    request: Request,
    ordering: Ordering,
    read: Callable[[Cursor | None, int], list[Found]],
    place: Callable[[Found], str],
    represent: Callable[[Sequence[Found]], list[Any]],
) -> Response:
    """Return the asked page of a list that is read by a query of its own.

    Args:
        request: Says where the page begins and how long it is.
        ordering: By one text that no two rows have in common.
        read: Returns at most so many rows beyond a cursor in its direction; raises ``BadCursor`` for a text that is none.
        place: Returns that text of a row.
        represent: Returns rows as JSON.

    Raises:
        InvalidInput: The cursor is not one of this list.
    """
    cursor, limit = cursor_of(request, ordering), limit_of(request)
    try:
        page = keyset.page_of(
            lambda count: read(cursor, count),
            lambda row, backward: Cursor(place(row), 0, backward),
            cursor,
            limit,
        )
    except BadCursor:
        raise InvalidInput({CURSOR: ["This cursor is not one of this list in this order."]}) from None
    return envelope(request, page, ordering, represent(page.rows))


class KeysetPagination(BasePagination):
    """Keyset pages for generic views, which say their order as ``keyset = ("slug",)`` or ``("-number",)``."""

    _page: Page[Any]
    _request: Request
    _ordering: Ordering

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the asked page."""
        self._request = request
        self._ordering = ordering_of(queryset.model, view.keyset)
        cursor = cursor_of(request, self._ordering)
        self._page = keyset.page(queryset, self._ordering, cursor, limit_of(request))
        return self._page.rows

    def get_paginated_response(self, data: Any) -> Response:
        """Return the answer for the page read last."""
        return envelope(self._request, self._page, self._ordering, data)


def ordering_of(model: type[models.Model], columns: Iterable[str]) -> Ordering:
    """Return the ordering by ``columns`` of ``model``: one unique column, or one that is not and the tie."""
    first, *rest = columns
    column = first.removeprefix("-")
    field = model._meta.get_field(column)
    return Ordering(
        name=first,
        column=column,
        kind=_kind(field),
        descending=first.startswith("-"),
        nullable=bool(field.null),
        tie=rest[0].removeprefix("-") if rest else column,
    )


def _kind(field: object) -> Kind:
    if isinstance(field, models.DateTimeField):
        return "datetime"
    return "int" if isinstance(field, models.IntegerField) else "str"
