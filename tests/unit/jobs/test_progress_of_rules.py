"""Progress over rules nobody wrote, walked by the real engine, against a count that shares nothing with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.progress import percent
from rules.engine import reuse, waits
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, Record, RecordStatus, StepOutcome, Waiting
from rules.engine.skipping import skipped_within
from rules.engine.undo import undo
from rules.tree import Options, Position, Retry, RuleNode, RuleTree, static_path, walk
from tests.unit.rules.memory_host import MemoryHost, registry

HERE = Position(1, 1)
PALETTE = registry()
UNDO = (RuleNode("log", "undone", HERE),)
OVER = {"completed", "skipped", "ignored"}


class CountingHost(MemoryHost):
    """Remembers what was done after each operation, and stops after a few."""

    def __init__(self, records: dict[str, Record], effects: list[str], left: int) -> None:
        super().__init__(records, effects, stop_when=lambda: self.left <= 0)
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

    # The tries of a group come after one that failed; a group that traps waits for a person as a whole.
    options = st.builds(
        Options,
        when=st.sampled_from([None, None, "True", "False"]),
        retry=st.sampled_from([None, Retry(2)]),
        on_error=st.sampled_from(["fail", "fail", "trap", "ignore"]),
        enabled=st.sampled_from([True, True, False]),
        rollback=st.sampled_from([(), UNDO]),
    )
    return st.one_of(
        st.builds(made, st.just("group"), st.none(), some.map(lambda n: {"group": n}), options),
        st.builds(made, st.just("rule"), st.just("other"), some.map(lambda n: {"rule": n}), options),
        st.builds(made, st.just("parallel"), st.none(), some.map(lambda n: {"parallel": n}), options),
        st.builds(
            made, st.just("if"), st.sampled_from(["True", "False"]),
            st.builds(lambda a, b: {"then": a, "else": b}, some, some), options,
        ),
        st.builds(
            made, st.just("foreach"), st.integers(0, 3).map(lambda n: {"items": list(range(n))}),
            some.map(lambda n: {"foreach": n}), options,
        ),
        # Goes on for two turns, which its own operation counts, wherever it stands.
        st.builds(
            made, st.just("while"), st.just({"condition": "variables.n in ['', 'x']", "max": 9}),
            some.map(lambda n: {"while": (RuleNode("set", {"n": "{{ variables.n }}x"}, HERE), *n)}), options,
        ),
        st.builds(
            made, st.just("try"), st.none(),
            some.map(lambda n: {"try": (*n, RuleNode("fail", "no", HERE)), "catch": n, "finally": n}), options,
        ),
    )  # fmt: skip


# What fails does so the first time only, so that whatever comes after, it comes to an end.
leaves = st.builds(
    lambda key, options: RuleNode(key, "", HERE, options=options),
    st.sampled_from(["log", "log", "effect"]),
    st.builds(
        Options,
        when=st.sampled_from([None, None, "False"]),
        retry=st.sampled_from([None, Retry(2)]),
        on_error=st.sampled_from(["fail", "trap", "trap", "ignore"]),
        rollback=st.sampled_from([(), UNDO]),
    ),
)


def _failing(nodes: tuple[RuleNode, ...], dice: Random) -> tuple[RuleNode, ...]:
    """Return the operations with one among them, at any depth, that fails and is not dealt with where it is."""
    held = [index for index, node in enumerate(nodes) if node.blocks]
    if not held or dice.random() < 0.3:
        at = dice.randrange(len(nodes) + 1)
        return (*nodes[:at], RuleNode("effect", "", HERE), *nodes[at:])
    at = dice.choice(held)
    block = dice.choice(sorted(nodes[at].blocks))
    blocks = {**nodes[at].blocks, block: _failing(nodes[at].blocks[block], dice)}
    return (*nodes[:at], replace(nodes[at], blocks=blocks, options=Options()), *nodes[at + 1 :])


def _tree(nodes: list[RuleNode], seed: int) -> RuleTree:
    """Return a rule of these operations; most begin with a group that comes to wait for a person."""
    dice, top = Random(seed), tuple(nodes)
    if dice.random() < 0.7:
        group = RuleNode("group", None, HERE, {"group": _failing(top, dice)}, Options(on_error="trap"))
        top = (group, *top)
    return RuleTree("made up", "", {}, {"RUN": _told_apart(top, itertools.count())})


trees = st.builds(
    _tree,
    st.lists(st.recursive(leaves, _around, max_leaves=12), min_size=1, max_size=4),
    st.integers(0, 10**6),
)


def _told_apart(nodes: tuple[RuleNode, ...], numbers: Iterator[int]) -> tuple[RuleNode, ...]:
    """Return the operations with a text of its own in each that fails once: it is known by that."""
    return tuple(
        replace(
            node,
            arguments=f"once:{next(numbers)}" if node.key == "effect" else node.arguments,
            blocks={name: _told_apart(held, numbers) for name, held in node.blocks.items()},
        )
        for node in nodes
    )


def _places(nodes: tuple[RuleNode, ...], place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield where the operations stand that hold no others, the way forward alone."""
    for index, node in enumerate(nodes):
        here = (*place, str(index))
        if not node.blocks:
            yield here
        for block, held in node.blocks.items():
            yield from _places(held, (*here, block))


def _place(path: str) -> tuple[str, ...]:
    """Return where in the rule a record belongs, whatever try and turn it is of."""
    return tuple(part.partition("[")[0] for part in path.split("/") if not part.startswith("retry["))


