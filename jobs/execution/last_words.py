"""What the runner of a cancelled job may still say: which processes it ended, and how. Nothing else of it is written."""

from __future__ import annotations

import time
from typing import Final

from django.db import transaction

from jobs.execution import draining
from jobs.execution.checkpoints import Runner
from jobs.execution.leases import LeaseKeeper
from jobs.log.writer import append_entries
from jobs.models import Job

LONGEST_SECONDS: Final = 12.0
"""A second until the runner sees that it was cancelled, five of grace for its processes, and as much again."""

_LOOK_SECONDS: Final = 0.2


def say(runner: Runner, worker: str, words: list[tuple[str, str]]) -> None:
    """Write the last words of a runner whose job was cancelled; those of any other runner are lost with its claim.

    Args:
        runner: Whose claim is gone.
        worker: Its name.
        words: Level and text of each line.
    """
    with transaction.atomic():
        mine = Job.objects.select_for_update().filter(pk=runner.job_id, cancelled_claim=runner.claim)
        if not mine.update(cancelled_claim=None):
            return
        ended = f"Nothing of the job runs on {worker} any more."
        append_entries(runner.job_id, runner.attempt, runner.step, [*words, ("info", ended)])


def wait_for(job: Job, keeper: LeaseKeeper) -> None:
    """Wait, at most ``LONGEST_SECONDS``, until the processes of a cancelled attempt are gone: two must not deploy at once.

    Args:
        job: Just taken, for its next attempt.
        keeper: Of the new claim; losing it ends the waiting.
    """
    if job.cancelled_claim is None:
        return
    mine = Job.objects.filter(pk=job.pk, cancelled_claim__isnull=False)
    until = time.monotonic() + LONGEST_SECONDS
    while mine.exists():
        if time.monotonic() >= until:
            # Its worker died, or the machine is gone; the search for strays deals with what it left.
            mine.update(cancelled_claim=None)
        elif keeper.wait_lost(_LOOK_SECONDS) or draining.is_draining():
            return
