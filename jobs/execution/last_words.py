"""What the runner of a cancelled job may still say: which processes it ended, and how. Nothing else of it is written."""

from __future__ import annotations

from django.db import transaction

from jobs.execution.checkpoints import Runner
from jobs.log.writer import append_entries
from jobs.models import Job


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