def _slowly(records: dict[str, Record], tree: RuleTree) -> int:
    """Return what was done or skipped, counted from all that is recorded."""
    over = {_place(path) for path, each in records.items() if each.status.value in OVER}
    for path, each in records.items():
        if each.status.value == "skipped" and "trapped" in each.memo and "/rollback/" not in path:
            over |= _skipped_with(path, records, tree)
    return len(over & set(_places(tree.steps["RUN"], ("RUN",))))


def _skipped_with(group: str, records: dict[str, Record], tree: RuleTree) -> set[tuple[str, ...]]:
    """Return the leaves that were skipped with a group: nothing on the way down ended before, or chose another way."""
    here = _place(group)
    return {
        place
        for place in _places(tree.steps["RUN"], ("RUN",))
        if place[: len(here)] == here and _is_left(group, place[len(here) :], records)
    }


def _is_left(path: str, way: tuple[str, ...], records: dict[str, Record]) -> bool:
    """Return whether the way down from the last try of ``path``, in the last turn of each loop, comes to no end that is known."""
    for block, index in zip(way[::2], way[1::2], strict=True):
        if path not in records:
            return True
        tries = [int(key[6:-1]) for key in records[path].memo if key.startswith("retry[")]
        last = f"retry[{max(tries)}]" if tries else ""
        memo = records[path].memo[last] if last else records[path].memo
        if memo.get("branch", block) != block:
            return False
        path = f"{path}/{last}" if last else path
        begun = f"{path}/{block}["
        turns = [int(other[len(begun) :].split("]")[0]) for other in records if other.startswith(begun)]
        path = f"{path}/{block}" + (f"[{max(turns)}]" if turns else "") + f"/{index}"
        if path in records and records[path].status.value in OVER:
            return False
    return True


@dataclass
class Life:
    """A job of one rule: attempts, each of which is handed over, trapped and decided about until it ends."""

    tree: RuleTree
    dice: Random
    records: dict[str, Record] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    reached: int = 0
    done: int = 0

    def attempt(self) -> StepOutcome:
        """Walk to the end of an attempt, and look at all that was shown on the way."""
        for _ in range(200):
            host = CountingHost(self.records, self.effects, self.dice.choice([1, 2, 3, 6, 10**6]))
            outcome = run_step(self.tree, "RUN", host, Stash({"n": ""}), registry=PALETTE)
            self._look_at(host)
            if isinstance(outcome, Waiting):
                path = outcome.path
                answer = self.dice.choice([waits.retried, waits.skipped])
                self.records[path] = answer(self.records[path], host.clock)
                if self.records[path].status is RecordStatus.SKIPPED:
                    self._look_at_skipped(path)
                    # Whoever skips has the job counted anew: no walk tells when it was the last operation.
                    assert _slowly(self.records, self.tree) >= self.done
                    self.done = _slowly(self.records, self.tree)
            elif not isinstance(outcome, HandedOver):
                assert _slowly(self.records, self.tree) == self.done
                return outcome
        raise AssertionError("It came to no end.")

    def _look_at(self, host: CountingHost) -> None:
        expected = sum(1 for _ in _places(self.tree.steps["RUN"], ("RUN",)))
        for done in host.counts:
            # A walk counts what it replays as it comes by, so the job's figure is the largest that was said.
            self.done = max(self.done, done)
            now = percent(self.done, expected, reached=self.reached, finished=False, ended=False)
            assert self.reached <= now <= 99
            self.reached = now
        assert host.counts == sorted(host.counts)
        assert self.done <= expected
        assert self.done <= _slowly(self.records, self.tree)

    def _look_at_skipped(self, path: str) -> None:
        """See that the engine knows what was skipped with an operation that holds others."""
        node = dict(walk(self.tree.steps["RUN"], "RUN"))[static_path(path)]
        if node.blocks:
            found = {tuple(place.split("/")) for place in skipped_within(node, path, self.records.get)}
            assert found == _skipped_with(path, self.records, self.tree)

    def rerun_from_somewhere(self) -> None:
        """Begin another attempt at one of the operations that this one has reached."""
        start = self.dice.choice(sorted(path for path in self.records if "/rollback/" not in path))
        same, opened = reuse.kept(self.records, start, MemoryHost().clock)
        kept = {path: record for path, record in self.records.items() if path in same}
        self.records.clear()
        self.records.update({**kept, **opened})
        self.reached, self.done = 0, _slowly(self.records, self.tree)

    def undo(self) -> None:
        """Undo all of it: what was done before counts as before, and undoing counts nothing."""
        before = _slowly(self.records, self.tree)
        host = CountingHost(self.records, self.effects, 10**6)
        undo(self.tree, ("RUN",), host, Stash({"n": ""}), PALETTE)
        assert set(host.counts) <= {0}
        assert _slowly(self.records, self.tree) == before


@given(trees, st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_progress_never_falls_never_exceeds_the_rule_and_is_what_a_slow_count_says(
    tree: RuleTree, seed: int
) -> None:
    life = Life(tree, Random(seed))
    for _ in range(40):
        outcome = life.attempt()
        assert isinstance(outcome, Completed | Failed)
        if isinstance(outcome, Completed) and life.dice.random() < 0.7:
            break
        life.rerun_from_somewhere()
    assert percent(life.done, 1, reached=life.reached, finished=True, ended=True) == 100
    life.undo()
