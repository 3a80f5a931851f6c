"""Tables as COPY fills them: lines of text, with what nobody says of a row as the model's own default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import connection, models

NULL: Final = "\\N"


class Table:
    """One table, and the columns that lines say.

    Args:
        model: Whose table.
        columns: In the order of ``line``. Other columns get their defaults, also those that come later; a key that is
            not among them is given by the database.
    """

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        self.name = model._meta.db_table
        fields = [
            field
            for field in model._meta.concrete_fields
            if field.column not in columns and not field.primary_key
        ]
        rest = [_written(field.get_default()) for field in fields]
        self.columns = (*columns, *(field.column for field in fields))
        self._end = "".join(f"\t{value}" for value in rest) + "\n"

    def line(self, values: Iterable[object]) -> str:
        """Return one row. Texts hold neither tabs, line feeds nor backslashes."""
        return "\t".join(map(str, values)) + self._end

    def fill(self, lines: Sequence[str]) -> None:
        """Send rows to the database."""
        if not lines:
            return
        names = ", ".join(f'"{column}"' for column in self.columns)
        with connection.cursor() as cursor, cursor.copy(f"COPY {self.name} ({names}) FROM STDIN") as copy:
            copy.write("".join(lines).encode())


def _written(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
