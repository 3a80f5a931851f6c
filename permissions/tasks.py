"""Celery shells: each calls one function and may run twice."""

from celery import shared_task

from permissions import housekeeping


@shared_task(name="permissions.housekeeping")
def tidy() -> None:
    """Remove what is kept for a while only."""
    housekeeping.tidy()
