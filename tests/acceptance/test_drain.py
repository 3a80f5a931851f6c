"""Draining a real worker in the middle of an operation: it ends it and hands the job over, and works again when it is let."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from jobs import workers as fleet_workers
from jobs.audit import Author
from jobs.models import Job, WorkerSeen
from tests.conftest import Workers
from tests.engine import create, ended, lines, log_of, rule, setting
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]

AUTHOR = Author("ana", "admin")
LEASE = {"CLARIVE_LEASE_SECONDS": "6"}


def _worker_of(job: Job) -> str:
    job.refresh_from_db()
    return fleet_workers.name_of(job.claimed_by)


def test_a_drained_worker_hands_its_job_over_and_works_again_when_it_is_let(
    workers: Workers, tmp_path: Path
) -> None:
    _, actor = setting()
    effects, go_on = tmp_path / "effects", tmp_path / "go_on"
    slug = rule(
        "long",
        f"""
        PRE:
          - run: echo one >> {effects}; while [ ! -e {go_on} ]; do sleep 0.1; done
          - run: echo two >> {effects}
        """,
    )
    workers.start_together(((("jobs",), 1), (("create", "daemon"), 1)), environment=LEASE)
    job = create(slug, actor)
    until(lambda: lines(effects) == ["one"], 30, "the first operation")
    first = _worker_of(job)
    assert fleet_workers.drain(first, AUTHOR, now=timezone.now())
    other = workers.start_worker(("jobs",), environment=LEASE)
    assert _worker_of(job) == first, "the operation at hand goes on"
    until(lambda: "was drained" in _log(workers, first), 15, "the drained worker to see it")
    go_on.touch()
    assert ended(job).status == "finished"
    assert lines(effects) == ["one", "two"]
    assert any("handed over" in line or "told to stop" in line for line in log_of(job))
    other.stop()
    WorkerSeen.objects.exclude(name=first).filter(queues=["jobs"]).delete()
    waiting = create(slug, actor)
    until(lambda: Job.objects.get(pk=waiting.pk).step == "PRE", 15, "PRE")
    assert not Job.objects.filter(pk=waiting.pk, status="running").exists()
    assert fleet_workers.resume(first, AUTHOR, now=timezone.now())
    assert ended(waiting).status == "finished"


def _log(workers: Workers, name: str) -> str:
    (worker,) = (
        each for each in workers._started if f"worker-{name.partition('@')[0]}" in each.log_path.name
    )
    return worker.log_path.read_text()
