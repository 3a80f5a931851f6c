"""Estimates of remaining work: rules nobody wrote, jobs that never were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.eta.accuracy import RIVALS, score
from jobs.eta.forecast import Estimator, Forecast, Sample, Seen, taken
from jobs.eta.recorded import seen_of
from jobs.eta.shape import Around, Unit, shape_of, units
from jobs.eta.survival import bounds_of, range_of, survive
from rules.engine import waits
from rules.engine.outcomes import Record, RecordStatus, Waiting
from rules.tree import Options, Position, Retry, RuleNode, RuleTree
from tools.eta_replay import Luck, Run, random_tree, replay

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Position(1, 1)
seeds = st.integers(0, 2**32 - 1)
seconds = st.floats(0, 1e6, allow_nan=False)


def leaf(name: str, **options: Any) -> RuleNode:
    return RuleNode("run", name, HERE, options=Options(**options))


def tree(*nodes: RuleNode) -> RuleTree:
    return RuleTree("made up", "", {}, {"RUN": nodes})


def after(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


def nothing(path: str) -> None:
    return None


def sample(of: RuleTree, took: Mapping[str, float]) -> Sample:
    seen = {path: Seen(has_ended=True, seconds=each) for path, each in took.items()}
    return Sample.from_data(taken(shape_of(of), seen.get))


def total(of: RuleTree, samples: list[Sample], seen: Mapping[str, Seen] | None = None) -> list[float]:
    found = Estimator(shape_of(of), tuple(samples)).forecast("RUN", (seen or {}).get, NOW)
    assert found is not None
    return [now + later for now, later in zip(found.current, found.rest, strict=True)]


@given(seeds, st.floats(0, 0.99), st.integers(3, 20))
@settings(max_examples=60, deadline=None)
def test_a_job_that_goes_like_all_before_it_is_foreseen_to_the_second(
    seed: int, share: float, count: int
) -> None:
    shapes = shape_of(random_tree(Random(seed)))
    run = Run(Luck(Random(seed), 1.0), 1.0)
    whole = run.walk(shapes)
    story = Sample.from_data(taken(shapes, run.seen(whole).get))
    estimator = Estimator(shapes, (story,) * count)
    at = whole * share
    last = max(moment for each in run.ran.values() for moment in each[:2] if moment <= at)
    found = estimator.forecast(run.step(last), run.seen(last).get, after(last))
    assert found is not None
    again = Forecast.from_data(found.to_data())
    for forecast, slack in ((found, 1.0), (again, 3.0)):
        eta = forecast.range(after(at), is_running=True)
        assert eta.p50 == pytest.approx(whole - at, abs=slack + whole * 1e-3)
        assert eta.p90 == pytest.approx(whole - at, abs=slack + whole * 1e-3)
        assert eta.p90 >= eta.p50 >= 0


@given(seeds, st.integers(0, 2))
@settings(max_examples=10, deadline=None)
def test_less_than_three_samples_say_nothing(seed: int, count: int) -> None:
    shapes = shape_of(random_tree(Random(seed)))
    assert Estimator(shapes, (Sample({}, {}),) * count).forecast("INIT", nothing, NOW) is None


@given(st.lists(seconds, min_size=1, max_size=20), seconds)
def test_what_outlasts_some_samples_goes_like_the_others(samples: list[float], elapsed: float) -> None:
    found = survive(samples, elapsed)
    assert len(found) == len(samples)
    assert all(left >= 0 for left in found)
    left = {sample - elapsed for sample in samples if sample > elapsed}
    if len([sample for sample in samples if sample > elapsed]) >= 3 and elapsed > 0:
        assert set(found) == left


@given(st.lists(seconds, min_size=3, max_size=20))
def test_the_range_is_one(samples: list[float]) -> None:
    eta = range_of(samples)
    assert max(0, min(samples) - 1) <= eta.p50 <= eta.p90
    assert len(samples) < 9 or eta.p90 <= max(samples) + 1


def test_the_upper_end_is_rounded_up_and_judged_as_it_is() -> None:
    samples = [2.0 + number / 100 for number in range(20)]
    assert range_of(samples) == (2, 3), "2.17 s are more than 2"
    assert bounds_of(samples) == pytest.approx((2.095, 2.18))
    assert range_of([0.004] * 20) == (0, 0), "that is nothing"


def test_an_outlier_does_not_poison_it() -> None:
    rule = tree(leaf("a"))
    calm = [sample(rule, {"RUN/0": 10.0 + number % 3}) for number in range(20)]
    wild = [*calm[:-1], sample(rule, {"RUN/0": 86_400.0})]
    assert range_of(total(rule, wild)).p50 == range_of(total(rule, calm)).p50
    assert range_of(total(rule, wild)).p90 <= 13


def test_branches_of_a_parallel_count_once_the_longest() -> None:
    rule = tree(RuleNode("parallel", None, HERE, {"parallel": (leaf("a"), leaf("b"))}), leaf("c"))
    story = sample(rule, {"RUN/0/parallel/0": 60.0, "RUN/0/parallel/1": 90.0, "RUN/1": 5.0})
    assert total(rule, [story] * 3) == [95.0] * 3
    half = {
        "RUN/0": Seen(has_ended=False, began_at=after(-70)),
        "RUN/0/parallel/0": Seen(has_ended=True, seconds=60.0),
        "RUN/0/parallel/1": Seen(has_ended=False, began_at=after(-70)),
    }
    assert total(rule, [story] * 3, half) == [25.0] * 3


def test_a_branch_counts_as_often_as_it_was_taken_until_it_is_chosen() -> None:
    rule = tree(RuleNode("if", "x", HERE, {"then": (leaf("a"),), "else": (leaf("b"),)}))
    stories = [sample(rule, {"RUN/0/then/0": 100.0})] * 2 + [sample(rule, {"RUN/0/else/0": 1.0})] * 4
    assert total(rule, stories) == [100.0, 100.0, 1.0, 1.0, 1.0, 1.0]
    chosen = {"RUN/0": Seen(has_ended=False, began_at=NOW, branch="then")}
    assert total(rule, stories, chosen) == [100.0] * 6


def test_loops_and_what_is_tried_again_as_a_whole_are_one() -> None:
    loop = RuleNode("foreach", {"items": "x"}, HERE, {"foreach": (leaf("a"), leaf("b"))})
    again = RuleNode("group", None, HERE, {"group": (leaf("c"),)}, Options(retry=Retry(3)))
    group = RuleNode("group", None, HERE, {"group": (leaf("d"),)})
    shapes = shape_of(tree(loop, again, group))["RUN"]
    assert [type(shape) for shape in shapes] == [Unit, Unit, Around]
    assert [unit.path for unit in units(shapes)] == ["RUN/0", "RUN/1", "RUN/2/group/0"]


def test_a_changed_rule_keeps_what_is_still_in_it() -> None:
    old = tree(leaf("build"), leaf("test", id="test"), leaf("ship"))
    stories = [sample(old, {"RUN/0": 100.0, "RUN/1": 40.0, "RUN/2": 7.0})] * 5
    # One more in front, the second with another command under its id, the third gone.
    new = tree(leaf("lint"), leaf("build"), leaf("test all", id="test"))
    known = {"RUN/0": Seen(has_ended=True, seconds=1.0)}
    assert total(new, stories, known) == [140.0] * 5
    # At its place the operation that is new takes what stood there.
    assert total(tree(leaf("build -j2"), leaf("test", id="test"), leaf("ship")), stories) == [147.0] * 5


def test_what_is_new_takes_what_its_kind_usually_does() -> None:
    old = tree(leaf("build"), leaf("test"))
    stories = [sample(old, {"RUN/0": 10.0, "RUN/1": 30.0})] * 3
    assert total(tree(leaf("build"), leaf("test"), leaf("ship")), stories) == [60.0] * 3


def test_time_for_people_is_no_work() -> None:
    approval = RuleNode("approval", {"approvers": ["group:qa"]}, HERE)
    rule = tree(leaf("a"), approval, leaf("b"))
    story = sample(rule, {"RUN/0": 5.0, "RUN/1": 50_000.0, "RUN/2": 3.0})
    assert total(rule, [story] * 3) == [8.0] * 3
    running = Record(RecordStatus.RUNNING, started_at=NOW)
    waiting = waits.waiting(running, Waiting("semaphore", "RUN/0", {}), after(10))
    assert seen_of(waiting).began_at is None
    done = waits.going_on(waiting, after(100))
    assert seen_of(done).stood == 90.0
    ended = Record(RecordStatus.COMPLETED, memo=done.memo, started_at=NOW, finished_at=after(105))
    assert seen_of(ended).seconds == 15.0
    trapped = waits.waiting(running, Waiting("trap", "RUN/0", {}), after(10), error="no")
    assert seen_of(waits.skipped(trapped, after(500))).seconds is None
    assert seen_of(waits.retried(trapped, after(500))).began_at == after(500)


def test_nobody_works_while_it_waits() -> None:
    found = Forecast(NOW, (60.0,) * 3, (10.0,) * 3)
    assert found.range(after(30), is_running=True).p50 == 40
    assert found.range(after(30), is_running=False).p50 == 70


def test_made_up_jobs_are_foreseen_better_than_by_simple_rivals() -> None:
    found = score(list(replay(400, 7)))
    assert found.answers > 500
    assert 0.85 <= found.covered <= 0.95
    assert all(found.error < found.rivals[name] for name in RIVALS)
