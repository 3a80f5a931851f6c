"""How made-up jobs went: skewed as real ones, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from jobs.lifecycle import ACTIVE, Status
from jobs.seeding.lives import DAY, PRODUCTION, Life, lives

UNTIL = 1_790_000_000


def made(count: int, seed: int = 1) -> list[Life]:
    return list(lives(Random(seed), count, until=UNTIL, days=1000))


def test_the_same_seed_makes_the_same_jobs() -> None:
    assert made(200) == made(200) != made(200, seed=2)


def test_most_have_finished_some_failed_and_a_few_live_in_each_way() -> None:
    count = Counter(life.status for life in made(4000))

    assert set(count) == set(Status)
    assert count[Status.FINISHED] > 3600
    assert 60 < count[Status.ERROR] < 200
    assert sum(count[status] for status in ACTIVE) == 12


def test_what_is_met_most_is_met_far_more_often_and_production_seldom() -> None:
    found = made(4000)
    projects, places = (
        Counter(life.project for life in found),
        Counter(life.environment for life in found),
    )

    assert projects[0] > 20 * projects[150] > 0
    assert 0 < places[PRODUCTION] < 0.05 * len(found) < places[0]


def test_dates_follow_one_another_over_the_whole_past() -> None:
    found = made(2000)

    ended = [life for life in found if life.finished]
    assert found[0].created < UNTIL - 990 * DAY
    assert all(life.created < life.started < life.finished <= UNTIL for life in ended)
    assert all(life.scheduled <= life.run_began < life.deployed for life in ended if life.run_began)
    assert all(before.created <= after.created for before, after in pairwise(ended))
    assert all((life.finished == 0) == (life.status in ACTIVE) for life in found)
