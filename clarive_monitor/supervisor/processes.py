"""Children of the supervisor: each in its own session, gone when the supervisor dies, stopped in time."""

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Final

PR_SET_PDEATHSIG: Final = 1
LARGEST_LOG_BYTES: Final = 20_000_000
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
# A process that has lived this long has recovered: its next fall is a first one again.
STEADY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Service:
    """How one process is started, seen to be ready and stopped.

    Attributes:
        name: Short and unique; also the name of the log file.
        command: Program and arguments.
        log: File that takes both output streams.
        ready: Tells whether the given child does its work already.
        environment: The whole environment of the process.
        folder: Working directory.
        stop_signal: What asks it to end.
        death_signal: What the kernel sends it when the supervisor is gone.
        grace_seconds: How long it may take to end before its group is killed.
        run_as: User and group id to change to, for a supervisor that is root.
        lingers: Tells whether the given child, which somebody else has asked to end, waits for others with that;
            it gets ``stop_signal`` then.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    ready: "Callable[[Child], bool]"
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path | None = None
    stop_signal: Signals = SIGTERM
    death_signal: Signals = SIGTERM
    grace_seconds: float = 10.0
    run_as: tuple[int, int] | None = None
    lingers: "Callable[[Child], bool]" = lambda _child: False


class Adopted:
    """A child that somebody else has started and left to us; the part of ``Popen`` that is needed here."""

    def __init__(self, pid: int) -> None:
        """Take over a process whose parent we have become or will become."""
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, or None while it lives."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait for its end and return how it ended."""
        return self._reap(0)

    def send_signal(self, number: Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class Child:
    """One running instance of a service after the other."""

    def __init__(self, service: Service) -> None:
        """Remember the service; nothing is started yet."""
        self.service = service
        self.log_start = 0
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.failures = 0
        self.was_ready = False
        self._process: subprocess.Popen[bytes] | Adopted | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the latest instance."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start an instance, from the main thread: the death signal follows the starting thread."""
        service = self.service
        self.make_room()
        user, group = service.run_as or (None, None)
        with service.log.open("ab") as log:
            self._process = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(service.environment),
                cwd=service.folder,
                start_new_session=True,
                preexec_fn=die_with_parent(service.death_signal),
                user=user,
                group=group,
            )
        self.started_at = time.monotonic()
        self.restart_at = None
        self.was_ready = False

    def make_room(self) -> None:
        """Note where the next instance's output begins, with an overgrown log put aside."""
        log = self.service.log
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log_start = log.stat().st_size if log.exists() else 0
        if self.log_start >= LARGEST_LOG_BYTES:
            log.replace(log.with_name(log.name + ".1"))
            self.log_start = 0

    def adopt(self, pid: int, started_at: float) -> None:
        """Take over an instance that was started elsewhere, with its output going to this child's log."""
        self._process = Adopted(pid)
        self.started_at = started_at
        self.was_ready = False

    def returncode(self) -> int | None:
        """Return how the latest instance ended, killing what it left in its group, or None while it lives."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self.send_to_group(SIGKILL)
        return code

    def wait(self) -> None:
        """Wait for the end of the latest instance, whatever has been done to end it."""
        if self._process is not None:
            self._process.wait()

    def is_ready(self) -> bool:
        """Return whether the instance lives and its probe has succeeded once."""
        if self.returncode() is not None or self._process is None:
            return False
        if not self.was_ready:
            self.was_ready = self.service.ready(self)
        return self.was_ready

    def send(self, number: Signals) -> None:
        """Send a signal to the process itself, if it still lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def send_to_group(self, number: Signals) -> None:
        """Send a signal to everything in the process's own group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def new_output(self) -> bytes:
        """Return what the latest instance has written to its log, nothing before it has opened it."""
        with contextlib.suppress(FileNotFoundError), self.service.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read()
        return b""

    def last_lines(self, count: int = 5) -> list[str]:
        """Return the end of the log, for a message about a failure."""
        return self.new_output().decode(errors="replace").strip().splitlines()[-count:]


def delay_seconds(failures: int) -> float:
    """Return how long to wait before the next start.

    Args:
        failures: How many times in a row the process has fallen, at least 1.
    """
    return float(min(FIRST_DELAY_SECONDS * 2 ** (min(failures, 32) - 1), LONGEST_DELAY_SECONDS))


def schedule_restart(child: Child, now: float) -> float:
    """Note that a child has fallen and when it is started again.

    Args:
        child: A child whose instance has ended without being asked to.
        now: Monotonic time.

    Returns:
        The delay in seconds.
    """
    child.failures = 1 if now - child.started_at >= STEADY_SECONDS else child.failures + 1
    delay = delay_seconds(child.failures)
    child.restart_at = now + delay
    return delay


def stop_together(children: Iterable[Child], hurry: Callable[[], bool] = lambda: False) -> list[str]:
    """Ask some children to end, all at once, and kill those that take too long.

    Args:
        children: Those of one stage; they may have ended already.
        hurry: Becomes true when nobody wants to wait any longer.

    Returns:
        Names of those that had to be killed.
    """
    waiting = [child for child in children if child.returncode() is None and child.pid is not None]
    asked_at = time.monotonic()
    for child in waiting:
        child.send(child.service.stop_signal)
    killed: list[str] = []
    while waiting:
        for child in waiting:
            late = time.monotonic() - asked_at > child.service.grace_seconds
            if (late or hurry()) and child.service.name not in killed:
                child.send_to_group(SIGKILL)
                killed.append(child.service.name)
        waiting = [child for child in waiting if child.returncode() is None]
        time.sleep(POLL_SECONDS)
    return killed


def log_says(text: bytes) -> Callable[[Child], bool]:
    """Return a probe that waits for a line in the child's own log."""
    return lambda child: text in child.new_output()


def die_with_parent(number: Signals) -> Callable[[], None] | None:
    """Return what the child does before its program starts, so that it does not outlive the supervisor."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return arrange
