"""What grows, and how: readers of the stream, operations of a job, turns of a loop, the log on disk."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import orders
from bench.crowd import Crowd
from bench.figures import Figure, figure
from bench.suites.output import write_text
from bench.usage import Peak

if TYPE_CHECKING:
    from bench.place import Bench

PAGES: Final = 500
CHANGES: Final = 10
STALLED_EVENTS: Final = 2_000
STALLED_SECONDS: Final = 20.0
STALLED_MIB: Final = 150
"""What 500 readers may wait with: about 300 KiB each."""

OPERATIONS: Final = (100, 1_000, 10_000)
TURNS: Final = (1_000, 10_000, 100_000)
LOG_LINES: Final = (500_000, 1_000_000, 5_000_000)


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what grows; memory is in MiB, which the names say."""
    with bench.database(0), bench.processes(workers=1) as product:
        api, web = orders.patient(product.api), product.pids()["web"]
        orders.prepare(api)
        job = orders.create(api, orders.publish(api, "one", "PRE:\n  - log: Once\n"))
        orders.ended(api, job)
        headers = {"Authorization": f"Bearer {product.token}"}
        yield from _live(product.address, headers, web, job)
        yield from _stalled(product.address, headers, web, job)
        yield from _until_too_long(_operations(api))
        yield from _until_too_long(_turns(api))
        yield from _until_too_long(_lines(api, bench.home / "scale.txt"))


def _until_too_long(found: Iterator[Figure]) -> Iterator[Figure]:
    """Yield figures of growing sizes, and leave out those that this machine does not bear."""
    try:
        yield from found
    except orders.TooLong as error:
        print(f"  {error} What is larger is left out.", file=sys.stderr)


def _operations(api: orders.Ask) -> Iterator[Figure]:
    for count in OPERATIONS:
        steps = "PRE:\n" + "  - set: {a: 1}\n" * count
        yield _lasts(api, f"operations-{count}", steps, "scale: a job of operations", count)


def _turns(api: orders.Ask) -> Iterator[Figure]:
    for count in TURNS:
        steps = f"PRE:\n  - foreach:\n      items: '[0] * {count}'\n      do:\n        - set: {{a: 1}}\n"
        yield _lasts(api, f"turns-{count}", steps, "scale: foreach of turns", count)


def _lines(api: orders.Ask, path: Path) -> Iterator[Figure]:
    for count in LOG_LINES:
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
    """Pages that are looked at: when each has heard of a change, and what they cost while nothing happens."""
    path = f"/api/v1/stream/?job={job}&hints=true"
    for pages in (PAGES // 50, PAGES):
        with Peak(web) as peak, Crowd(address, path, headers, pages, reads=True) as crowd:
            time.sleep(2)
            samples = []
            for number in range(CHANGES):
                changed_at = time.monotonic()
                waiting = threading.Timer(0.0, _change, (job, number))
                waiting.start()
                arrived = crowd.arrivals(b"event: changed", 30)
                waiting.join()
                samples += [(at - changed_at) * 1000 for at in arrived]
                time.sleep(1.1)  # behind the pace of hints
        yield figure("scale: live pages, from a change to the hint", pages, samples, at_most_ms=1000)
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
        Crowd(address, old, headers, PAGES // 2, reads=False),
        Crowd(address, new, headers, PAGES // 2, reads=False),
    ):
        for number in range(STALLED_EVENTS):
            _change(job, number)
        time.sleep(STALLED_SECONDS)
    yield figure(
        "scale: readers who never read, what the web process grows by [MiB]",
        PAGES,
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
