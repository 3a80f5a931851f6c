"""Cancelled, or its worker killed: whatever processes a job has started, nothing of it survives on the worker's machine."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import pytest
from django.utils import timezone

from jobs.actions.base import actions
from jobs.audit import Actor
from jobs.models import Job, OperationRun
from rules.processes.tree import command_of, pids
from tests.conftest import Workers
from tests.engine import at, create, ended, log_of, rule, setting
from tests.integration.processes.conftest import zoo
from tests.integration.processes.test_nothing_survives import FULL_ZOO
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]

LEASE: Final = {"CLARIVE_LEASE_SECONDS": "3"}
"""So short that strays of dead runners are looked for all the time: a cancelled job's processes are none."""

CREW: Final = ((("jobs",), 2), (("create", "daemon"), 2))
SOON: Final = 20.0
"""A second until the cancellation is seen and five of grace, on a machine that does much else."""


def _open_zoo(actor: Actor, folder: Path) -> tuple[Job, set[int]]:
    """Return a job in the middle of an operation that filled a zoo, and the processes of that."""
    ready = folder / "ready"
    steps = f"RUN:\n  - run: {zoo(ready)}\n    id: zoo\n  - log: never\nPOST:\n  - log: never"
    job = create(rule("zoo", steps), actor)
    until(ready.exists, 60, "a full zoo")
    animals = _naming(ready)
    assert len(animals) > FULL_ZOO
    return job, animals


def _naming(path: Path) -> set[int]:
    """Return the processes whose command line names ``path``; a zombie has none."""
    return {pid for pid in pids() if str(path) in command_of(pid)}


def _cancel(job: Job, actor: Actor) -> Job:
    return actions()["cancel"].execute(job.pk, actor=actor, now=timezone.now(), comment="enough")


def _ends(job: Job) -> dict[int, tuple[str, str]]:
    """Return command and end of each process that the log names."""
    found = (re.fullmatch(r"Ended process (\d+) \((.*)\): ([\w ]+)", line) for line in log_of(job))
    return {int(match[1]): (match[2], match[3]) for match in found if match}


def _is_over(job: Job) -> bool:
    return any("Nothing of the job runs on" in line for line in log_of(job))


def test_a_cancelled_job_ends_at_once_and_its_zoo_soon_after_with_every_process_in_the_log(
    workers: Workers, tmp_path: Path
) -> None:
    actor = setting()[1]
    workers.start_together(CREW, environment=LEASE)
    job, animals = _open_zoo(actor, tmp_path)
    begun = time.monotonic()
    cancelled = _cancel(job, actor)
    took = time.monotonic() - begun
    assert (cancelled.step, cancelled.status) == ("RUN", "cancelled")
    # Nobody waited for the processes: the deaf ones have their five seconds yet.
    assert took < 4
    assert _naming(tmp_path / "ready")
    until(lambda: not _naming(tmp_path / "ready"), SOON, "the end of the zoo")
    until(lambda: _is_over(job), SOON, "the last words of the runner")
    ends = _ends(job)
    assert animals <= ends.keys()
    assert all("zoo.py" in command for command, _ in ends.values())
    assert {how for _, how in ends.values()} <= {"TERM", "KILL", "gone"}
    assert [how for _, how in ends.values()].count("KILL") >= 2
    job.refresh_from_db()
    assert (job.step, job.status, job.attempt, job.claim) == ("RUN", "cancelled", 1, None)
    operation = OperationRun.objects.get(job=job)
    assert (operation.identifier, operation.status, operation.value) == ("zoo", "failed", None)
    assert "never" not in log_of(job)
    assert ended(create(rule("next", "RUN:\n  - log: alive"), actor)).status == "finished"


def test_a_talkative_process_gets_its_grace_and_its_late_result_changes_nothing(
    workers: Workers, tmp_path: Path
) -> None:
    actor = setting()[1]
    workers.start_together(CREW, environment=LEASE)
    polite = tmp_path / "polite"
    text = f"trap 'sleep 3; echo done > {polite}; exit 0' TERM; while :; do echo talk; sleep 0.02; done"
    steps = f'RUN:\n  - run: "{text}"\n    id: talker\n    save_as: said\n  - log: never'
    job = create(rule("talk", steps), actor)
    until(lambda: "talk" in log_of(job), 30, "the first words")
    _cancel(job, actor)
    until(lambda: _is_over(job), SOON, "the last words of the runner")
    assert polite.read_text() == "done\n"
    assert "TERM" in {how for command, how in _ends(job).values() if "trap" in command}
    job.refresh_from_db()
    assert (job.status, "said" in job.stash.get("results", {})) == ("cancelled", False)
    operation = OperationRun.objects.get(job=job)
    assert (operation.status, operation.value) == ("failed", None)
    assert "never" not in log_of(job)


def test_of_a_zoo_whose_worker_is_killed_nothing_survives(workers: Workers, tmp_path: Path) -> None:
    actor = setting()[1]
    worker, *_ = workers.start_together(CREW, environment=LEASE)
    job, _animals = _open_zoo(actor, tmp_path)
    worker.kill_group()
    until(lambda: not _naming(tmp_path / "ready"), SOON, "the end of the zoo")
    at(job, "RUN", "abend", SOON)
    assert "is gone" in job.reason
    assert "never" not in log_of(job)
