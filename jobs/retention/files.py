"""Directories of jobs on this machine's disk: those of jobs that are gone, and those whose files a policy let go.

Each machine looks after its own. A directory is first put aside by renaming, under the lock of its job's row, and then
removed: a job that begins again meanwhile finds none and makes a new one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max

from jobs.lifecycle import ENDED
from jobs.models import Job

MOST_NAMES: Final = 500
"""So many directories are asked about at once."""

STEP_SECONDS: Final = 0.2
YOUNG: Final = timedelta(hours=1)
"""A directory that was touched later may be of a job that is about to be written down."""

ASIDE: Final = ".gone-"

_UNWANTED: Final = """
SELECT wanted.id FROM unnest(%(jobs)s::bigint[]) wanted(id)
LEFT JOIN jobs_job job ON job.id = wanted.id
LEFT JOIN jobs_jobtrim trim ON trim.job_id = wanted.id
WHERE job.id IS NULL AND wanted.id <= %(last)s
OR job.status = ANY(%(ended)s) AND job.finished_at < trim.files_at
"""


def home() -> Path:
    """Return where this machine keeps the directories of jobs."""
    return Path(settings.CLARIVE_HOME) / "jobs"


class Sweep:
    """Goes through the directories bit by bit, and begins anew at the end."""

    def __init__(self) -> None:
        self._names: Iterator[int] | None = None

    def step(self, seconds: float = STEP_SECONDS) -> int:
        """Remove some directories; return how many. What cannot be removed is left for the next time round.

        Args:
            seconds: When to stop. One directory is removed to its end.
        """
        until, removed = time.monotonic() + seconds, 0
        for place in _aside():
            _remove(place)
            if time.monotonic() >= until:
                return removed
        for job in _unwanted(self._some()):
            aside = _put_aside(job)
            if aside is not None:
                _remove(aside)
                removed += 1
            if time.monotonic() >= until:
                break
        return removed

    def _some(self) -> list[int]:
        """Return the next numbers of jobs that have a directory."""
        if self._names is None:
            self._names = _numbers()
        found = []
        for number in self._names:
            found.append(number)
            if len(found) == MOST_NAMES:
                return found
        self._names = None
        return found


def _numbers() -> Iterator[int]:
    """Yield the numbers of jobs that have a directory that is not quite new."""
    before = time.time() - YOUNG.total_seconds()
    try:
        with os.scandir(home()) as entries:
            for entry in entries:
                if entry.name.isascii() and entry.name.isdecimal() and len(entry.name) < 19:
                    try:
                        is_old = entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < before
                    except FileNotFoundError:
                        continue
                    if is_old:
                        yield int(entry.name)
    except FileNotFoundError:
        return


def _unwanted(jobs: list[int]) -> list[int]:
    """Return the jobs whose directories may go."""
    if not jobs:
        return []
    # A database that was put back to an earlier state does not know the jobs that came after it; their files stay.
    last = Job.objects.aggregate(last=Max("id"))["last"] or 0
    values = {"jobs": jobs, "last": last, "ended": sorted(status.value for status in ENDED)}
    with connection.cursor() as cursor:
        cursor.execute(_UNWANTED, values)
        return [row[0] for row in cursor.fetchall()]


def _put_aside(job: int) -> Path | None:
    """Rename a job's directory; ``None`` when it is wanted after all, somebody holds the job, or it is gone."""
    place = home() / str(job)
    aside = home() / f"{ASIDE}{job}-{os.getpid()}"
    with transaction.atomic():
        rows = Job.objects.filter(pk=job)
        if rows.exists():
            ended = rows.filter(
                status__in=sorted(status.value for status in ENDED), finished_at__lt=F("trim__files_at")
            )
            if ended.select_for_update(of=("self",), skip_locked=True, no_key=True).first() is None:
                return None
        try:
            place.rename(aside)
        except OSError:  # another worker of this machine was quicker, or it cannot be moved
            return None
    return aside


def _aside() -> list[Path]:
    """Return what was put aside and not removed, by a worker that died."""
    return [place for place in home().glob(f"{ASIDE}*") if place.is_dir() and not place.is_symlink()]


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
