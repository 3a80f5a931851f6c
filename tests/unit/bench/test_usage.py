"""Memory of processes is read as the kernel tells it."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.usage import Peak, cpu_seconds, tree, usage


def test_a_tree_holds_a_process_and_what_is_below_it_and_uses_as_much_as_both() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert {os.getpid(), child.pid} <= set(tree(os.getpid()))
        assert 0 < usage([child.pid]).pss <= usage([child.pid]).rss < usage([child.pid, os.getpid()]).rss
        child.communicate(b"\n")
    assert usage([child.pid]).rss == 0


def test_a_peak_is_seen_when_it_is_over() -> None:
    with Peak(os.getpid()) as peak:
        held = bytearray(64 << 20)
        peak.look()
        del held
    assert 50 < peak.grown_mib < 100


def test_who_computes_uses_seconds_of_a_processor_and_who_has_ended_none() -> None:
    before = cpu_seconds([os.getpid()])
    while cpu_seconds([os.getpid()]) == before:
        sum(range(10_000))
    assert cpu_seconds([os.getpid()]) - before < 60
    assert cpu_seconds([2**22 + 1]) == 0
