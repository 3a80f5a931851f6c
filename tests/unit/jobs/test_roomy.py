"""However deep a loop was called, its calls take nothing from the system."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from resource import RUSAGE_THREAD, getrusage

import pytest

from jobs.stream.handler import RequestThread
from rules import roomy

CALLS = 100
A_CHUNK_OF_FRAMES = 300


def _inner(value: int) -> int:
    return value + 1


def _outer(value: int) -> int:
    return _inner(value) + _inner(value)


def faults(depth: int) -> int:
    """Return how often the loop at a depth touched memory that was not there yet."""
    if depth:
        return faults(depth - 1)
    _outer(0)
    before = getrusage(RUSAGE_THREAD).ru_minflt
    for number in range(CALLS):
        _outer(number)
    return getrusage(RUSAGE_THREAD).ru_minflt - before


def worst() -> int:
    return max(faults(depth) for depth in range(A_CHUNK_OF_FRAMES))


def in_a_thread(executor: ThreadPoolExecutor) -> int:
    with executor:
        return executor.submit(worst).result()


def test_a_loop_that_stands_at_the_end_of_a_chunk_takes_a_new_one_at_each_call() -> None:
    assert in_a_thread(ThreadPoolExecutor(1)) > CALLS / 2


def test_with_room_no_loop_does() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(roomy.call, worst).result() < CALLS / 10


def test_requests_have_room() -> None:
    assert in_a_thread(RequestThread()) < CALLS / 10


def test_arguments_results_and_errors_pass_through() -> None:
    assert roomy.call(divmod, 7, 2) == (3, 1)
    assert roomy.call(dict, a=1) == {"a": 1}
    with pytest.raises(ZeroDivisionError):
        roomy.call(divmod, 1, 0)
