"""Memory of each process: at rest, under load, and whether it grows with the jobs that were run.

All are in MiB. What processes share counts for each of them in RSS and is split between them in PSS, so PSS adds up.
Jobs are asked for over the API, some at once, and have an operation in CHECK, so that the web process, the worker that
creates and the worker that runs each have something to do with all of them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from typing import TYPE_CHECKING, Final

from bench import orders
from bench.figures import Figure, figure
from bench.usage import Usage, tree, usage

if TYPE_CHECKING:
    from bench.place import Bench

JOBS: Final = 10_000
LONGEST_SECONDS: Final = 200.0
LONGEST_LARGE_SECONDS: Final = 7200.0
LOOKS: Final = 20
GROWTH_MIB: Final = 0.5
_AHEAD: Final = 100
"""Jobs that may wait for the worker; more would say how large the queue is."""

_ASKERS: Final = 4
_TRIES: Final = 10
_PAUSE_SECONDS: Final = 3.0

_AT_REST_SECONDS: Final = 5.0
_STEPS: Final = (
    "CHECK:\n  - log: a\n"
    "PRE:\n  - log: a\n  - log: b\n  - log: c\nRUN:\n  - log: a\n  - log: b\n  - log: c\nPOST:\n  - log: a\n"
)

Look = tuple[int, dict[str, Usage]]


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what each process uses, and what each grows by for 1,000 jobs more."""
    with bench.database(0), bench.processes(workers=1) as product:
        api, pids = orders.patient(product.api), product.pids()
        orders.prepare(api)
        slug = orders.publish(api, "load", _STEPS)
        orders.ended(api, orders.create(api, slug))
        time.sleep(_AT_REST_SECONDS)
        rest = _now(pids)
        yield from _each(rest, "at rest")
        looks = [(1, rest)]
        seconds = LONGEST_LARGE_SECONDS if bench.large else LONGEST_SECONDS
        for look in _run([orders.patient(product.api) for _ in range(_ASKERS)], slug, pids, seconds):
            looks.append(look)
            (bench.home / "memory.json").write_text(json.dumps([_as_data(one) for one in looks], indent=1))
        yield from _each(looks[-1][1], "after jobs", looks[-1][0])
        for name in pids:
            slope = _slope([(count, found[name].rss) for count, found in looks])
            yield figure(
                f"memory: {name}, growth for 1,000 jobs more [MiB]",
                looks[-1][0],
                [max(slope, 0.0)],
                at_most_ms=GROWTH_MIB,
            )


def _each(found: Mapping[str, Usage], when: str, size: int = 0) -> Iterator[Figure]:
    for name, one in found.items():
        yield figure(f"memory: {name} {when}, RSS [MiB]", size, [one.rss])
        yield figure(f"memory: {name} {when}, PSS [MiB]", size, [one.pss])


def _now(pids: Mapping[str, int]) -> dict[str, Usage]:
    return {name: usage(tree(pid)) for name, pid in sorted(pids.items())}


def _as_data(look: Look) -> dict[str, object]:
    count, found = look
    return {"jobs": count, **{name: [round(one.rss, 2), round(one.pss, 2)] for name, one in found.items()}}


def _run(askers: list[orders.Ask], slug: str, pids: Mapping[str, int], seconds: float) -> Iterator[Look]:
    """Ask for jobs for at most so long; yield how many were asked for and what is used, now and then, and at the end."""
    until, asked = time.monotonic() + seconds, 1
    next_at = time.monotonic() + seconds / LOOKS
    with ThreadPoolExecutor(len(askers)) as pool:
        while asked < JOBS and time.monotonic() < until:
            list(pool.map(lambda api: [_create(api, slug) for _ in range(_AHEAD // _ASKERS)], askers))
            asked += _AHEAD
            _caught_up()
            if asked % (JOBS // LOOKS) <= _AHEAD or time.monotonic() > next_at:
                next_at = time.monotonic() + seconds / LOOKS
                yield asked, _now(pids)
    yield asked, _now(pids)


def _create(api: orders.Ask, slug: str) -> int:
    """Create a job; a machine so busy that nobody had time for it within ten seconds is given some more."""
    for _ in range(_TRIES):
        try:
            return orders.create(api, slug)
        except RuntimeError as error:
            if " 503 " not in str(error):
                raise
        time.sleep(_PAUSE_SECONDS)
    return orders.create(api, slug)


def _caught_up() -> None:
    """Wait until the worker has run all."""
    from jobs.models import Job

    while Job.objects.filter(finished_at=None).exists():
        time.sleep(0.02)


def _slope(points: list[tuple[int, float]]) -> float:
    """Return by how much it grows for 1,000 more, by least squares over the later half: the first jobs load what all need.

    The largest step is left out: what is taken once, such as a larger table for names, is no growth.
    """
    later = points[len(points) // 2 :]
    if len({x for x, _ in later}) < 2:
        return 0.0
    steps = [after - before for (_, before), (_, after) in itertools.pairwise(later)]
    step = max(steps)
    at = steps.index(step)
    level = [(x, y - step if index > at else y) for index, (x, y) in enumerate(later)]
    middle_x, middle_y = fmean(x for x, _ in level), fmean(y for _, y in level)
    above = sum((x - middle_x) * (y - middle_y) for x, y in level)
    return 1000 * above / sum((x - middle_x) ** 2 for x, _ in level)
