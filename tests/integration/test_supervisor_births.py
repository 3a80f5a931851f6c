"""Celery processes born together: they are whole, they are ours, and a failure is no dead end."""

import os
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from clarive_monitor.supervisor import services
from clarive_monitor.supervisor.births import bear
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together
from tests.conftest import Workers
from tests.engine import create, ended, rule, setting
from tests.unit.supervisor_stubs import QuietRequests
from tests.waiting import until


def celery_children(home: Path, environment: dict[str, str]) -> list[Child]:
    layout = Layout(home)
    return [
        Child(services.worker(layout, environment, name="jobs", queues=("jobs",), concurrency=1)),
        Child(services.beat(layout, environment)),
    ]


@pytest.mark.workers
def test_they_become_children_in_sessions_of_their_own_and_end_when_asked(
    workers: Workers, tmp_path: Path
) -> None:
    children = celery_children(tmp_path, workers.environment)
    assert bear(children, QuietRequests())
    try:
        for child in children:
            until(child.is_ready, 60, f"{child.service.name} being ready")
            assert child.pid is not None
            process = psutil.Process(child.pid)
            assert process.ppid() == os.getpid()
            assert os.getsid(child.pid) == child.pid
            assert "celery" in " ".join(process.cmdline())
    finally:
        killed = stop_together(children)
    assert killed == []
    assert all(child.returncode() is not None for child in children)


def test_when_they_cannot_be_born_together_the_caller_is_told(tmp_path: Path) -> None:
    children = celery_children(tmp_path, {**os.environ, "CLARIVE_WORKERS": "many"})
    assert not bear(children, QuietRequests())
    assert [child.pid for child in children] == [None, None]
    assert "CLARIVE_WORKERS" in children[0].new_output().decode()


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
def test_one_that_is_told_to_stop_stops_none_of_the_others(workers: Workers) -> None:
    actor = setting()[1]
    slug = rule("short", "RUN:\n  - log: x")
    *_, daemon, clock = workers.start_together(
        ((("jobs",), 1), (("create",), 1), (("daemon",), 1)), anew=True
    )
    daemon.term()
    until(lambda: not daemon.is_running, 30, "the end of the worker told to stop")
    assert ended(create(slug, actor), 20).status == "finished"
    # The clock ends by the signal alone: a handler of its own might wait for the database for ever.
    clock.term()
    until(lambda: not clock.is_running, 30, "the end of the clock")
    assert clock.returncode == -SIGTERM
