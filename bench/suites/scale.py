"""What grows, and how: what waits, jobs at once, readers of the stream, operations of a job, turns of a loop, lines of a log.

How much log there is on disk is a matter of the suite ``retention``.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import copies, orders
from bench.crowd import Crowd
from bench.figures import Figure, alternately, figure, timed
from bench.suites.daemon import counted, nothing_asked
from bench.suites.output import write_text
from bench.usage import Peak, cpu_seconds, tree
from bench.waiting import waiting

if TYPE_CHECKING:
    from bench.place import Bench

WAITING: Final = (10, 100, 1_000, 10_000)
TICKS: Final = 20
WORKERS: Final = 8
AT_ONCE: Final = (25, 50, 100, 200)
PAGES: Final = (10, 100, 500)
CHANGES: Final = 10
UNHEARD_SECONDS: Final = 30.0
STALLED: Final = 500
STALLED_EVENTS: Final = 2_000
STALLED_SECONDS: Final = 20.0
STALLED_MIB: Final = 150
"""What 500 readers may wait with: about 300 KiB each."""

OPERATIONS: Final = (100, 1_000, 10_000)
MOST_IN_A_RULE: Final = 1_000
LOOKS: Final = 5
TURNS: Final = (1_000, 10_000, 100_000)
LOG_LINES: Final = (100_000, 1_000_000)
LARGE_LOG_LINES: Final = 5_000_000
_NINE: Final = "".join(f"{step}:\n  - log: a\n  - log: b\n  - log: c\n" for step in ("PRE", "RUN", "POST"))


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what grows; the names say what is not in milliseconds."""
    with bench.database(0):
        copies.ended_job()
        yield from _waiting()
    with bench.database(0), bench.processes(workers=WORKERS) as product:
        yield from _at_once(orders.patient(product.api))
    with bench.database(0), bench.processes(workers=1) as product:
        api, web = orders.patient(product.api), product.pids()["web"]
        orders.prepare(api)
        job = orders.create(api, orders.publish(api, "one", "PRE:\n  - log: Once\n"))
        orders.ended(api, job)
        headers = {"Authorization": f"Bearer {product.token}"}
        yield from _live(product.address, headers, web, job)
        yield from _stalled(product.address, headers, web, job)
        yield from _until_too_long(_operations(api, orders.Visitor(product.address)))
        yield from _until_too_long(_turns(api, product.pids()["worker-jobs"]))
        counts = (*LOG_LINES, LARGE_LOG_LINES) if bench.large else LOG_LINES
        yield from _until_too_long(_lines(api, bench.home / "scale.txt", counts))


def _waiting() -> Iterator[Figure]:
    """Yield what a tick costs beside jobs that wait for dates, approvals, traps and slots.

    Raises:
        RuntimeError: It asks more for more of them.
    """
    from jobs import daemon

    asked = set()
    for count in WAITING:
        with waiting(count):
            with counted() as statements:
                daemon.tick()
            asked.add(number := len(statements))
            ours, floor = alternately(daemon.tick, partial(nothing_asked, number), TICKS)
        yield figure("scale: a tick, jobs that wait, beside statements that ask nothing", count, ours, floor)
    if len(asked) > 1:
        raise RuntimeError(f"The number of statements of a tick grows with what waits: {sorted(asked)}")


def _at_once(api: orders.Ask) -> Iterator[Figure]:
    """Yield how long jobs of nine operations take that are all due at the same moment, and for each of them."""
    from jobs import dispatch

    orders.prepare(api)
    job = orders.create(api, orders.publish(api, "nine", _NINE))
    orders.ended(api, job)
    for count in AT_ONCE:
        begun = time.perf_counter()
        copies.copies(job, count, f"ONCE-{count}-", copies.DUE)
        for _ in range(WORKERS):
            dispatch.send_work_hint()
        _until_all_ended()
        took = (time.perf_counter() - begun) * 1000
        yield figure(f"scale: jobs at once on {WORKERS} workers", count, [took])
        yield figure(f"scale: jobs at once on {WORKERS} workers, each", count, [took / count])


def _until_all_ended() -> None:
    from jobs.models import Job

    until = time.monotonic() + orders.LONGEST_SECONDS
    while Job.objects.filter(finished_at=None).exists():
        if time.monotonic() > until:
            raise orders.TooLong("Jobs at once did not end in time.")
        time.sleep(0.02)


def _until_too_long(found: Iterator[Figure]) -> Iterator[Figure]:
    """Yield figures of growing sizes, and leave out those that this machine does not bear."""
    try:
        yield from found
    except orders.TooLong as error:
        print(f"  {error} What is larger is left out.", file=sys.stderr)


