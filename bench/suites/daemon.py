"""The tick of the daemon and a worker's look for work: what they cost with a long history, and while thousands of jobs wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bench.figures import Figure, alternately, figure
from bench.waiting import waiting

if TYPE_CHECKING:
    from bench.place import Bench

TICKS: Final = 30
WAITING: Final = (0, 1_000, 10_000)


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield what ticks cost."""
    for size in bench.sizes:
        with bench.database(size):
            counts = set()
            for count in WAITING:
                with waiting(count):
                    one, queries = _ticks(size, count)
                    yield one
                    counts.add(queries)
                    yield _look(size, count)
            if len(counts) > 1:
                raise RuntimeError(f"The number of queries of a tick grows with what waits: {sorted(counts)}")


def _ticks(size: int, count: int) -> tuple[Figure, int]:
    """Return the figure, and how many statements a tick asks."""
    from jobs import daemon

    with counted() as asked:
        daemon.tick()
    statements = len(asked)
    ours, floor = alternately(daemon.tick, lambda: nothing_asked(statements), TICKS)
    name = f"daemon: tick, {count:,} jobs wait, beside {statements} statements that ask nothing"
    return figure(name, size, ours, floor, at_most_ms=50), statements


def _look(size: int, count: int) -> Figure:
    """Return what it costs that a worker looks for work and finds none."""
    from jobs import runner

    def look() -> None:
        if runner.take_due("bench@here/1") is not None:
            raise RuntimeError("A job is due that ought to wait.")

    with counted() as asked:
        look()
    ours, floor = alternately(look, lambda: nothing_asked(len(asked)), TICKS)
    name = f"daemon: a worker finds no work, {count:,} jobs wait, beside {len(asked)} statements that ask nothing"
    return figure(name, size, ours, floor, at_most_ms=5)


def nothing_asked(statements: int) -> None:
    """Go to the database and back as often as a tick does."""
    from django.db import connection

    with connection.cursor() as cursor:
        for _ in range(statements):
            cursor.execute("SELECT 1")
            cursor.fetchone()


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements that are executed in the block."""
    from django.db import connection

    asked: list[str] = []

    def note(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        yield asked
