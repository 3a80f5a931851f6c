"""Memory of each process: at rest, under load, and whether it grows with the jobs that were run.

All are in MiB. What processes share counts for each of them in RSS and is split between them in PSS, so PSS adds up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bench import orders
from bench.figures import Figure, figure
from bench.usage import Usage, tree, usage

if TYPE_CHECKING:
    from bench.place import Bench

JOBS: Final = 10_000
LONGEST_SECONDS: Final = 170.0
LOOKS: Final = 20
_AT_REST_SECONDS: Final = 5.0
_STEPS: Final = (
    "PRE:\n  - log: a\n  - log: b\n  - log: c\nRUN:\n  - log: a\n  - log: b\n  - log: c\nPOST:\n  - log: a\n"
)

_COPY: Final = """
INSERT INTO jobs_job ({columns}) SELECT {chosen}
FROM (SELECT * FROM jobs_job WHERE id = %s) one, generate_series(1, {count:d}) number
"""
_AS_NEW: Final = {
    "id": "nextval('jobs_job_id_seq')",
    "name": "'LOAD-' || number",
    "status": "'ready'",
    "step": "'PRE'",
    "outcome": "NULL",
    "due_at": "clock_timestamp()",
    "scheduled_at": "clock_timestamp()",
    "max_start_at": "clock_timestamp() + interval '1 day'",
    "started_at": "NULL",
    "run_began_at": "NULL",
    "finished_at": "NULL",
    "log_lines": "0",
    "percent": "0",
    "operations_done": "0",
}


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what each process uses, and what the workers grow by for 1,000 jobs more."""
    with bench.database(0), bench.processes(workers=1) as product:
        api, pids = orders.patient(product.api), product.pids()
        orders.prepare(api)
        job = orders.create(api, orders.publish(api, "load", _STEPS))
        orders.ended(api, job)
        time.sleep(_AT_REST_SECONDS)
        yield from _each(pids, "at rest")
        done, looks = _run(job, pids)
        yield from _each(pids, f"after {done:,} jobs")
        for name in ("worker-jobs", "web", "beat"):
            slope = _slope([(count, found[name].rss) for count, found in looks])
            yield figure(
                f"memory: {name}, growth for 1,000 jobs more [MiB]", done, [max(slope, 0.0)], at_most_ms=0.5
            )


def _each(pids: Mapping[str, int], when: str) -> Iterator[Figure]:
    for name, found in _now(pids).items():
        yield figure(f"memory: {name} {when}, RSS [MiB]", 0, [found.rss])
        yield figure(f"memory: {name} {when}, PSS [MiB]", 0, [found.pss])


def _now(pids: Mapping[str, int]) -> dict[str, Usage]:
    return {name: usage(tree(pid)) for name, pid in sorted(pids.items())}


def _run(job: int, pids: Mapping[str, int]) -> tuple[int, list[tuple[int, dict[str, Usage]]]]:
    """Let the worker run jobs like one that is there; return how many were run, and what was used meanwhile."""
    _put(job)
    begun, looks = time.monotonic(), []
    done = 0
    while done < JOBS and time.monotonic() - begun < LONGEST_SECONDS:
        time.sleep(LONGEST_SECONDS / LOOKS / 2)
        done = _done()
        looks.append((done, _now(pids)))
    _take_away()
    return done, looks


def _put(job: int) -> None:
    from django.db import connection

    from jobs import dispatch

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs_job' AND is_generated = 'NEVER'"
        )
        columns = [name for (name,) in cursor.fetchall()]
        chosen = ", ".join(_AS_NEW.get(name, f"one.{name}") for name in columns)
        cursor.execute(_COPY.format(columns=", ".join(columns), chosen=chosen, count=JOBS), [job])
    dispatch.send_work_hint()


def _done() -> int:
    from jobs.models import Job

    return Job.objects.filter(name__startswith="LOAD-", status="finished").count()


def _take_away() -> None:
    """Let the rest come long after the measurement."""
    from django.utils import timezone

    from jobs.models import Job

    later = timezone.now() + timedelta(days=365)
    Job.objects.filter(name__startswith="LOAD-", status="ready").update(due_at=later)


def _slope(points: list[tuple[int, float]]) -> float:
    """Return by how much it grows for 1,000 more, by least squares over the later half: the first jobs load what all need."""
    later = points[len(points) // 2 :]
    if len({x for x, _ in later}) < 2:
        return 0.0
    middle_x = sum(x for x, _ in later) / len(later)
    middle_y = sum(y for _, y in later) / len(later)
    above = sum((x - middle_x) * (y - middle_y) for x, y in later)
    return 1000 * above / sum((x - middle_x) ** 2 for x, _ in later)
