"""A job that goes slower than those before it is expected to go on so, as far as those before it say that this is how it goes."""

from __future__ import annotations

import math
from random import Random

import pytest

from jobs.eta import forecast
from jobs.eta.accuracy import Score, score
from jobs.eta.pace import MOST_UNITS, Spread, paces, spread_of
from tools.eta_replay import replay

UNITS = [f"unit{number}" for number in range(6)]
LEARNT = Spread(1.0, 0.01)


def jobs(shared: float, single: float, count: int = 20, units: int = 6) -> list[dict[str, float | None]]:
    """Return jobs whose units scatter so, as deviations of logarithms."""
    dice = Random(3)
    made: list[dict[str, float | None]] = []
    for _ in range(count):
        size = dice.gauss(0, shared)
        made.append({f"unit{number}": 60 * math.exp(size + dice.gauss(0, single)) for number in range(units)})
    return made


def test_how_jobs_scatter_is_learnt_from_them() -> None:
    together, apart = spread_of(jobs(0.5, 0.1, 200)), spread_of(jobs(0.0, 0.5, 200))
    assert 0.15 < together.shared < 0.4
    assert together.single == pytest.approx(0.01, rel=0.4)
    assert apart.shared < 0.02
    assert apart.single == pytest.approx(0.25, rel=0.4)


def test_a_large_job_is_large_in_what_is_left_where_sizes_are_shared_and_nowhere_else() -> None:
    done: dict[str, float | None] = {"unit0": 120.0, "unit1": 120.0}
    for shared, single, least, most in ((0.5, 0.05, 1.8, 2.1), (0.0, 0.5, 0.9, 1.2)):
        past = jobs(shared, single)
        like_usual = [dict.fromkeys(UNITS, 60.0)]
        (pace,) = paces(like_usual, done, spread_of(past))
        assert least < pace < most, (shared, single, pace)


def test_one_outlier_of_several_units_decides_nothing() -> None:
    done: dict[str, float | None] = {"unit0": 6000.0, "unit1": 60.0, "unit2": 60.0}
    assert paces([dict.fromkeys(UNITS, 60.0)], done, LEARNT) == [pytest.approx(1.0)]


@pytest.mark.parametrize(
    ("job", "done"),
    [
        ({}, {"unit0": 10.0}), ({"unit0": 10.0}, {}), ({"unit0": None}, {"unit0": 10.0}), ({"unit0": 10.0}, {"unit0": None}),
        ({"unit0": 0.0}, {"unit0": 10.0}), ({"unit0": 10.0}, {"unit0": 0.01}), ({"other": 10.0}, {"unit0": 10.0}),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_nothing(
    job: dict[str, float | None], done: dict[str, float | None]
) -> None:
    assert paces([job], done, LEARNT) == [1.0]


def test_few_jobs_and_single_units_teach_nothing() -> None:
    assert spread_of([]).shared == spread_of(jobs(0.5, 0.1, count=2)).shared == 0.0
    assert spread_of(jobs(0.5, 0.1, units=1)).shared == 0.0


def test_of_many_units_the_longest_are_compared() -> None:
    done: dict[str, float | None] = {
        f"unit{number}": 100.0 if number < MOST_UNITS else 1.0 for number in range(500)
    }
    job: dict[str, float | None] = dict.fromkeys(done, 50.0)
    assert paces([job], done, Spread(1.0, 0.0)) == [pytest.approx(2.0)]


def test_estimates_of_jobs_of_all_sizes_are_better_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def replayed() -> Score:
        return score(list(replay(300, 7)))

    with_it = replayed()
    monkeypatch.setattr(forecast, "paces", lambda jobs, *_others: [1.0] * len(jobs))
    without = replayed()
    assert with_it.error < 0.9 * without.error
    assert 0.85 <= with_it.covered <= 0.95
