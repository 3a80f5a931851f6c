"""A long log on its page and in the API: opened, jumped into, filtered and searched, over HTTP from a real web process."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench import orders
from bench.figures import Figure, alternately, figure

TIMES: Final = 7
PIECES: Final = 20
"""The log comes from so many commands, with an error behind each."""

RARE: Final = "needle-in-the-hay"
_GOAL_MS: Final = 500


def written(api: orders.Ask, folder: Path, lines: int) -> int:
    """Let a job write a log of about so many lines, and return its id.

    Args:
        api: Of the product.
        folder: Where the text is kept.
        lines: A multiple of ``PIECES``.
    """
    from bench.suites.output import write_text

    text = write_text(folder / f"log-{lines}.txt", lines // PIECES)
    slug = orders.publish(
        api,
        f"long-{lines}",
        f"""
        PRE:
          - foreach:
              items: {list(range(PIECES))}
              as: part
              do:
                - run: [cat, '{text}']
                - if: part == {PIECES * 3 // 4}
                  then:
                    - log: The {RARE}
                - log: {{text: "Part {{{{ part }}}} is done", level: error}}
        """,
    )
    job = orders.create(api, slug)
    orders.ended(api, job)
    return job


def figures(visitor: orders.Visitor, job: int, lines: int) -> Iterator[Figure]:
    """Yield what looking into the log of a job costs."""
    page, log = f"/jobs/{job}/log/", f"/api/v1/jobs/{job}/log/"
    parts: dict[str, tuple[Callable[[], object], bool]] = {
        "open": (lambda: _holds(visitor.page(page), f"Part {PIECES - 1} is done"), False),
        "jump to the middle": (lambda: visitor.page(f"{page}?go=50%25"), False),
        "filter by level": (lambda: _holds(visitor.page(f"{page}?level=error"), "Part 0 is done"), True),
        "search a rare word": (lambda: _holds(visitor.page(f"{page}?q={RARE}"), RARE), True),
        "search what is not there": (lambda: visitor.page(f"{page}?q=no-such-{RARE}"), True),
        "API, filter by level": (lambda: visitor.page(f"{log}?level=error"), True),
        "API, search a rare word": (lambda: visitor.page(f"{log}?q={RARE}"), True),
    }
    for name, (ask, whole) in parts.items():
        ours, floor = alternately(ask, lambda whole=whole: _floor(job, whole=whole), TIMES, warm_up=1)  # type: ignore[misc]
        yield figure(f"log: {name}", lines, ours, floor, at_most_ms=_GOAL_MS)


def _holds(page: str, text: str) -> None:
    if text not in page:
        raise RuntimeError(f"“{text}” is not on the page.")


def _floor(job: int, *, whole: bool) -> None:
    """Fetch and unpack the chunks of a log and look for a text in each, or only its last two."""
    from django.db import connection

    from jobs.log.rows import psycopg_cursor

    limit = "" if whole else "ORDER BY first_line DESC LIMIT 2"
    with psycopg_cursor(connection) as cursor:
        cursor.execute(f"SELECT data FROM jobs_logchunk WHERE job_id = %s {limit}", [job], binary=True)
        for (data,) in cursor:
            zlib.decompress(data).find(RARE.encode())
