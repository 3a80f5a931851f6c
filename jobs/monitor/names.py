"""Names that a reader may know of, for fields and for the completion of the search box: never more than a bounded few."""

from __future__ import annotations

from typing import Final

from jobs import selectors
from permissions.policy import AnyUser

NEWEST_SEEN: Final = 1000
"""Users are those who created so many newest jobs that the reader sees."""


def creators(user: AnyUser) -> list[str]:
    """Return who created the newest jobs that ``user`` may see, by name. One query; nobody else's name is told."""
    newest = selectors.visible_jobs(user).select_related(None).order_by("-id")
    names = newest.values_list("created_by__username", flat=True)[:NEWEST_SEEN]
    return sorted(set(names))
