"""The use-case behind ``manage.py export``: the configuration as documents that ``apply`` reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.db import connection, transaction

from jobs.configuration.apply import KINDS
from jobs.configuration.documents import MAX_BYTES
from jobs.configuration.writing import text_of

COMMENTS: Final = (
    "The configuration of Clarive Monitor, for manage.py apply.",
    "Not in it: passwords of users, values of secrets, secrets of webhooks; user and password in a repository's address (***).",
)


def export_data(keys: Collection[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return all items by top key, in the order in which they are applied.

    Args:
        keys: Top keys wanted; all when empty.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            # All of it as it was at one moment, whoever changes something meanwhile.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return {kind.key: kind.export() for kind in KINDS if not keys or kind.key in keys}


def export_text(keys: Collection[str] = ()) -> str:
    """Return the configuration as one document."""
    return text_of(export_data(keys), COMMENTS)


def is_too_long(text: str) -> bool:
    """Return whether apply would refuse the document for its length."""
    return len(text.encode()) > MAX_BYTES
