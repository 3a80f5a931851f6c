"""Commands that outlived the worker, its launcher and their keeper: found by a mark in their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from rules.processes.tree import command_of, descendants, pids, read_process

MARKER = "CLARIVE_RUNNER"
"""Name of the variable. Its value is ``scope:claim``; the scope keeps two installations of one user apart."""

_ROUNDS_SECONDS = 10.0


class Stray(NamedTuple):
    """A process that belonged to nobody any more and was killed.

    Attributes:
        pid: Its number.
        command: Its command line.
        claim: The claim under which it was started.
    """

    pid: int
    command: str
    claim: str


def marker_of(scope: str, claim: str) -> str:
    """Return the mark for commands of ``claim`` in the installation ``scope``, which holds no colon."""
    return f"{scope}:{claim}"


def reap_strays(is_alive: Callable[[str], bool], *, scope: str) -> list[Stray]:
    """Kill every process of this user that was started under a claim which nobody holds.

    Args:
        is_alive: Whether a runner holds this claim now; asked once per claim.
        scope: Which installation; processes of others are left alone.

    Returns:
        What was killed. What replaced its environment is found only below a process that did not.
    """
    verdicts: dict[str, bool] = {}
    own = own_line()
    killed: dict[tuple[int, int], Stray] = {}
    give_up_at = time.monotonic() + _ROUNDS_SECONDS
    while strays := _find(is_alive, scope, verdicts, own):
        for stray, started in strays:
            try:
                os.kill(stray.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                own.add(stray.pid)  # gone or out of reach; not worth another round
            else:
                killed.setdefault((stray.pid, started), stray)
        if time.monotonic() >= give_up_at:
            break
    return list(killed.values())


def own_line() -> set[int]:
    """Return this process and its ancestors: a worker that itself runs inside a job must not end that job."""
    line: set[int] = set()
    pid = os.getpid()
    while pid > 0 and (process := read_process(pid)) is not None:
        line.add(pid)
        pid = process.parent
    return line


def _find(
    is_alive: Callable[[str], bool], scope: str, verdicts: dict[str, bool], own: set[int]
) -> list[tuple[Stray, int]]:
    found: dict[int, tuple[Stray, int]] = {}
    for pid in pids():
        claim = _claim_of(pid, scope)
        if claim is None or pid in own:
            continue
        if claim not in verdicts:
            verdicts[claim] = is_alive(claim)
        if verdicts[claim]:
            continue
        root = read_process(pid)
        for process in ([root] if root is not None else []) + descendants(pid):
            if process.pid not in own and process.state not in "ZX":
                found[process.pid] = (Stray(process.pid, command_of(process.pid), claim), process.started)
    return list(found.values())


def _claim_of(pid: int, scope: str) -> str | None:
    """Return the claim that ``pid`` was started under, ``None`` when it has no mark of this installation."""
    prefix = f"{MARKER}={scope}:".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - as in tree.py
            raw = file.read()
    except OSError:
        return None  # gone, or another user's
    for entry in raw.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode(errors="replace")
    return None
