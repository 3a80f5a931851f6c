"""The lock under which configuration changes: rights here, whole documents in ``apply``."""

from __future__ import annotations

from typing import Final

from django.db import connection

_KEY: Final = 0x636C617269766501


def hold() -> None:
    """Wait until nobody else changes configuration; the end of the transaction gives the lock back.

    One lock for all of it, taken before any row is locked: people rarely change rights, and with one lock nobody can wait
    for somebody who waits for them. Taking it again in the same transaction does nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_KEY])
