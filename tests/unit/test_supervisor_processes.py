"""Children: when they are started again, how they are stopped, what they leave."""

import os
import sys
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarive_monitor.supervisor import processes
from clarive_monitor.supervisor.processes import (
    LONGEST_DELAY_SECONDS,
    STEADY_SECONDS,
    Child,
    Service,
    delay_seconds,
    log_says,
    schedule_restart,
    stop_together,
)
from tests.waiting import until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
OBEDIENT = "import time; print('up', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print('up', child.pid, flush=True)"
)


def child_of(code: str, tmp_path: Path, *, name: str = "it", grace: float = 10.0) -> Child:
    return Child(
        Service(
            name=name,
            command=(sys.executable, "-c", code),
            log=tmp_path / "logs" / f"{name}.log",
            ready=log_says(b"up"),
            grace_seconds=grace,
        )
    )


@given(st.integers(min_value=1, max_value=10_000))
def test_the_delay_grows_up_to_a_bound(failures: int) -> None:
    assert 0 < delay_seconds(failures) <= delay_seconds(failures + 1) <= LONGEST_DELAY_SECONDS


def test_the_first_delay_is_short_and_the_next_ones_double() -> None:
    assert [delay_seconds(failures) for failures in (1, 2, 3)] == [0.5, 1.0, 2.0]


def test_falling_again_and_again_waits_longer_and_a_steady_life_forgets(tmp_path: Path) -> None:
    child = child_of("", tmp_path)
    child.started_at = 100.0
    assert schedule_restart(child, 101.0) == 0.5
    child.started_at = 101.5
    assert schedule_restart(child, 102.0) == 1.0
    assert child.restart_at == 103.0
    child.started_at = 103.0
    assert schedule_restart(child, 103.0 + STEADY_SECONDS) == 0.5


def test_a_child_is_ready_when_its_log_says_so_and_stops_when_asked(tmp_path: Path) -> None:
    child = child_of(OBEDIENT, tmp_path)
    child.start()
    until(child.is_ready, 20)
    assert stop_together([child]) == []
    assert child.returncode() == -SIGTERM


def test_what_an_earlier_instance_said_makes_nobody_ready(tmp_path: Path) -> None:
    child = child_of("import time; time.sleep(60)", tmp_path)
    child.service.log.parent.mkdir()
    child.service.log.write_bytes(b"up\n")
    child.start()
    assert not child.is_ready()
    stop_together([child])


def test_one_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    stubborn, obedient = (
        child_of(STUBBORN, tmp_path, name="stubborn", grace=0.2),
        child_of(OBEDIENT, tmp_path, name="obedient"),
    )
    for child in (stubborn, obedient):
        child.start()
        until(child.is_ready, 20)
    assert stop_together([stubborn, obedient]) == ["stubborn"]
    assert stubborn.returncode() == -9
    assert obedient.returncode() == -SIGTERM


def test_in_a_hurry_nobody_gets_any_grace(tmp_path: Path) -> None:
    stubborn = child_of(STUBBORN, tmp_path, grace=3600.0)
    stubborn.start()
    until(stubborn.is_ready, 20)
    assert stop_together([stubborn], lambda: True) == ["it"]


def test_what_a_child_leaves_in_its_group_goes_with_it(tmp_path: Path) -> None:
    child = child_of(PARENT, tmp_path)
    child.start()
    until(lambda: child.returncode() is not None, 20)
    left = int(child.new_output().split()[1])
    until(lambda: not is_running(left), 20, "the end of the child's child")


def test_each_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = child_of(OBEDIENT, tmp_path)
    child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    stop_together([child])


def test_an_overgrown_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LARGEST_LOG_BYTES", 10)
    child = child_of("print('new')", tmp_path)
    child.service.log.parent.mkdir()
    child.service.log.write_bytes(b"old and long enough")
    child.start()
    child.wait()
    assert child.service.log.read_bytes() == b"new\n"
    assert child.service.log.with_name("it.log.1").read_bytes() == b"old and long enough"


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
