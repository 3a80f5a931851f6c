"""One open stream: what it is told, and how much of it may wait."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime
from typing import Final

from jobs.selectors import JobFilter
from jobs.stream.frames import Frame
from jobs.stream.matching import matches
from jobs.stream.position import Position
from permissions.catalog import Right
from permissions.rights import NOTHING, Rights
from permissions.standing import Held, Standing

MOST_WAITING: Final = 100
MOST_WAITING_BYTES: Final = 1 << 18


class Subscriber:
    """A reader of events. It lives in the event loop alone; ``wants`` may be asked from any thread.

    While it is ``attached`` the hub puts into its queue what comes. When too much waits there, or it begins somewhere in the
    past, it is not: it reads the table at its own pace until it is where the hub is.

    Attributes:
        position: What was handed over last.
        attached: Whether the hub feeds it.
        ended: Whether it is over.
        until: When its key ends by itself.
    """

    needs_pieces = True
    """Whether it is fed with bytes for the wire."""

    def __init__(
        self,
        standing: Standing,
        wanted: JobFilter,
        kinds: frozenset[str],
        position: Position | None,
        job_id: int | None = None,
    ) -> None:
        """Begin, with no rights yet.

        Args:
            standing: Who reads.
            wanted: Which jobs.
            kinds: ``job`` and ``log``, or one of them.
            position: Where to go on; ``None`` for now.
            job_id: Only this one of them; ``None`` for all.
        """
        self.standing, self.wanted, self.kinds, self.job_id = standing, wanted, kinds, job_id
        self.position = position
        self.rights: Rights = NOTHING
        self.until: datetime | None = None
        self.attached = self.ended = False
        self.wake = asyncio.Event()
        self._queue: deque[Frame] = deque()
        self._size = 0
        self._offered = Position(0)

    def wants(self, frame: Frame) -> bool:
        """Return whether the reader is told ``frame``. Who follows jobs also hears that one is gone."""
        return (
            (frame.kind in self.kinds or (frame.kind == "deleted" and "job" in self.kinds))
            and self.job_id in (None, frame.shown["id"])
            and self.sees(frame)
            and matches(self.wanted, frame.shown)
        )

    def sees(self, frame: Frame) -> bool:
        """Return whether the environment of ``frame`` exists for the reader."""
        return self.rights.has(Right.VIEW_MONITOR, frame.environment_id)

    def hold(self, held: Held | None) -> None:
        """Take note of what the reader holds now; nobody any more ends it."""
        if held is None:
            self.end()
        else:
            self.rights, self.until = held.rights, held.until

    def attach(self, position: Position) -> None:
        """Be fed from ``position`` on."""
        self.attached = True
        self.position = self._offered = position

    def offer(self, frame: Frame) -> None:
        """Put a frame that is wanted into the queue; what is too much is read later from the table."""
        if frame.pieces is None or self._is_full(frame):
            self._queue.clear()
            self._size, self.attached = 0, False
        else:
            self._queue.append(frame)
            self._size += frame.size
        self.wake.set()

    def pass_by(self, position: Position) -> None:
        """Take note that everything up to ``position`` was offered, as far as it is wanted."""
        if self.attached:
            self._offered = position

    def take(self) -> Frame | None:
        """Return the next frame of the queue, ``None`` when it is empty: then the reader is where the hub is."""
        while self._queue:
            frame = self._queue.popleft()
            self._size -= frame.size
            if self.sees(frame):
                return frame
        if self.attached:
            self.position = self._offered
        return None

    def end(self) -> None:
        """End it; what waits is not told any more."""
        self.ended = True
        self._queue.clear()
        self._size = 0
        self.wake.set()

    def _is_full(self, frame: Frame) -> bool:
        # One that is larger than the bound alone still has room in an empty queue.
        too_large = self._size + frame.size > MOST_WAITING_BYTES
        return bool(self._queue) and (len(self._queue) >= MOST_WAITING or too_large)
