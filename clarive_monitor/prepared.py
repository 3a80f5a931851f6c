"""Statements that are asked again and again: the server reads and plans each once a connection, and nobody puts it together anew.

Django writes the values into the text of each statement, so the server parses and plans all of them, each time. For most that is
right: a list is planned by what is asked for. What is on the way of each job, and finds its rows by a key, is not worth it, see
decision 98. This module knows Django and nothing of the product, so every layer may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import psycopg
from django.conf import settings
from django.db import NotSupportedError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import ForeignKey, Model

Found = TypeVar("Found", bound=Model)
NOTHING: frozenset[str] = frozenset()


@contextmanager
def cursor() -> Iterator[CursorWrapper]:
    """Give a cursor for statements that come with their values beside them, each of which is prepared on its first use.

    Places of values are ``%s``. A place whose type the statement does not tell takes that of the value, and each combination
    of types is prepared for itself. Prepared ones live as long as the connection, or until it rolls a transaction back.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.queries_logged:
        # Whoever looks at the statements wants to see their values, too.
        with connection.cursor() as theirs:
            yield theirs
        return
    raw: psycopg.Connection[Any] = connection.connection
    # Only for as long: what Django asks would be counted otherwise, and the text of each of its statements kept for that.
    raw.prepare_threshold = 0 if settings.CLARIVE_PREPARED_STATEMENTS else None
    try:
        with connection.make_cursor(cast(CursorWrapper, psycopg.Cursor(raw))) as own:
            yield own
    except NotSupportedError:
        # A column has another type since the statement was planned. What is planned anew is planned on another connection.
        if not connection.in_atomic_block:
            raw.close()
            connection.close()
        raise
    finally:
        raw.prepare_threshold = None


@dataclass(frozen=True, slots=True)
class Part:
    """The columns of one model in a row, and what makes an object of them.

    Attributes:
        model: Which.
        first: Place of its first column.
        names: Attributes in the order of the columns.
        columns: As the statement writes them.
        converters: Place and function of each column that is not kept as it comes.
        key: Place of the primary key; no object is there without it.
    """

    model: type[Model]
    first: int
    names: list[str]
    columns: list[str]
    converters: list[tuple[int, Callable[[Any], Any]]]
    key: int

    @property
    def after(self) -> int:
        """The place behind its last column."""
        return self.first + len(self.names)

    def of(self, row: Sequence[Any]) -> Model | None:
        """Return the object in a row, ``None`` where there is none."""
        values = list(row[self.first : self.after])
        if values[self.key] is None:
            return None
        for place, convert in self.converters:
            values[place] = convert(values[place])
        return self.model.from_db("default", self.names, values)


class Reading(Generic[Found]):
    """How an object is read with what it refers to."""

    def __init__(self, model: type[Found], *shown: str, but: Collection[str] = NOTHING) -> None:
        """Remember what is read; nothing is looked up before the first use.

        Args:
            model: Of the object, whose table goes by its own name in the statement.
            shown: Names of foreign keys whose objects are read with it; each is joined under its name.
            but: Columns of any of them that are not read until somebody asks for them.
        """
        self._model, self._shown, self._but = model, shown, but

    @property
    def columns(self) -> str:
        """All columns, for a ``SELECT``."""
        own, others = self._parts
        return ", ".join([*own.columns, *(column for _name, part in others for column in part.columns)])

    @property
    def tables(self) -> str:
        """The tables, for a ``FROM``."""
        own = self._model._meta.db_table
        joins = [f'"{own}"']
        for name, part in self._parts[1]:
            column = self._field(name).column
            joins.append(
                f'LEFT JOIN "{part.model._meta.db_table}" AS "{name}" ON "{name}".id = "{own}"."{column}"'
            )
        return " ".join(joins)

    @property
    def after(self) -> int:
        """The place behind the last of its columns in a row."""
        own, others = self._parts
        return others[-1][1].after if others else own.after

    def of(self, row: Sequence[Any]) -> Found:
        """Return the object that begins a row."""
        own, others = self._parts
        found = cast(Found, own.of(row))
        for name, part in others:
            self._field(name).set_cached_value(found, part.of(row))
        return found

    @cached_property
    def _parts(self) -> tuple[Part, list[tuple[str, Part]]]:
        own = _part(self._model, self._model._meta.db_table, 0, self._but)
        others: list[tuple[str, Part]] = []
        place = own.after
        for name in self._shown:
            others.append((name, _part(self._field(name).related_model, name, place, self._but)))
            place = others[-1][1].after
        return own, others

    def _field(self, name: str) -> ForeignKey[Any, Any]:
        return cast("ForeignKey[Any, Any]", self._model._meta.get_field(name))


class Lookup(Generic[Found]):
    """An object that is looked up by the same condition again and again."""

    def __init__(self, model: type[Found], *shown: str, by: str) -> None:
        """Remember what is looked up.

        Args:
            model: See ``Reading``.
            shown: See ``Reading``.
            by: What follows ``WHERE``; the first row counts.
        """
        self._reading, self._by = Reading(model, *shown), by

    def first(self, *values: Any) -> Found | None:
        """Return the object, ``None`` when there is none."""
        with cursor() as own:
            own.execute(self._statement, values)
            row = own.fetchone()
        return None if row is None else self._reading.of(row)

    @cached_property
    def _statement(self) -> str:
        return f"SELECT {self._reading.columns} FROM {self._reading.tables} WHERE {self._by}"


def _part(model: type[Model], alias: str, first: int, but: Collection[str]) -> Part:
    fields = [field for field in model._meta.concrete_fields if field.attname not in but]
    converters = [
        (place, _converting(convert))
        for place, field in enumerate(fields)
        for convert in field.get_db_converters(connection)
    ]
    columns = [f'"{alias}"."{field.column}"' for field in fields]
    key = next(place for place, field in enumerate(fields) if field.primary_key)
    return Part(model, first, [field.attname for field in fields], columns, converters, key)


def _converting(convert: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a converter of Django's, which knows no expression, for a plain column."""
    return lambda value: convert(value, None, connection)
