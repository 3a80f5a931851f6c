"""Work on the network that ends when its time is over or the job is taken away, in the thread that asked for it.

The event loop is this call's own and turns only while the caller waits here. Between its turns nothing of asyncio
runs, so that output goes to the log, and the claim is looked at, from plain code in the worker's own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, Literal, Self, TypeVar

from rules.engine.call import Call
from rules.engine.frames import timed_out
from rules.engine.host import Stream
from rules.engine.outcomes import Interrupted, OperationFailed

Result = TypeVar("Result")
TakeOutput = Callable[[Stream, bytes], None]

POLL_SECONDS: Final = 0.2
"""How often the claim and the time are looked at."""

CLOSING_SECONDS: Final = 2.0
"""How long work that is cut short may take to close its connections."""

_MOST_WAITING: Final = 256 * 1024


class Pipe:
    """Carries output from the work to the caller; full, it makes the work wait."""

    def __init__(self) -> None:
        """Begin empty."""
        self.changed = asyncio.Event()
        self._room = asyncio.Event()
        self._pieces: list[tuple[Stream, bytes]] = []
        self._size = 0

    async def put(self, stream: Stream, data: bytes) -> None:
        """Add a piece, waiting for room."""
        while self._size >= _MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        self._pieces.append((stream, data))
        self._size += len(data)
        self.changed.set()

    def take(self) -> list[tuple[Stream, bytes]]:
        """Return what is there and make room."""
        taken, self._pieces, self._size = self._pieces, [], 0
        self._room.set()
        return taken


def run(
    call: Call,
    work: Callable[[Pipe], Coroutine[Any, Any, Result]],
    *,
    output: TakeOutput | None = None,
    most_seconds: float | None = None,
    late: str = "It took too long.",
    cut: Callable[[], None] | None = None,
) -> Result:
    """Return what ``work`` returns; cancel it when the time is over or the right to run is gone.

    Args:
        call: The operation that does it; its time limit holds.
        work: Makes the coroutine; what it puts into the pipe goes to ``output``.
        output: Takes the output, in this thread.
        most_seconds: How long it may take in any case, ``None`` without a limit besides that of ``call``.
        late: What the failure says when these are over.
        cut: Called when the work was cut short by the time, before that is said.

    Raises:
        TimedOut: The time limit of ``call`` ran out.
        OperationFailed: ``most_seconds`` are over.
        Interrupted: The right to run is gone, and the host itself does not say so.
    """
    left = call.seconds_left()
    is_own = most_seconds is not None and (left is None or most_seconds < left)
    seconds = most_seconds if is_own else left
    with _Turning(work) as turning:
        ended = turning.turn(call, output or _ignore, None if seconds is None else time.monotonic() + seconds)
    if ended == "lost":
        call.host.check()
        raise Interrupted
    if ended == "late":
        if cut is not None:
            cut()
        if is_own or call.deadline is None:
            raise OperationFailed(late)
        raise timed_out(call.deadline)
    return turning.result()


def _ignore(_stream: Stream, _data: bytes) -> None:
    """Take nothing."""


class _Turning(Generic[Result]):
    """An event loop with one piece of work, turned by hand."""

    def __init__(self, work: Callable[[Pipe], Coroutine[Any, Any, Result]]) -> None:
        self._work = work
        self._loop = asyncio.new_event_loop()
        # Names are looked up in a thread, which cannot be interrupted: closing does not wait for it.
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="names")
        self._loop.set_default_executor(self._executor)
        self._pipe = Pipe()

    def __enter__(self) -> Self:
        self._task = self._loop.create_task(self._work(self._pipe))
        self._task.add_done_callback(lambda _task: self._pipe.changed.set())
        return self

    def __exit__(self, *_error: object) -> None:
        """Cancel the work, give it a moment to close its connections, then end the rest and the loop."""
        try:
            self._end({self._task})
            # What libraries left running; not before, as the work needs them to close its connections.
            self._end(asyncio.all_tasks(self._loop))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._loop.close()

    def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        done, _ = self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSING_SECONDS))
        for task in done:
            # Looked at, so that asyncio does not complain of an error that came too late to matter.
            _ = task.cancelled() or task.exception()

    def turn(
        self, call: Call, output: TakeOutput, give_up_at: float | None
    ) -> Literal["done", "late", "lost"]:
        """Turn until the work is ``done``, it is ``late``, or the claim is ``lost``."""
        while True:
            done = self._task.done()
            for stream, data in self._pipe.take():
                output(stream, data)
            if done:
                return "done"
            if call.host.lost():
                return "lost"
            left = POLL_SECONDS if give_up_at is None else min(POLL_SECONDS, give_up_at - time.monotonic())
            if left <= 0:
                return "late"
            self._loop.run_until_complete(self._wait(left))

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pipe.changed.wait()
        self._pipe.changed.clear()

    def result(self) -> Result:
        """Return what the work returned, or raise what it raised."""
        return self._task.result()
