"""A session of its own with the database at hand, beside Django's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def other_connection() -> Iterator[psycopg.Connection]:
    """A session of its own, in a transaction."""
    parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
    for name in ("context", "prepare_threshold", "pool"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters) as other:
        yield other
