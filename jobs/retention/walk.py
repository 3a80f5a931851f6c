"""What the daemon has done bit by bit: a walk over all jobs, the oldest first, that removes what policies let go.

A step lasts ``STEP_SECONDS``, looks at a bounded number of jobs and holds no row for longer than a few of them take; how far it
came is in the database, so steps on any machine go on from there. Its cost does not grow with history.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import F, Max

from jobs.models import LogTable, RetentionPolicy, RetentionState
from jobs.retention import disk, partitions, removal
from jobs.retention.choosing import Chooser, end_of_window
from jobs.retention.rulebook import Removes, Rulebook

STEP_SECONDS: Final = 0.2
WINDOW: Final = 200
"""So many jobs are looked at at once."""

WALK_EVERY: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(seconds=60)
"""How long nobody looks when there was nothing to do."""

ADVISORY_LOCK: Final = 0x636C61726B70
_CLOCK: Final = "SELECT clock_timestamp()"


def begin() -> None:
    """Let a new walk begin with the next step, and the disk of all logs be looked at."""
    RetentionState.objects.filter(pk=1).update(position=0, began_at=None)
    LogTable.objects.update(looked_at=datetime.fromtimestamp(0, UTC))


def is_under_way() -> bool:
    """Return whether a walk has begun and is not at its end."""
    return RetentionState.objects.filter(pk=1, position__gt=0).exists()


def serve(seconds: float = STEP_SECONDS) -> bool:
    """Do one step; return whether there is more to do at once. Nothing is done while somebody else is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        if not cursor.fetchone()[0]:
            return False
        try:
            cursor.execute(_CLOCK)
            return _step(cursor.fetchone()[0], seconds)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _step(now: datetime, seconds: float) -> bool:
    state, _ = RetentionState.objects.get_or_create(pk=1, defaults={"next_at": now})
    until = time.monotonic() + seconds
    partitions.make_ahead()
    has_more = _while_time(until, lambda: _drain(now))
    if not has_more:
        # A partition is looked at once an hour, so not before what the walk let go is gone from it.
        has_more = _walk(state, now, until) or removal.is_draining() or disk.give_back(now, until)
    RetentionState.objects.filter(pk=1).update(next_at=now if has_more else now + LOOK_EVERY)
    return has_more


def _while_time(until: float, act: Callable[[], bool]) -> bool:
    """Act until there is nothing to do, or the time is over; return whether it is."""
    while act():
        if time.monotonic() >= until:
            return True
    return False


def _drain(now: datetime) -> bool:
    """Remove more of a log, and behind its last line the job when it goes, too; return whether there was a log."""
    drained = removal.drain()
    if drained is None:
        return False
    if drained.is_all:
        _count(removal.remove([drained.job_id], now))
    return True


def _walk(state: RetentionState, now: datetime, until: float) -> bool:
    """Go on with the walk, or begin one when it is time; return whether there is more of it."""
    rulebook = Rulebook.read()
    if rulebook.removes_nothing:
        return False
    if state.position == 0:
        if not _is_time(state, now):
            return False
        state.began_at = now
        RetentionState.objects.filter(pk=1).update(began_at=now)
    chooser = Chooser(rulebook, now)
    while _window(state, chooser, now, until):
        if time.monotonic() >= until:
            return True
    RetentionState.objects.filter(pk=1).update(position=0, finished_at=now)
    return False


def _is_time(state: RetentionState, now: datetime) -> bool:
    """Return whether a walk begins: an hour after the last one, or as soon as policies have changed."""
    if state.began_at is None or now - state.began_at >= WALK_EVERY:
        return True
    changed = RetentionPolicy.objects.aggregate(at=Max("changed_at"))["at"]
    return changed is not None and changed > state.began_at


def _window(state: RetentionState, chooser: Chooser, now: datetime, until: float) -> bool:
    """Look at the next jobs and remove what goes of them; return ``False`` when there are none."""
    end = end_of_window(state.position, WINDOW)
    if end is None:
        return False
    choices = chooser.choose_between(state.position, end)
    while choices:
        some, choices = choices[: removal.AT_ONCE], choices[removal.AT_ONCE :]
        done = removal.remove([choice.job.id for choice in some], now)
        _note(state, some[-1].job.id if choices else end, done)
        if time.monotonic() >= until and choices:
            return True
    if state.position != end:
        _note(state, end, Counter())
    return True


def _note(state: RetentionState, position: int, done: Counter[str]) -> None:
    """Write down how far the walk is, and what it removed."""
    state.position = position
    _count(done, position=position)


def _count(done: Counter[str], **values: int) -> None:
    """Add to what was removed since the beginning."""
    RetentionState.objects.filter(pk=1).update(
        jobs=F("jobs") + done[Removes.JOB],
        logs=F("logs") + done[Removes.LOG],
        files=F("files") + done[Removes.FILES],
        **values,
    )
