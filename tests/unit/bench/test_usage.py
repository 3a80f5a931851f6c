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


HOLDS = """
input()
held = bytearray(64 << 20)
print("held", flush=True)
input()
del held
print("over", flush=True)
input()
"""


def test_a_peak_is_seen_when_it_is_over() -> None:
    # Below this process something may end meanwhile that another test has started.
    holds = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(holds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with Peak(child.pid) as peak:
            print(file=child.stdin, flush=True)
            assert child.stdout.readline() == "held\n"
            peak.look()
            print(file=child.stdin, flush=True)
            assert child.stdout.readline() == "over\n"
        assert usage([child.pid]).rss < 40
        child.communicate("\n")
    assert 50 < peak.grown_mib < 100


def test_who_computes_uses_seconds_of_a_processor_and_who_has_ended_none() -> None:
    before = cpu_seconds([os.getpid()])
    while cpu_seconds([os.getpid()]) == before:
        sum(range(10_000))
    assert cpu_seconds([os.getpid()]) - before < 60
    assert cpu_seconds([2**22 + 1]) == 0