def _operations(api: orders.Ask, visitor: orders.Visitor) -> Iterator[Figure]:
    """Yield what a job of many operations costs: to make, to run, and to look at."""
    for count in OPERATIONS:
        # One document may hold so many values only; a rule that is called is put in its place.
        part, calls = min(count, MOST_IN_A_RULE), max(1, count // MOST_IN_A_RULE)
        called = orders.publish(api, f"part-{count}", "PRE:\n" + "  - set: {a: 1}\n" * part)
        slug = orders.publish(api, f"operations-{count}", "PRE:\n" + f"  - rule: {called}\n" * calls)
        begun = time.perf_counter()
        job = orders.create(api, slug)
        yield figure("scale: operations, the job created", count, [(time.perf_counter() - begun) * 1000])
        orders.ended(api, job)
        yield figure("scale: operations, PRE", count, [orders.step_ms(job)])
        yield from _looks(visitor, job, count)


def _looks(visitor: orders.Visitor, job: int, count: int) -> Iterator[Figure]:
    """Yield how long pages and answers about a job take, and how large they are."""
    for name, path in (
        ("page of the job", f"/jobs/{job}/"),
        ("page of one step's timeline", f"/jobs/{job}/?attempt=1&step=PRE&from={count // 2}"),
        ("page of the log", f"/jobs/{job}/log/"),
        ("API, job", f"/api/v1/jobs/{job}/"),
        ("API, a page of operations", f"/api/v1/jobs/{job}/operations/"),
    ):
        size = len(visitor.page(path)) / 1024
        took = timed(partial(visitor.page, path), LOOKS)
        yield figure(f"scale: operations, {name}", count, took)
        yield figure(f"scale: operations, {name} [KiB]", count, [size])


def _turns(api: orders.Ask, worker: int) -> Iterator[Figure]:
    """Yield what turns of a loop cost, each of them, and what the worker grows by meanwhile."""
    for count in TURNS:
        steps = f"PRE:\n  - foreach:\n      items: '[0] * {count}'\n      do:\n        - set: {{a: 1}}\n"
        with Peak(worker) as peak:
            one = _lasts(api, f"turns-{count}", steps, "scale: foreach of turns", count)
        yield one
        yield figure("scale: foreach of turns, each", count, [one.median_ms / count])
        yield figure("scale: foreach of turns, what the worker grows by [MiB]", count, [peak.grown_mib])


def _lines(api: orders.Ask, path: Path, counts: tuple[int, ...]) -> Iterator[Figure]:
    for count in counts:
        steps = f"PRE:\n  - run: [cat, '{write_text(path, count)}']\n"
        yield _lasts(api, f"log-{count}", steps, "scale: a log of lines", count)
        yield figure("scale: a log of lines, on disk [MiB]", count, [_disk_mib()])
    path.unlink()


def _lasts(api: orders.Ask, slug: str, steps: str, name: str, size: int) -> Figure:
    """Return how long the step of a job lasts; once, for these take long."""
    job = orders.create(api, orders.publish(api, slug, steps))
    orders.ended(api, job)
    return figure(name, size, [orders.step_ms(job)])


def _disk_mib() -> float:
    """Return what the log of the newest job takes on disk: its compressed chunks, as long as they are."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_column_size(data)) FROM jobs_logchunk WHERE job_id = (SELECT max(id) FROM jobs_job)"
        )
        (size,) = cursor.fetchone()
    return float(size) / (1 << 20)


def _live(address: str, headers: dict[str, str], web: int, job: int) -> Iterator[Figure]:
    """Pages that are looked at: when each has heard of a change, what telling costs, and what they hold."""
    path = f"/api/v1/stream/?job={job}&hints=true"
    for pages in PAGES:
        with Peak(web) as peak, Crowd(address, path, headers, pages, reads=True) as crowd:
            time.sleep(2)
            samples: list[float] = []
            last: list[float] = []
            before = cpu_seconds(tree(web))
            for number in range(CHANGES):
                changed_at = time.monotonic()
                waiting = threading.Timer(0.0, _change, (job, number))
                waiting.start()
                arrived = crowd.arrivals(b"event: changed", UNHEARD_SECONDS)
                waiting.join()
                # Who has not heard by now counts as if at this moment.
                arrived += [time.monotonic()] * (pages - len(arrived))
                samples += [(at - changed_at) * 1000 for at in arrived]
                last.append((max(arrived) - changed_at) * 1000)
                time.sleep(1.1)  # behind the pace of hints
            spent = cpu_seconds(tree(web)) - before
        yield figure("scale: live pages, from a change to the hint", pages, samples, at_most_ms=1000)
        yield figure("scale: live pages, until the last one knows", pages, last, at_most_ms=1000)
        yield figure(
            "scale: live pages, CPU of the web process for a change", pages, [spent * 1000 / CHANGES]
        )
        yield figure("scale: live pages, what the web process grows by [MiB]", pages, [peak.grown_mib])


def _stalled(address: str, headers: dict[str, str], web: int, job: int) -> Iterator[Figure]:
    """Readers who never read, half of whom begin in the past, while much happens."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM jobs_event")
        (begin,) = cursor.fetchone()
    for number in range(STALLED_EVENTS):
        _change(job, number)
    old, new = f"/api/v1/stream/?last_event_id={begin}", "/api/v1/stream/"
    with (
        Peak(web) as peak,
        Crowd(address, old, headers, STALLED // 2, reads=False),
        Crowd(address, new, headers, STALLED // 2, reads=False),
    ):
        for number in range(STALLED_EVENTS):
            _change(job, number)
        time.sleep(STALLED_SECONDS)
    yield figure(
        "scale: readers who never read, what the web process grows by [MiB]",
        STALLED,
        [peak.grown_mib],
        at_most_ms=STALLED_MIB,
    )


def _change(job: int, number: int) -> None:
    """Let something happen to a job that each reader is told."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_job SET comment = %s WHERE id = %s", ["x" * 300 + str(number), job])
    if threading.current_thread() is not threading.main_thread():
        connection.close()
