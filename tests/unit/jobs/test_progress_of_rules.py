"""Progress over rules nobody wrote, walked by the real engine."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.progress import percent
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import DONE, Completed, HandedOver, Record, StepOutcome
from rules.palette import load
from rules.tree import Options, Position, Retry, RuleNode, RuleTree, count_leaves, static_path
from tests.unit.rules.memory_host import MemoryHost

HERE = Position(1, 1)
load()


class CountingHost(MemoryHost):
    """Remembers what was done after each operation, and stops after a few."""

    def __init__(self, records: dict[str, Record], left: int) -> None:
        super().__init__(records, stop_when=lambda: self.left <= 0)
        self.left = left
        self.counts: list[int] = []

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        super().finish(path, node, name, record, done=done)
        self.counts.append(done)
        self.left -= 1


def _around(held: st.SearchStrategy[RuleNode]) -> st.SearchStrategy[RuleNode]:
    some = st.lists(held, min_size=1, max_size=3).map(tuple)

    def made(key: str, arguments: Any, blocks: dict[str, Any], options: Options) -> RuleNode:
        return RuleNode(key, arguments, HERE, blocks, options)

    options = st.builds(
        Options,
        when=st.sampled_from([None, None, "True", "False"]),
        retry=st.sampled_from([None, Retry(2)]),
        enabled=st.sampled_from([True, True, False]),
    )
    return st.one_of(
        st.builds(made, st.just("group"), st.none(), some.map(lambda n: {"group": n}), options),
        st.builds(made, st.just("parallel"), st.none(), some.map(lambda n: {"parallel": n}), options),
        st.builds(
            made, st.just("if"), st.sampled_from(["True", "False"]),
            st.builds(lambda a, b: {"then": a, "else": b}, some, some), options,
        ),
        st.builds(
            made, st.just("foreach"), st.integers(0, 3).map(lambda n: {"items": list(range(n))}),
            some.map(lambda n: {"foreach": n}), options,
        ),
        st.builds(
            made, st.just("try"), st.none(),
            some.map(lambda n: {"try": (*n, RuleNode("fail", "no", HERE)), "catch": n}), options,
        ),
    )  # fmt: skip


leaves = st.builds(
    lambda when: RuleNode("log", "x", HERE, options=Options(when=when)), st.sampled_from([None, "False"])
)
trees = st.lists(st.recursive(leaves, _around, max_leaves=12), min_size=1, max_size=4).map(
    lambda nodes: RuleTree("made up", "", {}, {"RUN": tuple(nodes)})
)


def _slowly(records: dict[str, Record], tree: RuleTree) -> int:
    """Return what was done, counted from all that is recorded."""
    keys = _keys(tree.operations("RUN"), "RUN")
    done = {static_path(path) for path, record in records.items() if record.status in DONE}
    return sum(1 for path in done if keys[path])


def _keys(nodes: tuple[RuleNode, ...], prefix: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for index, node in enumerate(nodes):
        path = f"{prefix}/{index}"
        found[path] = node.is_leaf
        for block, held in node.blocks.items():
            found |= _keys(held, f"{path}/{block}")
    return found


def _walk(tree: RuleTree, stops: list[int]) -> tuple[StepOutcome, list[CountingHost]]:
    records: dict[str, Record] = {}
    hosts: list[CountingHost] = []
    for left in [*stops, 10**6]:
        hosts.append(CountingHost(records, left))
        outcome = run_step(tree, "RUN", hosts[-1], Stash())
        if not isinstance(outcome, HandedOver):
            break
    return outcome, hosts


@given(trees, st.lists(st.integers(1, 6), max_size=4))
@settings(max_examples=60, deadline=None)
def test_progress_never_falls_never_exceeds_the_rule_and_is_what_a_slow_count_says(
    tree: RuleTree, stops: list[int]
) -> None:
    outcome, hosts = _walk(tree, stops)
    assert isinstance(outcome, Completed)
    expected, reached = count_leaves(tree), 0
    for host in hosts:
        assert host.counts == sorted(host.counts)
        for done in host.counts:
            assert done <= expected
            now = percent(done, expected, reached=reached, finished=False, ended=False)
            assert reached <= now <= 99
            reached = now
    assert max(host.done for host in hosts) == _slowly(hosts[-1].records, tree)
    assert percent(0, expected, reached=reached, finished=True, ended=True) == 100
