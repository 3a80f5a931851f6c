"""Output of ``run``: into the store, and onto the page as it is written.

The job is a real one in a worker of its own. What it writes is looked at where it ends: in the database, in the stream and
in the answers that the page of the log gives.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import orders, reading
from bench.arrivals import Page, Stream
from bench.figures import Figure, figure
from bench.usage import Peak

if TYPE_CHECKING:
    from bench.place import Bench

LINES: Final = 1_000_000
LOGS: Final = (10_000, 100_000, 1_000_000)
RUNS: Final = 3
_SECONDS_OF_LINES: Final = 20.0

SECRETS: Final = 5
_WORDS: Final = ("compiling", "linking", "[build]", "ok", "src/main/org/example", "passed", "cache", "module")


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what there is to say of the output of commands."""
    text = write_text(bench.home / "output.txt", LINES)
    with bench.database(0), bench.processes(workers=1) as product:
        api = orders.patient(product.api)
        orders.prepare(api)
        yield from _into_the_store(api, text, product.pids()["worker-jobs"])
        yield from _with_secrets(api, text)
        yield from _onto_the_page(api, product.address, product.token)
        visitor = orders.Visitor(product.address)
        for lines in LOGS:
            job = reading.written(api, bench.home, lines)
            yield from reading.figures(visitor, job, lines)


def write_text(path: Path, lines: int) -> Path:
    """Write lines as a build prints them, of 57 bytes on average, and return where; the same each time."""
    dice = random.Random(1)
    with path.open("w") as file:
        for number in range(lines):
            word, other = _WORDS[number % len(_WORDS)], _WORDS[dice.randrange(len(_WORDS))]
            file.write(
                f"{number:07d} [build] {word} {other} object_{dice.randrange(10**6)}.o {dice.random():.4f} s\n"
            )
    return path


def _into_the_store(api: orders.Ask, text: Path, worker: int) -> Iterator[Figure]:
    slug = orders.publish(api, "output", f"PRE:\n  - run: [cat, '{text}']\n    id: say\n")
    ours: list[float] = []
    read: list[float] = []
    copied: list[float] = []
    grown: list[float] = []
    for _ in range(RUNS + 1):
        with Peak(worker) as peak:
            job = orders.create(api, slug)
            orders.ended(api, job)
        ours.append(orders.step_ms(job))
        grown.append(peak.grown_mib)
        read.append(_read_and_thrown_away(text))
        copied.append(_copied(job))
    goal = LINES / 400_000 * 1000
    # The first one loads what only the first operation loads.
    yield figure(
        "output: run, beside a child read and thrown away", LINES, ours[1:], read[1:], at_most_ms=goal
    )
    yield figure("output: run, beside COPY of the same chunks", LINES, ours[1:], copied[1:])
    yield figure("output: run, what the worker grows by [MiB]", LINES, grown[1:])


def _with_secrets(api: orders.Ask, text: Path) -> Iterator[Figure]:
    """The same with secrets of all forms that may be in every line of it."""
    dice = random.Random(2)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    with _kept({f"s{n}": "".join(dice.choices(letters, k=24)) for n in range(SECRETS)}):
        slug = orders.publish(api, "output-masked", f"PRE:\n  - run: [cat, '{text}']\n")
        samples = []
        for _ in range(RUNS):
            job = orders.create(api, slug)
            orders.ended(api, job)
            samples.append(orders.step_ms(job))
    yield figure(
        f"output: run, {SECRETS} secrets looked for", LINES, samples, at_most_ms=LINES / 400_000 * 1000
    )


@contextlib.contextmanager
def _kept(secrets: dict[str, str]) -> Iterator[None]:
    from django.utils import timezone

    from jobs.audit import Author
    from jobs.secrets import vault

    by = Author("bench", "command")
    for name, value in secrets.items():
        vault.keep(name, value, vault.Scope(), by=by, now=timezone.now())
    yield
    for name in secrets:
        vault.forget(name, vault.Scope(), by=by, now=timezone.now())


def _read_and_thrown_away(text: Path) -> float:
    begun = time.perf_counter()
    with subprocess.Popen(["cat", str(text)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        while os.read(child.stdout.fileno(), 1 << 18):
            pass
    return (time.perf_counter() - begun) * 1000


def _copied(job_id: int) -> float:
    """Return the milliseconds that COPY takes to put the chunks of a job into a table like theirs."""
    from django.db import connection

    columns = "job_id, first_line, line_count, attempt, levels, first_at, last_at, size, data"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM jobs_logchunk WHERE job_id = %s ORDER BY first_line", [job_id])
        chunks = cursor.fetchall()
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS bench_chunk AS SELECT {columns} FROM jobs_logchunk LIMIT 0;"
            "ALTER TABLE bench_chunk ALTER COLUMN data SET STORAGE EXTERNAL; TRUNCATE bench_chunk"
        )
        begun = time.perf_counter()
        with cursor.copy(f"COPY bench_chunk ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(
                ["int8", "int8", "int4", "int2", "int2", "timestamptz", "timestamptz", "int4", "bytea"]
            )
            for chunk in chunks:
                copy.write_row(chunk)
        return (time.perf_counter() - begun) * 1000


def _onto_the_page(api: orders.Ask, address: str, token: str) -> Iterator[Figure]:
    """How old a line is when it is there: each says when it was written."""
    # Whoever writes all the time keeps every pace of ours busy.
    for name, pause in (("a line now and then", 1.7), ("a line among many", 0.037)):
        count = round(_SECONDS_OF_LINES / pause)
        script = f"import time\nfor n in range({count}): print(f'at {{time.time():.6f}}', flush=True); time.sleep({pause})"
        slug = orders.publish(api, f"slow-{count}", f"RUN:\n  - run: [python3, -c, {json.dumps(script)}]\n")
        job = orders.create(api, slug)
        with Stream(address, token, job) as stream, Page(address, job) as page:
            orders.ended(api, job)
            time.sleep(1)
        yield figure(f"output: {name}, in the stream", 0, stream.ages, at_most_ms=1000)
        yield figure(f"output: {name}, on the page", 0, page.ages, at_most_ms=1000)
