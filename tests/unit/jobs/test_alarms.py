"""Calls that are made later by one thread, unless they are called off."""

from __future__ import annotations

import os
import threading
import time
from functools import partial

import pytest

from jobs import alarms
from jobs.alarms import Clock
from tests.waiting import until


def test_calls_are_made_in_their_order_and_not_before_their_time() -> None:
    clock, made = Clock(), list[tuple[str, float]]()
    begun = time.monotonic()

    def note(name: str) -> None:
        made.append((name, time.monotonic() - begun))

    for name, seconds in (("late", 0.2), ("soon", 0.05), ("soon too", 0.05)):
        clock.after(seconds, partial(note, name))
    until(lambda: len(made) == 3, 5)
    assert [name for name, _ in made] == ["soon", "soon too", "late"]
    assert made[0][1] >= 0.05
    assert made[2][1] >= 0.2


def test_what_is_called_off_is_not_made() -> None:
    clock, made = Clock(), list[int]()
    clock.after(0.05, lambda: made.append(1)).cancel()
    clock.after(0.1, lambda: made.append(2))
    until(lambda: made, 5)
    assert made == [2]


def test_a_defect_in_one_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    clock, made = Clock(), list[int]()
    clock.after(0.01, lambda: 1 / 0)
    clock.after(0.05, lambda: made.append(1))
    until(lambda: made, 5)
    assert "An alarm met a defect." in caplog.text


def test_all_of_a_process_are_made_by_one_thread() -> None:
    clock, threads = Clock(), set[int]()
    made = list[int]()

    def note() -> None:
        threads.add(threading.get_ident())
        made.append(1)

    for _ in range(50):
        clock.after(0.01, note)
    until(lambda: len(made) == 50, 5)
    assert len(threads) == 1


def test_a_forked_child_makes_its_own_and_none_of_its_parent() -> None:
    alarms.after(0.3, lambda: None)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        over = threading.Event()
        assert not alarms._clocks[0]._due
        alarms.after(0.01, over.set)
        os.write(writing, b"made" if over.wait(5) else b"lost")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 4) == b"made"
