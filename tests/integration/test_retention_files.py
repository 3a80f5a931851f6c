"""Directories of jobs on a worker's disk: which of them go, and which never do."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.utils import timezone
from pytest_django.fixtures import SettingsWrapper

from jobs import transitions
from jobs.execution.naming import directory_of
from jobs.lifecycle import Event, Step
from jobs.models import Job, JobTrim
from jobs.retention import files
from jobs.transitions import Change
from tests.factories import JobFactory

LONG_AGO = timezone.now() - timedelta(days=30)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: SettingsWrapper) -> Path:
    settings.CLARIVE_HOME = tmp_path
    return tmp_path / "jobs"


def directory(job_id: int, *, is_old: bool = True) -> Path:
    place = directory_of(job_id)
    (place / "build").mkdir(parents=True)
    (place / "build" / "package.tar").write_text("x")
    if is_old:
        os.utime(place, (time.time() - 7200, time.time() - 7200))
    return place


@pytest.mark.django_db
def test_what_is_gone_or_let_go_is_removed_and_nothing_else(home: Path) -> None:
    gone = JobFactory.at("END", "error", now=LONG_AGO).pk
    Job.objects.filter(pk=gone).delete()
    kept = JobFactory.at("END", "error", now=LONG_AGO)
    let_go = JobFactory.at("END", "error", now=LONG_AGO)
    active = JobFactory.at("RUN", "trapped", now=LONG_AGO)
    for job in (let_go, active):
        JobTrim.objects.create(job=job, files_at=timezone.now())
    ran_again = JobFactory.at("END", "error")
    JobTrim.objects.create(job=ran_again, files_at=LONG_AGO)
    wanted = [directory(job.pk) for job in (kept, active, ran_again)]
    unwanted = [directory(gone), directory(let_go.pk)]
    later, other = directory(ran_again.pk + 1000), home / "7.tmp"
    other.mkdir()
    assert files.Sweep().step() == 2
    assert all(place.exists() for place in (*wanted, later, other))
    assert not any(place.exists() for place in unwanted)
    assert sorted(place.name for place in home.iterdir()) == sorted(
        place.name for place in (*wanted, later, other)
    )


@pytest.mark.django_db
def test_a_young_directory_and_a_link_are_left_alone(home: Path, tmp_path: Path) -> None:
    first, second = (JobFactory.at("END", "error", now=LONG_AGO).pk for _ in range(2))
    JobFactory.at("END", "error")
    Job.objects.filter(pk__in=[first, second]).delete()
    young = directory(first, is_old=False)
    (tmp_path / "elsewhere").mkdir()
    (home / str(second)).symlink_to(tmp_path / "elsewhere")
    assert files.Sweep().step() == 0
    assert young.exists()
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.django_db
def test_a_sweep_goes_on_where_it_was_and_ends_what_a_dead_worker_began(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_NAMES", 2)
    jobs = [JobFactory.at("END", "error", now=LONG_AGO).pk for _ in range(5)]
    JobFactory.at("END", "error")
    Job.objects.filter(pk__in=jobs).delete()
    for job in jobs:
        directory(job)
    (home / f"{files.ASIDE}1-1").mkdir()
    sweep = files.Sweep()
    assert [sweep.step() for _ in range(4)] == [2, 2, 1, 0]
    assert list(home.iterdir()) == []
    assert files.Sweep().step() == 0


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_started_again_meanwhile_keeps_its_directory() -> None:
    job = JobFactory.at("END", "error", now=LONG_AGO)
    JobTrim.objects.create(job=job, files_at=timezone.now())
    place = directory(job.pk)
    locked, may_end = threading.Event(), threading.Event()

    def rerun() -> None:
        try:
            with transaction.atomic():
                change = Change(Event.RERUN, timezone.now(), asked_step=Step.RUN)
                transitions.apply(transitions.lock(job.pk), change)
                locked.set()
                may_end.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=rerun)
    thread.start()
    assert locked.wait(30)
    assert files.Sweep().step() == 0
    may_end.set()
    thread.join(30)
    assert files.Sweep().step() == 0
    assert (place / "build" / "package.tar").exists()
