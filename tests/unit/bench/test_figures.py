"""Figures of the bench: goals, ratios, and what changed."""

import pytest

from bench.figures import alternately, figure, rows, timed


def test_a_ratio_is_to_the_floor_of_the_same_run() -> None:
    one = figure("lists: newest", 1000, [14.0, 16.0, 15.0], [10.0, 9.0, 11.0], at_most_ratio=1.5)
    assert (one.median_ms, one.floor_ms, one.ratio, one.met, one.n) == (15.0, 10.0, 1.5, True, 3)
    assert one.goal == "ratio <= 1.5"


def test_a_missed_goal_says_so() -> None:
    assert figure("log: open", 1, [501.0], at_most_ms=500).met is False
    assert figure("lists: newest", 1, [16.0], [10.0], at_most_ratio=1.5).met is False


def test_without_a_goal_nothing_is_met() -> None:
    assert figure("memory: web", 0, [113.0]).met is None


def test_a_ratio_without_a_floor_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="lists: newest: a ratio to which floor"):
        figure("lists: newest", 1, [16.0], at_most_ratio=1.5)


def test_nineteen_of_twenty_stayed_below_the_p95() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert figure("x", 0, samples).p95_ms == pytest.approx(95.05)


def test_results_hold_what_the_contract_names() -> None:
    told = figure("x", 5, [3.0], [2.0], at_most_ratio=2).as_data()
    assert told == {
        "name": "x", "size": 5, "n": 1, "median_ms": 3.0, "p95_ms": 3.0,
        "floor_ms": 2.0, "ratio": 1.5, "goal": "ratio <= 2", "met": True,
    }  # fmt: skip


def test_the_table_compares_ratios_with_those_before() -> None:
    before = [figure("x", 5, [4.0], [2.0]).as_data()]
    heading, line, new = rows([figure("x", 5, [3.0], [2.0]), figure("y", 0, [1.0])], before)
    assert dict(zip(heading, line, strict=True))["change"] == "-25 %"
    assert dict(zip(heading, new, strict=True))["change"] == "new"


def test_warming_up_is_not_counted() -> None:
    calls: list[int] = []
    assert len(timed(lambda: calls.append(1), 3, warm_up=2)) == 3
    assert len(calls) == 5


def test_both_are_taken_in_turns() -> None:
    calls: list[str] = []
    ours, floor = alternately(lambda: calls.append("a"), lambda: calls.append("b"), 2, warm_up=0)
    assert calls == ["a", "b", "a", "b"]
    assert len(ours) == len(floor) == 2
