"""Statements that go to the database together, in the transaction at hand: one round trip for all that is written.

What is sent together is also planned and answered together; at most the last one gives something back. Rows are written as they
are: no signals are sent, as for what a runner writes there is nobody who would hear them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from psycopg import ClientCursor

Values = Sequence[Any] | Mapping[str, Any]


class Bundle:
    """Statements in the order in which they take effect."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._cursor: ClientCursor[Any] | None = None

    def add(self, statement: str, values: Values) -> None:
        """Add a statement with its values, which are written into its text: they had better be short."""
        self._written.append(self._text(statement, values))

    def add_rows(self, statement: str, row: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add a statement that goes on with a text for each row, such as ``(%s, %s)``, with that row's values."""
        # Each by itself: psycopg remembers how it takes short texts apart, and no long ones.
        self._written.append(statement + ", ".join([self._text(row, values) for values in rows]))

    def insert(self, row: Model) -> None:
        """Add the insertion of a row; one whose key the database gives does not learn it."""
        model = type(row)
        fields = _fields(model, has_key=row.pk is not None)
        self.add(_insertion(model, row.pk is not None), [_value(row, field, is_new=True) for field in fields])

    def update(self, row: Model, names: Iterable[str]) -> None:
        """Add the update of some columns of a row, which are named as attributes."""
        known = {field.attname: field for field in row._meta.concrete_fields}
        fields = [known[name] for name in names]
        if not fields:
            return
        columns = ", ".join(f'"{field.column}" = %s' for field in fields)
        statement = f'UPDATE "{row._meta.db_table}" SET {columns} WHERE id = %s'
        self.add(statement, [*(_value(row, field, is_new=False) for field in fields), row.pk])

    def ask(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        """Let the statements take effect, and return what one more gives that sees what they did."""
        self.add(statement, values)
        written, self._written = self._written, []
        with connection.cursor() as cursor:
            cursor.execute(";\n".join(written))
            while cursor.nextset():
                pass
            return list(cursor.fetchall())

    def _text(self, statement: str, values: Values) -> str:
        if self._cursor is None:
            connection.ensure_connection()
            self._cursor = ClientCursor(connection.connection)
        with connection.wrap_database_errors:
            return self._cursor.mogrify(statement, values)

    def send(self) -> None:
        """Let the statements take effect; afterwards there are none."""
        written, self._written = self._written, []
        if written:
            with connection.cursor() as cursor:
                cursor.execute(";\n".join(written))


def _value(row: Model, field: Field[Any, Any], *, is_new: bool) -> Any:
    return field.get_db_prep_save(field.pre_save(row, is_new), connection)


@lru_cache(maxsize=32)
def _fields(model: type[Model], *, has_key: bool) -> list[Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if has_key or not field.primary_key]


@lru_cache(maxsize=32)
def _insertion(model: type[Model], has_key: bool) -> str:
    columns = [f'"{field.column}"' for field in _fields(model, has_key=has_key)]
    places = ", ".join(["%s"] * len(columns))
    return f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) VALUES ({places})'
