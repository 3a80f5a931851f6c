"""Threads that requests run in: used again, and never by two at once."""

from __future__ import annotations

import threading

from jobs.stream.handler import RequestThread, Threads
from tests.waiting import until


def name_of(thread: RequestThread) -> int:
    return int(thread.submit(threading.get_ident).result())


def idle(threads: Threads) -> int:
    return len(threads._idle)


def test_the_next_request_has_the_thread_of_the_one_before() -> None:
    threads = Threads()
    first = threads.take()
    known = name_of(first)
    threads.give_back(first)
    until(lambda: idle(threads), 5)
    assert name_of(threads.take()) == known
    assert idle(threads) == 0


def test_one_that_is_busy_with_a_request_that_was_given_up_is_not_used() -> None:
    threads, over = Threads(), threading.Event()
    busy = threads.take()
    busy.submit(over.wait, 10)
    threads.give_back(busy)
    other = threads.take()
    assert other is not busy
    assert idle(threads) == 0
    over.set()
    until(lambda: idle(threads), 5)
    assert threads.take() is busy


def test_more_than_may_wait_end() -> None:
    threads = Threads(most_idle=2)
    taken = [threads.take() for _ in range(5)]
    identities = {name_of(thread) for thread in taken}
    for thread in taken:
        threads.give_back(thread)
    until(lambda: idle(threads) == 2, 5)
    until(lambda: len(identities & {thread.ident for thread in threading.enumerate()}) == 2, 5)
