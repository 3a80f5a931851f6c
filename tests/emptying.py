"""Empties the database after a test that commits, without making what migrations have made anew.

Django's own way truncates all tables, most of which are empty, and then makes all content types and permissions again,
which takes more than most of the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase


class Emptier:
    """Deletes the rows of all tables but those that hold something from the beginning.

    Attributes:
        tables: All tables of models, quoted.
        kept: Digest of the rows of each table that migrations have filled.
    """

    def __init__(self, usual: Callable[[TransactionTestCase], None]) -> None:
        """Look at the database, in which there is nothing but what migrations have made."""
        self._usual = usual
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self.tables = [connection.ops.quote_name(name) for name in names]
        self._look()

    def empty(self, case: TransactionTestCase) -> None:
        """Leave what is there from the beginning; when a test has changed that, do it in Django's way."""
        with transaction.atomic(), connection.cursor() as cursor:
            # As truncating does, this waits for what is being written, for example by a worker that was killed.
            cursor.execute(f"LOCK TABLE {', '.join(self.tables)} IN EXCLUSIVE MODE")
            is_as_before = self._digests(cursor) == self.kept
            if is_as_before:
                self._delete(cursor)
        if not is_as_before:
            self._usual(case)
            self._look()

    def _look(self) -> None:
        with connection.cursor() as cursor:
            self.kept: dict[str, str] = {}
            self.kept = dict.fromkeys(self._filled(cursor), "")
            self.kept = self._digests(cursor)

    def _digests(self, cursor: Any) -> dict[str, str]:
        parts = [
            f"SELECT '{name}', md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {name} t"
            for name in self.kept
        ]
        if not parts:
            return {}
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())

    def _filled(self, cursor: Any) -> list[str]:
        parts = [
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})"
            for name in self.tables
            if name not in self.kept
        ]
        cursor.execute(f"EXECUTE {_prepared(cursor, ' UNION ALL '.join(parts))}")
        return [name for (name,) in cursor.fetchall()]

    def _delete(self, cursor: Any) -> None:
        filled = self._filled(cursor)
        if filled:
            # Neither the order of keys nor the guards of what may never change stand in the way of an empty database.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(";".join(f"DELETE FROM {name}" for name in filled))


def _prepared(cursor: Any, question: str) -> str:
    """Return the name of a question that is planned once for each connection: planning takes longer than answering it."""
    name = f"emptying_{hashlib.md5(question.encode(), usedforsecurity=False).hexdigest()}"
    cursor.execute("SELECT 1 FROM pg_prepared_statements WHERE name = %s", [name])
    if cursor.fetchone() is None:
        cursor.execute(f"PREPARE {name} AS {question}")
    return name
