"""Looking for a text in a whole log, however long it is: each call looks for a while and says where it stopped.

Like ``jobs.log.reader`` it knows nothing of rights.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from jobs.log.reader import LogFilter, matching_lines

MOST_COUNTED: Final = 10_000
"""Matching lines are counted up to here: more than anybody goes through one by one."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        line: Id of the matching line, 0 when none was found.
        looked_at: The last line looked at; a search that is not over goes on from here.
        is_over: Whether there is nothing more to look at, or a line was found.
    """

    line: int
    looked_at: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Count:
    """How many lines match, as far as was looked.

    Attributes:
        total: Matching lines, at most ``MOST_COUNTED``.
        position: How many of them are not behind the line that was asked about.
        looked_at: The last line looked at.
        is_over: Whether there is nothing more to look at.
    """

    total: int = 0
    position: int = 0
    looked_at: int = 0
    is_over: bool = False

    @property
    def is_capped(self) -> bool:
        """Whether there may be more than were counted."""
        return self.total >= MOST_COUNTED


def find(
    job_id: int,
    wanted: LogFilter,
    start: int,
    *,
    seconds: float,
    is_backward: bool = False,
    up_to: int | None = None,
) -> Found:
    """Return the nearest matching line.

    Args:
        job_id: Whose log.
        wanted: What is looked for, with its ``q``.
        start: Look behind this line, or before it.
        seconds: When to stop; at least one chunk is looked at, so that whoever goes on gets on.
        is_backward: Look for the last line before ``start``.
        up_to: The last line to look at, of a search forward.
    """
    until = time.monotonic() + seconds
    looked_at = start
    with closing(matching_lines(job_id, wanted, start, is_backward=is_backward, up_to=up_to)) as chunks:
        for first_line, last_line, hits in chunks:
            if hits:
                return Found(hits[-1] if is_backward else hits[0], looked_at, True)
            looked_at = first_line if is_backward else last_line
            if time.monotonic() >= until:
                return Found(0, looked_at, False)
    return Found(0, looked_at, True)


def count(job_id: int, wanted: LogFilter, line: int, before: Count, *, seconds: float) -> Count:
    """Return how many lines match.

    Args:
        job_id: Whose log.
        wanted: What is looked for, with its ``q``.
        line: Tell how many of them come up to this line.
        before: What was counted already.
        seconds: When to stop; at least one chunk is looked at.
    """
    until = time.monotonic() + seconds
    counted = before
    with closing(matching_lines(job_id, wanted, before.looked_at)) as chunks:
        for _, last_line, hits in chunks:
            room = MOST_COUNTED - counted.total
            taken = hits[:room]
            position = counted.position + sum(1 for hit in taken if hit <= line)
            counted = Count(counted.total + len(taken), position, last_line)
            if counted.is_capped or time.monotonic() >= until:
                return counted
    return replace(counted, is_over=True)
