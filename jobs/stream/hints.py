"""Hints instead of events: which jobs something happened to, for pages that ask for what they show themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from jobs.selectors import JobFilter
from jobs.stream.frames import Frame
from jobs.stream.hub import Hub
from jobs.stream.subscriber import Subscriber
from jobs.stream.telling import RETRY, is_woken
from permissions.standing import Held, Standing

PACE_SECONDS: Final = 0.5
GATHERING_SECONDS: Final = 0.05
MOST_JOBS: Final = 100


class HintSubscriber(Subscriber):
    """A reader of hints. It keeps numbers of jobs and no bytes, so it is never behind and never reads the table."""

    needs_pieces = False

    def __init__(
        self, standing: Standing, wanted: JobFilter, kinds: frozenset[str], job_id: int | None = None
    ) -> None:
        """Begin now, with no rights yet; see ``Subscriber``."""
        super().__init__(standing, wanted, kinds, None, job_id)
        self.is_looked_up = self.has_other_rights = False
        self._jobs: dict[int, None] = {}
        self._are_too_many = False

    def hold(self, held: Held | None) -> None:
        """Take note of what the reader holds now, and tell the reader when that is something else."""
        before = self.rights
        super().hold(held)
        if self.is_looked_up and self.rights != before:
            self.has_other_rights = True
            self.wake.set()
        self.is_looked_up = True

    def offer(self, frame: Frame) -> None:
        """Take note of the job of a frame."""
        if len(self._jobs) < MOST_JOBS:
            self._jobs[frame.shown["id"]] = None
        else:
            self._are_too_many = True
        self.wake.set()

    def take_hint(self) -> bytes:
        """Return what is to be told by now; nothing when nothing has happened."""
        told = b""
        if self.has_other_rights:
            told = encode_hint("rights", {})
        if self._jobs:
            # Too many to name them: any job may be among them.
            told += encode_hint("changed", {"jobs": [] if self._are_too_many else list(self._jobs)})
        self.has_other_rights = self._are_too_many = False
        self._jobs.clear()
        return told


async def tell_hints(hub: Hub, subscriber: HintSubscriber) -> AsyncIterator[bytes]:
    """Yield hints until their reader may read no more, goes away, or the server ends."""
    try:
        await hub.join(subscriber)
        subscriber.attach(hub.position)
        # From here on nothing is missed: what the reader asks for now is as new as the first hint.
        yield RETRY + encode_hint("begin", {})
        while not (subscriber.ended or hub.closing):
            subscriber.wake.clear()
            if told := subscriber.take_hint():
                yield told
                await _pause(subscriber)
            elif await is_woken(subscriber):
                # What happens together is told together.
                await asyncio.sleep(GATHERING_SECONDS)
            else:
                # An event, for pages cannot hear the comment that other readers get.
                yield encode_hint("beat", {})
    finally:
        hub.leave(subscriber)


def encode_hint(event: str, data: dict[str, Any]) -> bytes:
    """Return a hint for the wire. It has no id: a reader that comes back begins anew."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def _pause(subscriber: HintSubscriber) -> None:
    """Let hints gather; other rights and the end are told at once."""
    try:
        async with asyncio.timeout(PACE_SECONDS):
            while not (subscriber.ended or subscriber.has_other_rights):
                subscriber.wake.clear()
                await subscriber.wake.wait()
    except TimeoutError:
        pass
