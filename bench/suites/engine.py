"""What a job costs above the work that it does, beside the durable floor: creation, steps, operations, waiting for a date."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from bench.figures import Figure, alternately, figure, timed
from bench.floor import place as floor
from bench.place import Bench
from bench.processes import Api, Processes

JOBS: Final = 50
ROUNDS: Final = 3
IDLE_JOBS: Final = 20
DATED_JOBS: Final = 10
MANY_JOBS: Final = 200
MANY_WORKERS: Final = 8
_IDLE_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.01
_LONGEST_SECONDS: Final = 300.0
_RULE: Final = "name: noop\nsteps:\n" + "".join(
    f"  {step}:\n    - log: one\n    - log: two\n    - log: three\n" for step in ("PRE", "RUN", "POST")
)
_JOB: Final = {"rule": "noop", "environment": "BENCH"}
_STARTS: Final = """
SELECT extract(epoch FROM min(run.started_at) - job.created_at) * 1000 FROM jobs_job job
JOIN jobs_operationrun run ON run.job_id = job.id AND run.step = 'PRE' WHERE job.id = ANY(%s) GROUP BY job.id
"""
_RUNS: Final = (
    "SELECT extract(epoch FROM run_began_at - scheduled_at) * 1000 FROM jobs_job WHERE id = ANY(%s)"
)
_UNFINISHED: Final = "SELECT count(*) FROM jobs_job WHERE id = ANY(%s) AND status <> 'finished'"
_NOT_READY: Final = "SELECT count(*) FROM jobs_job WHERE id = ANY(%s) AND (step, status) <> ('RUN', 'ready')"
_ALL_DUE: Final = "UPDATE jobs_job SET scheduled_at = now(), due_at = now() WHERE id = ANY(%s)"
_FLOOR_STARTS: Final = (
    "SELECT extract(epoch FROM started_at - created_at) * 1000 FROM floor_job WHERE id = ANY(%s)"
)
_FLOOR_UNFINISHED: Final = (
    "SELECT count(*) FROM floor_job WHERE id = ANY(%s) AND (step, status) <> (4, 'ready')"
)


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield the figures of the engine, each beside the floor on the same servers and in the same minute."""
    with bench.database(0), psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        with _both(bench, 2) as (product, under):
            sides = Sides(product, under, database)
            yield from sides.one_after_the_other()
            yield from sides.idle()
            yield from sides.dated()
        with _both(bench, MANY_WORKERS) as (product, under):
            yield from Sides(product, under, database).many()


@contextmanager
def _both(bench: Bench, workers: int) -> Iterator[tuple[Processes, str]]:
    """Run the product and the floor with as many workers each."""
    beneath = floor.running(bench.home / "floor", bench.variables(), workers=workers)
    with bench.processes(workers) as product, beneath as address:
        yield product, address


class Sides:
    """The product and the floor, each asked for the same."""

    def __init__(self, product: Processes, under: str, database: psycopg.Connection[Any]) -> None:
        self._product, self._floor, self._database = product.api(), Api(under, ""), database
        if not database.execute("SELECT 1 FROM rules_rule WHERE slug = 'noop'").fetchone():
            self._product("POST", "api/v1/environments/", {"code": "BENCH", "name": "Bench"})
            self._product("POST", "api/v1/rules/", {"source": _RULE})
        # What is imported, connected and planned once is not what is measured.
        self._finished([self._create() for _ in range(10)])

    def one_after_the_other(self) -> Iterator[Figure]:
        """Yield how long it takes until jobs that are asked for one after the other are all finished."""
        posts: list[float] = []
        floor_posts: list[float] = []

        def ours() -> None:
            self._finished([self._timed(self._create, posts) for _ in range(JOBS)])

        def beneath() -> None:
            self._floor_finished([self._timed(self._floor_create, floor_posts) for _ in range(JOBS)])

        samples, floors = alternately(ours, beneath, ROUNDS, warm_up=1)
        yield figure(f"engine: {JOBS} jobs created and finished", 0, samples, floors, at_most_ratio=2)
        yield figure("engine: POST jobs/", 0, posts, floor_posts)
        yield figure(
            "engine: bare POST of one row", 0, timed(lambda: self._floor("POST", "bare/", _JOB), JOBS)
        )
        yield figure(f"engine: {JOBS} Celery tasks that do nothing", 0, timed(self._nothing, ROUNDS))

    def idle(self) -> Iterator[Figure]:
        """Yield how soon the first operation begins when nothing else is going on."""
        ours: list[int] = []
        beneath: list[int] = []
        for _ in range(IDLE_JOBS):
            for create, ids, wait in (
                (self._create, ours, self._finished),
                (self._floor_create, beneath, self._floor_finished),
            ):
                ids.append(create())
                wait(ids[-1:])
                time.sleep(_IDLE_SECONDS)
        samples, floors = self._numbers(_STARTS, ours), self._numbers(_FLOOR_STARTS, beneath)
        yield figure("engine: created to first operation of PRE", 0, samples, floors, at_most_ratio=3)

    def dated(self) -> Iterator[Figure]:
        """Yield how late RUN begins after its date."""
        from django.conf import settings

        soon = datetime.now(UTC) + timedelta(seconds=2 + DATED_JOBS / 4)
        dates = [soon + timedelta(seconds=0.37 * index) for index in range(DATED_JOBS)]
        ids = [self._create(scheduled_at=date.isoformat()) for date in dates]
        self._finished(ids)
        most = settings.CLARIVE_TICK_SECONDS * 1000 + 100
        yield figure("engine: due to RUN begins", 0, self._numbers(_RUNS, ids), at_most_ms=most)

    def many(self) -> Iterator[Figure]:
        """Yield how long RUN and POST of many jobs take that are all due at the same moment."""
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        ids = [self._create(scheduled_at=tomorrow) for _ in range(MANY_JOBS)]
        self._until(lambda: not self._count(_NOT_READY, ids))
        begun = time.perf_counter()
        self._database.execute(_ALL_DUE, [ids])
        self._finished(ids)
        samples = [(time.perf_counter() - begun) * 1000]
        yield figure(f"engine: RUN and POST of {MANY_JOBS} jobs, {MANY_WORKERS} workers", 0, samples)

    def _create(self, **fields: Any) -> int:
        return int(self._product("POST", "api/v1/jobs/", {**_JOB, **fields})["id"])

    def _floor_create(self) -> int:
        return int(self._floor("POST", "jobs/", _JOB)["id"])

    def _nothing(self) -> None:
        before = self._count("SELECT count(*) FROM floor_mark")
        self._floor("POST", "nothing/", {"tasks": JOBS})
        self._until(lambda: self._count("SELECT count(*) FROM floor_mark") > before)

    def _finished(self, ids: list[int]) -> None:
        self._until(lambda: not self._count(_UNFINISHED, ids))

    def _floor_finished(self, ids: list[int]) -> None:
        self._until(lambda: not self._count(_FLOOR_UNFINISHED, ids))

    def _until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + _LONGEST_SECONDS
        while not done():
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(_LOOK_SECONDS)

    def _count(self, query: Any, *parameters: Any) -> int:
        row = self._database.execute(query, parameters).fetchone()
        return int(row[0]) if row else 0

    def _numbers(self, query: Any, ids: list[int]) -> list[float]:
        return [float(row[0]) for row in self._database.execute(query, [ids])]

    @staticmethod
    def _timed(create: Callable[[], int], into: list[float]) -> int:
        begun = time.perf_counter()
        made = create()
        into.append((time.perf_counter() - begun) * 1000)
        return made
