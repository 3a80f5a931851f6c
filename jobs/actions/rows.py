"""Rows that are about to be changed or deleted, as they are now."""

from __future__ import annotations

from typing import TypeVar

from django.db import models

from jobs.exceptions import Gone

Row = TypeVar("Row", bound=models.Model)


def locked(row: Row) -> Row:
    """Return ``row`` as it is now, which nobody else changes until the transaction ends; to be called in one.

    Raises:
        Gone: Somebody deleted it meanwhile.
    """
    found = type(row)._default_manager.select_for_update(no_key=True).filter(pk=row.pk).first()
    if found is None:
        raise Gone
    return found


def locked_to_delete(row: Row) -> Row:
    """Return ``row`` as it is now; whoever wants to refer to it waits until the transaction ends.

    Raises:
        Gone: Somebody deleted it meanwhile.
    """
    found = type(row)._default_manager.select_for_update().filter(pk=row.pk).first()
    if found is None:
        raise Gone
    return found
