"""The body of a stream: what is sent, a piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from jobs.stream import reading
from jobs.stream.frames import Represent, encode, read_batch
from jobs.stream.hub import RETRY_SECONDS, Hub
from jobs.stream.position import Position
from jobs.stream.subscriber import Subscriber

HEARTBEAT_SECONDS: Final = 15.0
RETRY: Final = b"retry: 2000\n\n"
HEARTBEAT: Final = b":\n"
"""A comment without an empty line: no reader takes it for an event."""


async def tell(hub: Hub, subscriber: Subscriber) -> AsyncIterator[bytes]:
    """Yield a stream until its reader may read no more, goes away, or the server ends."""
    try:
        covered = await hub.join(subscriber)
        assert subscriber.position is not None
        yield RETRY + _opening(subscriber.position, covered=covered)
        told = subscriber.position
        while not (subscriber.ended or hub.closing):
            if not subscriber.attached:
                async for data in _behind(hub, subscriber):
                    yield data
                continue
            subscriber.wake.clear()
            while (frame := subscriber.take()) is not None:
                for piece in frame.pieces or ():
                    if subscriber.ended or not subscriber.sees(frame):
                        break
                    subscriber.position = piece.position
                    yield piece.data
                subscriber.position = told = Position(frame.id)
            if subscriber.attached and not await is_woken(subscriber):
                # A reader of little need not come back to where it heard something last.
                yield HEARTBEAT if subscriber.position == told else _mark(subscriber.position)
                told = subscriber.position
    finally:
        hub.leave(subscriber)


async def _behind(hub: Hub, subscriber: Subscriber) -> AsyncIterator[bytes]:
    """Yield what comes next for a reader that reads by itself."""
    try:
        batch = await hub.catch_up(subscriber)
    except DatabaseError:
        await asyncio.sleep(RETRY_SECONDS)
        return
    if batch is None:
        return
    for frame in batch.frames:
        for piece in frame.pieces or ():
            if subscriber.ended or not subscriber.sees(frame):
                break
            subscriber.position = piece.position
            yield piece.data
    subscriber.position = batch.end


def tell_backlog(subscriber: Subscriber, represent: Represent) -> Iterator[bytes]:
    """Yield what there is to tell by now, and end: for servers that have no event loop. Readers come back for more."""
    up_to = reading.horizon()
    subscriber.hold(subscriber.standing.look(timezone.now()))
    wished = subscriber.position
    covered = wished is None or reading.is_covered(wished)
    position = wished if wished is not None and covered else Position(up_to)
    yield RETRY + _opening(position, covered=covered)
    while not subscriber.ended and (position.event < up_to or position.line is not None):
        batch = read_batch(position, up_to, subscriber.wants, represent)
        for frame in batch.frames:
            yield from (piece.data for piece in frame.pieces or ())
        position = batch.end


def _opening(position: Position, *, covered: bool) -> bytes:
    if covered:
        return _mark(position)
    return encode(
        "reset", position, {"detail": "What came after the last event is not kept. List the jobs again."}
    )


def _mark(position: Position) -> bytes:
    """Return what only says where the reader is."""
    return f"id: {position}\n\n".encode()


async def is_woken(subscriber: Subscriber) -> bool:
    """Return whether something came before a sign of life is due."""
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            await subscriber.wake.wait()
    except TimeoutError:
        return False
    return True
