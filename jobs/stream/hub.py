"""One reader of the table of events per web process, who tells all open streams and waits.

Asks the database four times a second while anybody listens, and not at all otherwise. No message is needed for it, so a
broker that is down makes nothing slower. Lives in the event loop of the server; what it asks of the database it asks in
threads of its own, of which there are few however many listen.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import FrameType
from typing import Any, Final, TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from jobs import selectors
from jobs.stream import reading
from jobs.stream.frames import FOR_ALL, Batch, Frame, Represent, read_batch
from jobs.stream.position import Position
from jobs.stream.subscriber import Subscriber
from jobs.stream.waiter import Waiter
from permissions.standing import Held, Standing

PACE_SECONDS: Final = 0.25
RETRY_SECONDS: Final = 1.0
READERS: Final = 3
"""Threads for those that read the table at their own pace, and for looking up who may still read."""

_YIELD_EVERY: Final = 20

logger = logging.getLogger(__name__)
Found = TypeVar("Found")


class Hub:
    """Reads each event once and hands it to whoever wants it."""

    def __init__(self, represent: Represent) -> None:
        """Begin with nobody; no thread is started yet.

        Args:
            represent: How the API shows things.
        """
        self.represent = represent
        self.position = Position(0)
        self.closing = False
        self._subscribers: set[Subscriber] = set()
        self._waiters: set[Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._feeding = ThreadPoolExecutor(1, thread_name_prefix="stream-feed")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="stream-read")

    async def join(self, subscriber: Subscriber) -> bool:
        """Let ``subscriber`` be told what happens, with the rights it has from then on.

        Returns:
            Whether it begins where it asked to; not so when that is not kept any more: it begins now.
        """
        await self._start()
        # First a member, then its rights: a change that comes in between is told to it.
        self._subscribers.add(subscriber)
        wished = subscriber.position
        held, now, covered = await self.read(
            lambda: (
                subscriber.standing.look(timezone.now()),
                Position(reading.horizon()),
                wished is None or reading.is_covered(wished),
            )
        )
        subscriber.hold(held)
        if wished is None or not covered:
            subscriber.position = now
        return covered

    async def wait(self, waiter: Waiter) -> None:
        """Return when what ``waiter`` waits for may have come, its time is over, or the server ends."""
        await self._start()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(waiter.seconds_left):
                await waiter.wake.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a stream that is over."""
        subscriber.end()
        self._subscribers.discard(subscriber)

    async def catch_up(self, subscriber: Subscriber) -> Batch | None:
        """Return what comes next for a reader that is not attached; ``None`` when it is now.

        It is never told more than the hub has passed: up to there its rights are known.
        """
        assert subscriber.position is not None
        position, up_to = subscriber.position, self.position.event
        if position.line is None and position.event == up_to:
            subscriber.attach(self.position)
            return None
        if position.event > up_to:  # it began a moment ahead of the hub
            await asyncio.sleep(PACE_SECONDS / 2)
            return Batch((), (), (), position, False)
        return await self.read(lambda: read_batch(position, up_to, subscriber.wants, self.represent))

    async def read(self, ask: Callable[[], Found]) -> Found:
        """Return what ``ask`` finds in the database, asked in one of a few threads."""
        return await _in_thread(self._reading, ask)

    def close(self) -> None:
        """End all streams and waits: the server is about to end."""
        self.closing = True
        for subscriber in self._subscribers:
            subscriber.end()
        for waiter in self._waiters:
            waiter.wake.set()

    async def _start(self) -> None:
        async with self._starting:
            if self._task is None:
                position = Position(await self.read(reading.horizon))
                _call_before_the_end(self.close)
                self.position = position
                self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(min(RETRY_SECONDS, PACE_SECONDS * (1 + failures)))
            if not (self._subscribers or self._waiters) or self.closing:
                self._task = None
                return
            try:
                while await self._turn():
                    pass
                failures = 0
            except DatabaseError as error:
                failures += 1
                if failures == 1:
                    logger.warning("Streams wait for the database: %s", error)
            except Exception:
                # A defect: whoever reads comes back and is told by the answer if it lasts.
                logger.exception("The streams were ended.")
                self._task = None
                for subscriber in self._subscribers:
                    subscriber.end()
                return

    async def _turn(self) -> bool:
        """Tell what has happened; return whether there may be more at once."""
        members = tuple(self._subscribers)
        position = self.position
        attached = [subscriber for subscriber in members if subscriber.attached]

        def ask() -> tuple[Batch | None, dict[int, str]]:
            batch = _batch_after(position, attached, self.represent)
            return batch, selectors.statuses(waited) if waited else {}

        waited = {waiter.job_id for waiter in self._waiters}
        batch, statuses = await _in_thread(self._feeding, ask)
        await self._look_again(batch.rights if batch else ())
        if batch is not None:
            await self._tell(batch)
        self._wake_waiters(batch, waited, statuses)
        return batch is not None and batch.is_full

    async def _tell(self, batch: Batch) -> None:
        for count, frame in enumerate(batch.frames):
            self._offer(frame)
            if count % _YIELD_EVERY == _YIELD_EVERY - 1:
                await asyncio.sleep(0)
        self.position = batch.end
        for subscriber in self._subscribers:
            subscriber.pass_by(batch.end)

    def _offer(self, frame: Frame) -> None:
        """Hand a frame to all who are here; without a pause, so that nobody attaches in the middle of it."""
        for subscriber in self._subscribers:
            if subscriber.attached and subscriber.wants(frame):
                subscriber.offer(frame)
        self.position = Position(frame.id)

    async def _look_again(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Find out what those hold whose rights changed or whose key's time is over, before more is told."""
        now, changes = timezone.now(), tuple(changes)
        concerned = [
            subscriber
            for subscriber in self._subscribers
            if (subscriber.until is not None and subscriber.until <= now)
            or any(_concerns(change, subscriber.standing) for change in changes)
        ]
        if concerned:
            standings = {subscriber.standing for subscriber in concerned}
            found = await _in_thread(self._feeding, lambda: _look(standings, now))
            for subscriber in concerned:
                subscriber.hold(found[subscriber.standing])
        for waiter in self._waiters:
            if any(_concerns(change, waiter.standing) for change in changes):
                waiter.wake.set()

    def _wake_waiters(self, batch: Batch | None, waited: set[int], statuses: Mapping[int, str]) -> None:
        for waiter in self._waiters:
            told = [status for job, status in batch.statuses if job == waiter.job_id] if batch else []
            if waiter.job_id in waited:
                told.append(statuses.get(waiter.job_id))
            waiter.hear(told)


def _batch_after(position: Position, subscribers: list[Subscriber], represent: Represent) -> Batch | None:
    up_to = reading.horizon()
    if up_to <= position.event:
        return None

    def wanted(frame: Frame) -> bool:
        return any(subscriber.needs_pieces and subscriber.wants(frame) for subscriber in subscribers)

    return read_batch(position, up_to, wanted, represent, FOR_ALL)


def _concerns(change: Mapping[str, Any], standing: Standing) -> bool:
    if "user" in change:
        return bool(change["user"] == standing.user_id)
    return "session" not in change or change["session"] == standing.session_mark


def _look(standings: Iterable[Standing], now: datetime) -> dict[Standing, Held | None]:
    return {standing: standing.look(now) for standing in standings}


async def _in_thread(threads: ThreadPoolExecutor, ask: Callable[[], Found]) -> Found:
    def run() -> Found:
        try:
            return ask()
        finally:
            # Back to the pool: between two questions no connection is held.
            connection.close_if_unusable_or_obsolete()

    return await asyncio.get_running_loop().run_in_executor(threads, run)


def _call_before_the_end(close: Callable[[], None]) -> None:
    """Have ``close`` called when the server is told to end: it would wait for streams, which do not end by themselves."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before) or getattr(before, "closes_streams", False):
            continue

        def end(
            number: int, frame: FrameType | None, before: Callable[[int, FrameType | None], Any] = before
        ) -> None:
            loop.call_soon_threadsafe(close)
            before(number, frame)

        end.closes_streams = True  # type: ignore[attr-defined]
        signal.signal(number, end)
