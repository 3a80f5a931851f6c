"""Positions, and how much may wait for a reader of the stream."""

from __future__ import annotations

import random

import pytest

from jobs.selectors import JobFilter
from jobs.stream.frames import Frame, Piece
from jobs.stream.position import Position
from jobs.stream.subscriber import MOST_WAITING, MOST_WAITING_BYTES, Subscriber
from permissions.rights import NOTHING, Rights
from permissions.standing import Held, Standing


@pytest.mark.parametrize("text", ["0", "17", "17.4", "999999999999999999"])
def test_a_position_is_read_as_it_is_written(text: str) -> None:
    assert str(Position.read(text)) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "1.", ".1", "1.2.3", "1 ", "٣", "1" * 19, "1e3", "\n1"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Position.read(text)


def frame(number: int, size: int = 10, *, kind: str = "job", environment: int = 1) -> Frame:
    pieces = (Piece(Position(number), b"x" * size),)
    return Frame(number, kind, environment, {"environment": "TEST", "id": 1}, pieces)


def subscriber(*kinds: str) -> Subscriber:
    found = Subscriber(Standing(1, token="t"), JobFilter(), frozenset(kinds or ("job", "log")), Position(0))
    found.hold(Held(Rights(everything=True), None))
    found.attach(Position(0))
    return found


def test_frames_come_in_order_and_then_the_reader_is_where_the_hub_is() -> None:
    reader = subscriber()
    reader.offer(frame(3))
    reader.offer(frame(5))
    reader.pass_by(Position(9))
    assert [taken.id for taken in (reader.take(), reader.take()) if taken] == [3, 5]
    assert reader.take() is None
    assert reader.position == Position(9)


@pytest.mark.parametrize(("count", "size"), [(MOST_WAITING + 1, 10), (3, MOST_WAITING_BYTES // 2)])
def test_a_reader_for_whom_too_much_waits_goes_on_by_itself_from_what_it_got_last(
    count: int, size: int
) -> None:
    reader = subscriber()
    reader.offer(frame(1))
    assert reader.take() is not None
    reader.position = Position(1)
    for number in range(2, 2 + count):
        reader.offer(frame(number, size))
    reader.pass_by(Position(1000))
    assert not reader.attached
    assert reader.take() is None
    assert reader.position == Position(1)


@pytest.mark.parametrize("taken_each", [0, 7])
def test_what_waits_has_a_bound_however_much_happens(taken_each: int) -> None:
    """For a reader who never reads, and for one who takes an event now and then and is led back whenever it may be."""
    reader, chance, most = subscriber(), random.Random(7), 0
    for number in range(1, 5_001):
        # As the hub does: who is not attached is offered nothing.
        if reader.attached:
            reader.offer(frame(number, chance.choice([10, 3_000, 60_000])))
        waits = [waiting.size for waiting in reader._queue]
        assert len(waits) <= MOST_WAITING
        assert sum(waits) == reader._size <= MOST_WAITING_BYTES
        assert reader.attached or not waits
        most = max(most, reader._size)
        if taken_each and number % taken_each == 0 and reader.take() is None:
            reader.attach(Position(number))
    assert most > MOST_WAITING_BYTES / 2


def test_one_large_frame_has_room() -> None:
    reader = subscriber()
    reader.offer(frame(1, 2 * MOST_WAITING_BYTES))
    assert reader.attached


def test_what_nobody_wanted_when_it_was_made_is_read_from_the_table() -> None:
    reader = subscriber()
    reader.offer(Frame(1, "job", 1, {}))
    assert not reader.attached


def test_what_waits_is_not_told_after_a_withdrawal() -> None:
    reader = subscriber()
    reader.offer(frame(1))
    reader.hold(Held(NOTHING, None))
    assert reader.take() is None
    reader.hold(None)
    assert reader.ended


def test_kinds_are_chosen_and_who_follows_jobs_hears_that_one_is_gone() -> None:
    wanted = {
        kinds: [kind for kind in ("job", "log", "deleted") if subscriber(*kinds).wants(frame(1, kind=kind))]
        for kinds in (("job",), ("log",), ("job", "log"))
    }
    assert wanted == {
        ("job",): ["job", "deleted"],
        ("log",): ["log"],
        ("job", "log"): ["job", "log", "deleted"],
    }
