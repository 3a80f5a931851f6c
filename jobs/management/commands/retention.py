"""``manage.py retention``: removes what policies let go, at once and in the daemon's small steps, or says what that would be."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone

from jobs.models import RetentionState
from jobs.retention import walk
from jobs.retention.figures import Figures, dry_run, log_disk

_PAUSE_SECONDS: Final = 0.1
"""Between two steps: others have the disk and the processor in between."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_COUNTED: Final = ("jobs", "logs", "files")


class Command(BaseCommand):
    """Removes old jobs, logs and files by the policies of retention."""

    help = (
        "Remove what retention policies let go, and give back the disk it took. With --dry-run only say what that would be. "
        "The daemon does the same by itself."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the option."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Remove nothing: print figures of each policy."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Count, or remove."""
        if options["dry_run"]:
            self._count()
        else:
            self._remove()

    def _count(self) -> None:
        found = dry_run(timezone.now())
        for figures in found.policies:
            self.stdout.write(_line(figures))
        if not found.policies:
            self.stdout.write("There is no policy: nothing is ever removed.")
        self.stdout.write(f"All logs take {size(found.log_disk)} on disk.")

    def _remove(self) -> None:
        before, disk = _counts(), log_disk()
        walk.begin()
        while walk.serve() or walk.is_under_way():
            time.sleep(_PAUSE_SECONDS)
        after = _counts()
        done = [f"{after[name] - before[name]} {name}" for name in _COUNTED]
        self.stdout.write(f"Removed: {', '.join(done)}.")
        self.stdout.write(f"All logs take {size(log_disk())} on disk; before, it was {size(disk)}.")


def _counts() -> dict[str, int]:
    state = RetentionState.objects.filter(pk=1).values(*_COUNTED).first()
    return {name: int(state[name]) if state else 0 for name in _COUNTED}


def _line(figures: Figures) -> str:
    policy = figures.policy
    kept = "for ever" if policy.is_for_ever else ""
    limits = [
        f"{number} {unit}"
        for number, unit in ((policy.keep_days, "days"), (policy.keep_jobs, "jobs"))
        if number
    ]
    oldest = f", the oldest ended {figures.oldest:%Y-%m-%d}" if figures.oldest else ""
    what = f"{figures.jobs} jobs, {figures.lines} lines in {size(figures.log_bytes)}{oldest}"
    return f"{policy}, kept {kept or ' or '.join(limits)}: {what}"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    value, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == _UNITS[0] else f"{value:.1f} {unit}"
