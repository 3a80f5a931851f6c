"""Which estimates are news, and how much work a job really was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.eta.forecast import Estimator, Forecast, Sample, Seen
from jobs.eta.notebook import Notebook
from jobs.eta.shape import Around, Shape, Unit
from jobs.eta.worked import left, spent

START = datetime(2026, 5, 4, 10, tzinfo=UTC)
SHAPES: dict[str, tuple[Shape, ...]] = {
    "INIT": (),
    "PRE": (Unit("PRE/0", "run", "build"),),
    "RUN": (
        Unit("RUN/0", "approval", "sign"),
        Around(
            "RUN/1",
            {
                "parallel": (
                    Unit("RUN/1/parallel/0", "run", "here"),
                    Unit("RUN/1/parallel/1", "run", "there"),
                )
            },
            is_parallel=True,
            may_be_skipped=False,
        ),
    ),
    "POST": (),
}
SAMPLES = tuple(
    Sample({"build": build, "here": 20.0, "there": 30.0}, {}) for build in (60.0, 100.0, 110.0, 90.0)
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ended(began: float, seconds: float | None, *, stood: float = 0.0, over: float | None = None) -> Seen:
    until = over if over is not None else began + stood + (seconds or 0.0)
    return Seen(True, at(began), stood, seconds=seconds, ended_at=at(until))


def test_a_countdown_is_no_news_and_what_differs_from_it_is() -> None:
    notebook = Notebook(Estimator(SHAPES, SAMPLES), {})
    first = Forecast(START, (100.0,) * 4, (30.0,) * 4)
    notebook.hear(first, "PRE", START, done=0, expected=3)
    assert notebook.pending == [
        {"step": "PRE", "at": START.isoformat(), "p50": 130, "p90": 130, "rivals": [120.0, 90.0, 0.0]}
    ]
    notebook.written()
    for seconds in (1, 20, 99):
        notebook.hear(first, "PRE", at(seconds), done=0, expected=3)
        notebook.hear(
            Forecast(at(seconds), (100.4 - seconds,) * 4, (30.5,) * 4), "PRE", at(seconds), done=0, expected=3
        )
    assert notebook.pending == []
    known = {"PRE/0": ended(0, 40.0)}
    sooner = Forecast(at(40), (30.0,) * 4, (0.0,) * 4)
    notebook.hear(sooner, "PRE", at(40), done=1, expected=3, seen=known.get)
    (news,) = notebook.pending
    assert (news["p50"], news["rivals"]) == (30, [80.0, 50.0, 80.0])
    # The same again while it is not written, and that nothing is left, are none.
    notebook.hear(sooner, "PRE", at(41), done=1, expected=3, seen=known.get)
    notebook.hear(Forecast(at(42), (0.0,) * 4, (0.0,) * 4), "RUN", at(42), done=3, expected=3, seen=known.get)
    assert notebook.pending == [news]


def test_work_is_added_up_along_the_longest_branch_without_the_waits_for_people() -> None:
    seen = {
        "PRE/0": ended(0, 100.0),
        "RUN/0": ended(100, 500.0),
        "RUN/1/parallel/0": ended(600, 20.0, stood=100.0),
        "RUN/1/parallel/1": ended(600, 30.0),
    }
    instants = (0, 40, 100, 300, 600, 610, 625, 720)
    # Within a branch that stood, the work may have been anywhere: it is all of it until less than that is left.
    assert [left(SHAPES, seen.get, at(second)) for second in instants] == [130, 90, 30, 30, 30, 20, 20, 0]
    assert spent(SHAPES, seen.get, at(720)) == 130
    seen["RUN/1/parallel/1"] = Seen(False, at(600), stood=5.0)
    assert spent(SHAPES, seen.get, at(650)) == 145


def test_what_nobody_knows_the_length_of_leaves_the_answer_open() -> None:
    seen = {
        "PRE/0": ended(0, None, over=100),
        "RUN/1/parallel/0": ended(100, 20.0),
        "RUN/1/parallel/1": ended(100, 40.0),
    }
    assert [left(SHAPES, seen.get, at(second)) for second in (0, 99, 100)] == [None, None, 40]
    # Meanwhile it counts as the others do in the middle.
    assert spent(SHAPES, seen.get, at(140)) == pytest.approx(70)
