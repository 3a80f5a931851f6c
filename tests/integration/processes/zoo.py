"""Stubborn processes. Run as a script: makes one of each kind and then sleeps."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_GENERATIONS = 15
_CROWD = 40
_DEPTH = 4
_BOMB = 2 ** (_DEPTH + 1) - 1
_HERE = 45 + _BOMB
"""How many say that they are there: the stopped one cannot, the head of the crowd need not."""

_CLEANED = "--cleaned"
_there, _say = os.pipe()


def _sleep(say: int = _say) -> None:
    os.write(say, b".")
    while True:
        time.sleep(60)


def _fork(body: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        body()
    finally:
        os._exit(0)


def _deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _sleep()


def _daemon() -> None:
    os.setsid()
    os.closerange(0, 3)
    _fork(_deaf)


def _stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    _sleep()


def _orphan() -> None:
    _fork(_sleep)


def _phoenix(generation: int = 0) -> None:
    """Answers TERM by a child that does the same, up to a bound, and dies."""

    def rise(_number: int, _frame: object) -> None:
        if generation < _GENERATIONS:
            _fork(lambda: _phoenix(generation + 1))
        os._exit(0)

    signal.signal(signal.SIGTERM, rise)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _sleep()


def _crowd() -> None:
    for _ in range(_CROWD):
        _fork(_sleep)
    signal.pause()


def _bomb(depth: int = 0) -> None:
    """Forks itself twice, and so do its children, up to a bound."""
    if depth < _DEPTH:
        for _ in range(2):
            _fork(lambda: _bomb(depth + 1))
    _sleep()


def _cleaned() -> None:
    """Becomes another program without any environment, whose parent is gone."""
    os.set_inheritable(_say, True)
    again = [sys.executable, "-I", "-S", *sys.argv, _CLEANED, str(_say)]
    _fork(lambda: os.execve(sys.executable, again, {}))


def main(ready: Path) -> None:
    """Fill the zoo, then create ``ready``."""
    animals = (_deaf, _daemon, _stopped, _orphan, _phoenix, _crowd, _bomb, _cleaned)
    pids = [_fork(body) for body in animals]
    for index in (1, 3, 7):
        os.waitpid(pids[index], 0)
    os.waitpid(pids[2], os.WUNTRACED)
    here = 0
    while here < _HERE:
        here += len(os.read(_there, _HERE))
    ready.touch()
    print("the zoo is full", flush=True)  # noqa: T201
    signal.pause()


if __name__ == "__main__":
    if _CLEANED in sys.argv:
        _sleep(int(sys.argv[-1]))
    main(Path(sys.argv[1]))
