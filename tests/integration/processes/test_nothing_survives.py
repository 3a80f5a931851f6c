"""Whoever dies, and however stubborn a process is: nothing of a command is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rules.processes.client import MARKER, Launcher, LauncherLost, Stream, get_launcher, reap_strays
from rules.processes.strays import marker_of
from tests.integration.processes.conftest import Runner, Worker, marked, wait_until, zoo

FULL_ZOO = 1 + 5 + 41 + 31
"""The keeper of the zoo, five single animals, the crowd with its head, and the bomb; one more hides its mark."""


@pytest.fixture
def own_launcher(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(Launcher(), tmp_path)
    yield runner
    runner.launcher.close()
    left = marked(runner.marker)
    for process in left:
        process.kill()
    assert left == []


def test_a_stop_ends_the_whole_zoo_and_names_every_process(runner: Runner, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ended = runner.run(runner.command(*zoo(ready), grace_seconds=1.0), interrupted=ready.exists)
    assert ended.interrupted
    assert marked(runner.marker) == []
    assert len(ended.processes) >= FULL_ZOO
    assert len({process.pid for process in ended.processes}) == len(ended.processes)
    how = [process.how for process in ended.processes]
    assert how.count("KILL") >= 2  # the deaf one, and the daemon that is deaf as well
    assert set(how) <= {"TERM", "KILL", "gone"}
    assert all("zoo.py" in process.command for process in ended.processes)


def test_a_process_that_comes_back_during_the_grace_is_ended_again(runner: Runner) -> None:
    script = (
        "import os, signal, time\n"
        "def rise(*_):\n"
        "    if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, rise)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    ended = runner.run(
        runner.command(sys.executable, "-I", "-S", "-c", script, grace_seconds=0.5),
        interrupted=lambda: runner.stdout == b"up\n",
    )
    assert len(ended.processes) >= 2
    assert ended.processes[-1].how == "KILL"


def test_a_zoo_left_behind_by_a_command_that_ended_is_ended(runner: Runner, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    line = " ".join(zoo(ready))
    ended = runner.shell(f"{line} & while ! test -e {ready}; do sleep 0.01; done; exit 5", grace_seconds=0.5)
    assert ended.returncode == 5
    assert len(ended.processes) >= FULL_ZOO
    assert marked(runner.marker) == []


def test_kill_of_the_worker_ends_everything(start_worker: Callable[..., Worker], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    worker = start_worker(*zoo(ready))
    wait_until(ready.exists)
    assert len(marked(worker.marker)) >= FULL_ZOO
    keeper = worker.keeper
    worker.process.kill()
    wait_until(lambda: marked(worker.marker) == [], 10)
    wait_until(lambda: not psutil.pid_exists(keeper) and not psutil.pid_exists(worker.launcher), 10)


def test_kill_of_the_worker_is_seen_although_its_child_holds_its_sockets(
    start_worker: Callable[..., Worker],
) -> None:
    """The launcher watches the process as well as the connection."""
    worker = start_worker("/bin/sleep", "63", leak=True)
    holder = next(child for child in psutil.Process(worker.process.pid).children() if child.name() == "sleep")
    try:
        worker.process.kill()
        wait_until(lambda: marked(worker.marker) == [], 10)
        assert holder.is_running()
    finally:
        holder.kill()


def test_kill_of_the_launcher_ends_everything_and_the_next_command_has_a_new_one(
    own_launcher: Runner, tmp_path: Path
) -> None:
    launcher, ready = own_launcher.launcher, tmp_path / "ready"
    with launcher.start(own_launcher.command(*zoo(ready)), marker=own_launcher.marker) as running:
        wait_until(ready.exists)
        first = launcher.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(LauncherLost):
            running.pump(own_launcher.keep)
    assert marked(own_launcher.marker) == []
    assert own_launcher.shell("echo again").returncode == 0
    assert launcher.pid != first


def test_kill_of_the_keeper_ends_everything(own_launcher: Runner, tmp_path: Path) -> None:
    launcher, ready = own_launcher.launcher, tmp_path / "ready"
    with launcher.start(own_launcher.command(*zoo(ready)), marker=own_launcher.marker) as running:
        wait_until(ready.exists)
        os.kill(psutil.Process(running.pid).ppid(), signal.SIGKILL)
        wait_until(lambda: marked(own_launcher.marker) == [], 10)
        with pytest.raises(LauncherLost):
            running.pump(own_launcher.keep)
    assert own_launcher.shell("exit 2").returncode == 2


def test_kill_of_one_keeper_leaves_the_commands_of_others_alone(own_launcher: Runner) -> None:
    launcher = own_launcher.launcher
    os.mkfifo(own_launcher.cwd / "go")
    first = launcher.start(own_launcher.command("/bin/sleep", "64"), marker=own_launcher.marker)
    second = launcher.start(
        own_launcher.command("/bin/sh", "-c", "read x < go; exit 6"), marker=own_launcher.marker
    )
    with first, second:
        os.kill(psutil.Process(first.pid).ppid(), signal.SIGKILL)
        with pytest.raises(LauncherLost):
            first.pump(own_launcher.keep)
        assert not psutil.pid_exists(first.pid)
        assert psutil.pid_exists(second.pid)
        second.stop()
        assert second.pump(own_launcher.keep).signal == signal.SIGTERM


def test_requests_to_stop_the_worker_do_not_touch_launcher_and_command(own_launcher: Runner) -> None:
    launcher = own_launcher.launcher
    os.mkfifo(own_launcher.cwd / "go")
    command = own_launcher.command("/bin/sh", "-c", "read x < go; exit 6")
    with launcher.start(command, marker=own_launcher.marker) as running:
        assert launcher.pid is not None
        for pid in (launcher.pid, psutil.Process(running.pid).ppid()):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
        gate = os.open(own_launcher.cwd / "go", os.O_RDWR)  # open for both, it waits for nobody
        os.write(gate, b"on\n")
        assert running.pump(own_launcher.keep).returncode == 6
        os.close(gate)
    assert own_launcher.shell("exit 0").returncode == 0


def test_the_command_is_alone_in_its_session(own_launcher: Runner) -> None:
    """A command that signals its own group hits itself, not its keeper."""
    assert own_launcher.shell("kill -KILL 0; echo survived").signal == signal.SIGKILL


def test_a_forked_child_gets_a_launcher_of_its_own(runner: Runner, tmp_path: Path) -> None:
    runner.shell("true")
    mine = runner.launcher.pid
    script = tmp_path / "forks.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rules.processes.client import Command, get_launcher\n"
        "def run():\n"
        "    with get_launcher().start(Command(['/bin/true'], Path('/'), {})) as running:\n"
        "        running.pump(lambda stream, data: None)\n"
        "    return get_launcher().pid\n"
        "parent = run()\n"
        "if os.fork() == 0:\n"
        "    print(parent, run(), flush=True)\n"
        "    get_launcher().close()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "assert run() == parent\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    parent, child = map(int, done.stdout.split())
    assert len({mine, parent, child}) == 3
    assert done.stderr == ""
    assert not psutil.pid_exists(parent)


def _stray(scope: str, claim: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM; env -i sleep 66 & wait"],
        env={MARKER: marker_of(scope, claim), "PATH": "/bin:/usr/bin"},
        start_new_session=True,
    )


def test_strays_of_dead_claims_are_killed_and_others_are_not() -> None:
    scope = uuid.uuid4().hex
    processes = [_stray(scope, "dead"), _stray(scope, "alive"), _stray("elsewhere" + scope, "dead")]
    try:
        wait_until(lambda: all(psutil.Process(process.pid).children() for process in processes))
        strays = reap_strays(lambda claim: claim == "alive", scope=scope)
        assert processes[0].wait(10) == -signal.SIGKILL
        assert [process.poll() for process in processes[1:]] == [None, None]
        assert {stray.claim for stray in strays} == {"dead"}
        # The child threw its environment away and was found below its parent.
        assert sorted(stray.command for stray in strays)[1] == "sleep 66"
        assert len(strays) == 2
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_worker_inside_a_job_does_not_end_its_own_job(tmp_path: Path) -> None:
    scope = uuid.uuid4().hex
    runner = Runner(get_launcher(), tmp_path, marker_of(scope, "outer"))
    root = str(Path(__file__).parents[3])
    script = (
        "from rules.processes.client import reap_strays\n"
        f"print(reap_strays(lambda claim: False, scope={scope!r}))\n"
    )
    ended = runner.run(runner.command(sys.executable, "-c", script, PYTHONPATH=root))
    assert (ended.returncode, runner.stdout) == (0, b"[]\n")


def test_output_written_before_the_kill_is_not_lost(runner: Runner) -> None:
    seen: list[bytes] = []

    def slowly(_stream: Stream, data: bytes) -> None:
        seen.append(data)

    command = runner.command("/bin/sh", "-c", "echo one; echo two; kill -KILL $$")
    with runner.launcher.start(command, marker=runner.marker) as running:
        running.pump(slowly)
    assert b"".join(seen) == b"one\ntwo\n"
