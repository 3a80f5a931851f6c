"""Who breaks things: picks processes of a running installation, and kills, stops or asks them to end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import redis

from clarive_monitor.supervisor.layout import Layout
from rules.processes.tree import command_of, descendants, read_process

WORKERS: Final = ("worker-jobs", "worker-create", "worker-daemon")
SERVICES: Final = (*WORKERS, "beat", "web", "valkey", "postgres")
CALM_SECONDS: Final = 15.0
"""A service that fell is left alone so long: the supervisor waits longer from fall to fall."""

_GAP_SECONDS: Final = (0.5, 1.6)
_LOOK_SECONDS: Final = 0.05
_MOST_STOPPED: Final = 2
_SHORT: Final = (0.05, 0.3)
_LONG: Final = (1.2, 1.6)
"""How long somebody is stopped, in leases."""

_ACTIONS: Final = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "STOP": signal.SIGSTOP}
_KINDS: Final = {
    # what: how often, and how often which action
    "child": (30, {"KILL": 4, "TERM": 2, "STOP": 4}),
    "worker": (16, {"KILL": 3, "TERM": 4, "STOP": 3}),
    "beat": (8, {"KILL": 1, "TERM": 2, "STOP": 1}),
    "web": (6, {"KILL": 2, "TERM": 2, "STOP": 2}),
    "valkey": (8, {"KILL": 2, "TERM": 2, "STOP": 2}),
    "postgres": (7, {"KILL": 2, "TERM": 2, "STOP": 2}),
    "backend": (10, {"KILL": 1, "TERM": 4, "STOP": 3}),
    "broker": (8, {"FLUSH": 1}),
}


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


@dataclass
class Injection:
    """One thing that was done.

    Attributes:
        at: When.
        kind: What was hit: ``child``, ``worker``, ``beat``, ``web``, ``valkey``, ``postgres``, ``backend``, ``broker``.
        action: ``KILL``, ``TERM``, ``STOP`` or ``FLUSH``.
        service: The service that it belongs to.
        pids: Who was hit.
        command: The command line of the first of them.
        until: When a stopped one went on.
    """

    at: datetime
    kind: str
    action: str
    service: str
    pids: tuple[int, ...] = ()
    command: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        stopped = f" until {self.until:%H:%M:%S.%f}" if self.until else ""
        pids = f" {self.pids[0]}" if self.pids else ""
        return f"{self.at:%H:%M:%S.%f} {self.action:<5} {self.kind:<8} {self.service}{pids}{stopped} {self.command}"


@dataclass
class Monkey:
    """Breaks things.

    Attributes:
        home: Of the installation.
        supervisor: Its process.
        is_up: Whether a service has come back from its falls: nobody hits one that is down.
        seed: What the choices follow from; who is there to be chosen is another matter.
        lease_seconds: A stop is either clearly shorter or clearly longer.
        done: What was done so far.
        parents: The worker process of each pool process that was ever seen.
        seen: Every process of the installation that was ever seen, with its start, which names it for good.
    """

    home: Path
    supervisor: int
    is_up: Callable[[str], bool]
    seed: int
    lease_seconds: float
    done: list[Injection] = field(default_factory=list)
    parents: dict[int, int] = field(default_factory=dict)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._stopped: list[tuple[float, Injection]] = []
        self._fell: dict[str, float] = {}

    def break_for(self, seconds: float) -> None:
        """Break things for some time; afterwards nothing is stopped any more."""
        act_at = time.monotonic()
        over_at = act_at + seconds
        try:
            while (moment := time.monotonic()) < over_at:
                self.look()
                self._let_go(moment)
                if moment >= act_at:
                    self._act()
                    act_at = time.monotonic() + self._random.uniform(*_GAP_SECONDS)
                time.sleep(_LOOK_SECONDS)
        finally:
            self._let_go(float("inf"))

    def look(self) -> None:
        """Remember who is there."""
        for process in descendants(self.supervisor):
            self.seen.add((process.pid, process.started))
        for service in WORKERS:
            parent = self._pid_of(service)
            self.parents.update((child, parent) for child in _children(parent))

    def left(self) -> list[str]:
        """Return what is there of the installation: who was seen, and whose command line or environment names the home."""
        found = {pid for pid, started in self.seen if _is_alive(pid, started)}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid() and _names(entry, self.home):
                found.add(int(entry.name))
        return [f"{pid} {command_of(pid)}" for pid in sorted(found)]

    def _let_go(self, moment: float) -> None:
        """Let those go on whose time is over."""
        for entry in [entry for entry in self._stopped if entry[0] <= moment]:
            self._stopped.remove(entry)
            for pid in entry[1].pids:
                _send(pid, signal.SIGCONT)
            entry[1].until = now()

    def _act(self) -> None:
        kind = self._choose({kind: weight for kind, (weight, _) in _KINDS.items()})
        action = self._choose(_KINDS[kind][1])
        if kind == "broker":
            self._flush()
            return
        service, pids = self._victims(kind)
        if pids and self._may(kind, service, action):
            self._hit(kind, service, action, pids)

    def _choose(self, weights: dict[str, int]) -> str:
        return self._random.choices(list(weights), list(weights.values()))[0]

    def _victims(self, kind: str) -> tuple[str, list[int]]:
        """Return a service and the process of it to be hit, if there is one."""
        if kind == "child":
            # Where jobs run, where they come into being, and who looks after them.
            service = self._choose({"worker-jobs": 6, "worker-create": 2, "worker-daemon": 2})
            found = _children(self._pid_of(service))
        elif kind == "backend":
            service = "postgres"
            clients = "postgres: clarive clarive"
            found = [pid for pid in _children(self._pid_of(service)) if command_of(pid).startswith(clients)]
        else:
            service = self._random.choice(WORKERS) if kind == "worker" else kind
            found = [pid] if (pid := self._pid_of(service)) else []
        return service, [self._random.choice(found)] if found else []

    def _may(self, kind: str, service: str, action: str) -> bool:
        """Return whether the service may be hit now: not while it recovers from a fall, nor twice at once."""
        fell = self._fell.get(service, 0.0)
        recovers = time.monotonic() < fell + CALM_SECONDS or not self.is_up(service)
        stopped = {injection.service for _, injection in self._stopped}
        if kind in {"child", "backend"}:
            return action != "STOP" or len(self._stopped) < _MOST_STOPPED
        return not recovers and service not in stopped and len(self._stopped) < _MOST_STOPPED

    def _hit(self, kind: str, service: str, action: str, pids: list[int]) -> None:
        if action == "STOP" and kind == "postgres":
            pids = [*pids, *_children(pids[0])]
        injection = Injection(now(), kind, action, service, tuple(pids), command_of(pids[0])[:80])
        for pid in pids:
            _send(pid, _ACTIONS[action])
        self.done.append(injection)
        if action == "STOP":
            # What everybody needs is away for long less often: nothing else would be tried meanwhile.
            often = 0.5 if kind in {"child", "worker", "backend"} else 0.25
            share = self._random.uniform(*(_LONG if self._random.random() < often else _SHORT))
            self._stopped.append((time.monotonic() + share * self.lease_seconds, injection))
        elif kind in {"worker", "beat", "web", "valkey", "postgres"}:
            self._fell[service] = time.monotonic()

    def _flush(self) -> None:
        url = f"unix://{Layout.at(self.home).broker_socket}"
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            try:
                client.flushall()
            except redis.RedisError:
                return  # it is stopped, or starts again
        self.done.append(Injection(now(), "broker", "FLUSH", "valkey"))

    def _pid_of(self, service: str) -> int:
        """Return the process of a service, 0 while there is none."""
        try:
            pid, birth = (int(word) for word in (self.home / "pids" / service).read_text().split())
        except (OSError, ValueError):
            return 0
        return pid if _is_alive(pid, birth) else 0


def _children(parent: int) -> list[int]:
    if parent == 0:
        return []
    return [process.pid for process in descendants(parent) if process.parent == parent]


def _is_alive(pid: int, started: int) -> bool:
    process = read_process(pid)
    return process is not None and process.started == started and process.state not in "ZX"


def _names(entry: Path, home: Path) -> bool:
    """Return whether a process's command line or environment names ``home``."""
    with contextlib.suppress(OSError):
        return any(os.fsencode(home) in (entry / part).read_bytes() for part in ("cmdline", "environ"))
    return False


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
