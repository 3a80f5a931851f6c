"""Commands as the operation ``run`` uses them: output, results, limits."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from rules.processes.client import Command, CommandNotStarted, Ended, Launcher, Stream
from tests.integration.processes.conftest import ENVIRONMENT, Runner, wait_until


def test_output_of_both_streams_and_the_exit_code_arrive(runner: Runner) -> None:
    ended = runner.shell("echo out; echo err >&2; exit 7")
    assert (ended.returncode, ended.signal) == (7, None)
    assert (runner.stdout, runner.stderr) == (b"out\n", b"err\n")
    assert not ended.timed_out
    assert not ended.interrupted
    assert ended.processes == ()


def test_a_signal_is_told_apart_from_an_exit_code(runner: Runner) -> None:
    ended = runner.shell("kill -SEGV $$")
    assert (ended.returncode, ended.signal) == (None, signal.SIGSEGV)


def test_the_environment_is_exactly_what_was_given(runner: Runner) -> None:
    runner.run(runner.command("/usr/bin/env", NAME="Peña", EMPTY=""))
    seen = dict(line.split("=", 1) for line in runner.stdout.decode().splitlines())
    assert seen == {**ENVIRONMENT, "NAME": "Peña", "EMPTY": "", "CLARIVE_RUNNER": runner.marker}


def test_it_works_in_the_given_directory_and_finds_programs_in_the_given_path(runner: Runner) -> None:
    tool = runner.cwd / "bin" / "only-here"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\npwd\n")
    tool.chmod(0o755)
    command = Command(["only-here"], runner.cwd, {"PATH": f"{tool.parent}:/bin"})
    assert runner.run(command).returncode == 0
    assert runner.stdout.decode().strip() == str(runner.cwd)


def test_the_command_inherits_no_descriptor_no_input_and_no_signal_disposition(runner: Runner) -> None:
    runner.shell("ls /proc/self/fd | wc -l; cat; cat /proc/self/status")
    lines = runner.stdout.decode().splitlines()
    assert lines[0] == "4"  # 0, 1, 2 and the directory that ls reads
    masks = dict(line.split(":\t") for line in lines if line.startswith("Sig"))
    own_to_the_c_library = 0b11 << 31
    assert [int(masks[name], 16) & ~own_to_the_c_library for name in ("SigBlk", "SigIgn", "SigCgt")] == [
        0,
        0,
        0,
    ]


def test_arguments_and_environment_may_be_long_and_hold_any_bytes(runner: Runner) -> None:
    odd = os.fsdecode(b"\xff\xfe\n")
    runner.run(runner.command("/usr/bin/printf", "%s", odd, BIG="x" * 120_000))
    assert runner.stdout == b"\xff\xfe\n"


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["nonesuch"], "", "Command not found: nonesuch"),
        (["./nonesuch"], "", "Command not found: ./nonesuch"),
        (["./plain"], "", "No permission to run ./plain"),
        (["./empty"], "", "./empty is neither a program nor a script"),
        (["/bin/true"], "gone", "does not exist"),
        (["/bin/true"], "plain", "is not a directory"),
        (["/bin/echo", "a\0b"], "", "/bin/echo could not be started: embedded null byte"),
        ([], "", "There is no command to run."),
    ],
)
def test_what_cannot_start_says_why(runner: Runner, argv: list[str], cwd: str, message: str) -> None:
    (runner.cwd / "plain").write_text("#!/bin/sh\n")
    (runner.cwd / "empty").write_text("echo\n")
    (runner.cwd / "empty").chmod(0o755)
    with pytest.raises(CommandNotStarted) as caught:
        runner.run(Command(argv, runner.cwd / cwd, ENVIRONMENT))
    assert message in str(caught.value)


def test_twenty_megabytes_arrive_unchanged_in_both_streams(runner: Runner) -> None:
    script = (
        "import hashlib, os, random, sys\n"
        "data = random.Random(1).randbytes(1 << 20)\n"
        "for turn in range(20):\n"
        "    sys.stdout.buffer.write(data); sys.stderr.buffer.write(data[::-1][:1000])\n"
    )
    ended = runner.run(runner.command(sys.executable, "-I", "-S", "-c", script))
    assert ended.returncode == 0
    import random

    data = random.Random(1).randbytes(1 << 20)
    assert hashlib.sha256(runner.stdout).digest() == hashlib.sha256(data * 20).digest()
    assert runner.stderr == data[::-1][:1000] * 20


def test_output_arrives_while_the_command_runs(runner: Runner) -> None:
    fifo = runner.cwd / "go"
    os.mkfifo(fifo)
    command = runner.command("/bin/sh", "-c", f"printf 'Password: '; read answer < {fifo}; echo $answer")

    def answer(stream: Stream, data: bytes) -> None:
        runner.keep(stream, data)
        if data == b"Password: ":
            fifo.write_text("secret\n")

    with runner.launcher.start(command) as running:
        assert running.pump(answer).returncode == 0
    assert runner.stdout == b"Password: secret\n"


def test_past_its_deadline_a_command_is_stopped(runner: Runner) -> None:
    ended = runner.run(runner.command("/bin/sleep", "60"), deadline=time.monotonic() + 0.1)
    assert ended.timed_out
    assert ended.signal == signal.SIGTERM
    assert [(process.command, process.how) for process in ended.processes] == [("/bin/sleep 60", "TERM")]


def test_a_deadline_counts_while_output_floods_in(runner: Runner) -> None:
    ended = runner.run(runner.command("/usr/bin/yes"), deadline=time.monotonic() + 0.1)
    assert ended.timed_out
    assert runner.stdout.startswith(b"y\ny\n")


def test_an_interrupted_command_is_stopped_and_may_still_speak(runner: Runner) -> None:
    text = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    ended = runner.run(
        runner.command("/bin/sh", "-c", text), interrupted=lambda: runner.stdout.startswith(b"ready")
    )
    assert ended.interrupted
    assert (ended.returncode, runner.stdout) == (9, b"ready\nbye\n")


def test_what_a_command_leaves_behind_is_ended_and_told(runner: Runner) -> None:
    ended = runner.shell("sleep 61 & (setsid sleep 62 >/dev/null 2>&1 &) ; exit 3")
    assert ended.returncode == 3
    assert {process.how for process in ended.processes} == {"TERM"}
    assert len(ended.processes) == 2


GIVE_AWAY = (
    "import socket, sys\n"
    "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    "print('last words', flush=True)\n"
    "socket.send_fds(s, [b'x'], [1]); s.recv(1)\n"
)
"""Hands its output to somebody else and ends."""


@pytest.mark.parametrize("noise", [b"", b"noise\n" * 1000])
def test_a_stranger_who_holds_the_pipe_does_not_hold_the_end(
    runner: Runner, tmp_path: Path, noise: bytes
) -> None:
    address = tmp_path / "stranger"
    done = threading.Event()

    def stranger() -> None:
        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 1, 1)
        while noise:
            try:
                os.write(fds[0], noise)
            except BrokenPipeError:
                break
        done.wait(30)
        os.close(fds[0])

    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(address))
        listener.listen()
        holding = pool.submit(stranger)
        ended = runner.run(runner.command(sys.executable, "-I", "-S", "-c", GIVE_AWAY, str(address)))
        done.set()
        holding.result(30)
    assert ended.returncode == 0
    assert runner.stdout.startswith(b"last words\n" + noise[:6])


def test_an_error_of_the_reader_ends_the_command(runner: Runner) -> None:
    def fail(_stream: Stream, _data: bytes) -> None:
        raise RuntimeError("the log is closed")

    command = runner.command("/bin/sh", "-c", "trap '' TERM; echo x; sleep 60")
    with pytest.raises(RuntimeError), runner.launcher.start(command, marker=runner.marker) as running:
        running.pump(fail)
    assert not psutil.pid_exists(running.pid)


def test_commands_run_side_by_side(runner: Runner) -> None:
    barrier = runner.cwd / "all"
    os.mkfifo(barrier)

    def one(number: int) -> tuple[Ended, bytes]:
        own = Runner(runner.launcher, runner.cwd)
        ended = own.shell(f"cat < {barrier} > /dev/null; echo {number}; exit {number}")
        return ended, own.stdout

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(one, number) for number in range(8)]
        wait_until(lambda: _readers_of(barrier) == 8)
        with barrier.open("w"):
            pass  # all readers were waiting at the same time, and now all go on
        ended = [result.result(30) for result in results]
    assert [(end.returncode, out) for end, out in ended] == [(n, f"{n}\n".encode()) for n in range(8)]


def _readers_of(fifo: Path) -> int:
    waiting = 0
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        waiting += line[:2] == ["/bin/sh", "-c"] and str(fifo) in line[2]
    return waiting


def test_threads_may_start_the_launcher_together(tmp_path: Path) -> None:
    launcher = Launcher()
    gate = threading.Barrier(4)

    def one() -> tuple[int | None, int | None]:
        gate.wait(10)
        ended = Runner(launcher, tmp_path).shell("exit 4")
        return launcher.pid, ended.returncode

    with ThreadPoolExecutor(4) as pool:
        results = [future.result(30) for future in [pool.submit(one) for _ in range(4)]]
    launcher.close()
    assert len(set(results)) == 1
    assert results[0][1] == 4
