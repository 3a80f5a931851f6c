"""How good the estimates of remaining work are, over made-up jobs that are always the same: see ``tools.eta_replay``.

What is measured are errors, so the milliseconds of these figures are those by which an estimate was off, and the floor is the
error of a simple rival. The share of jobs for which ``p90`` was enough is a figure in percent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.place import Bench

JOBS: Final = 5_000
SEED: Final = 7
LEAST, MOST = 85.0, 95.0
"""Percent of the answers for which ``p90`` is to be enough: fewer is a promise not kept, more is one that says nothing."""


def figures(bench: Bench) -> Iterator[Figure]:
    """Yield how often ``p90`` was enough, and the error of ``p50`` beside that of each rival; the whole table is printed."""
    from jobs.eta.accuracy import RIVALS, score, table
    from tools.eta_replay import replay

    answers = list(replay(JOBS, SEED))
    found = score(answers)
    print(table(found), file=sys.stderr)
    covered = found.covered * 100
    goal = f"{LEAST:g} <= median_ms <= {MOST:g}"
    yield Figure(
        "eta: p90 was enough, percent",
        JOBS,
        len(answers),
        covered,
        covered,
        None,
        goal,
        LEAST <= covered <= MOST,
    )
    off = [abs(each.p50 - each.actual) * 1000 for each in answers]
    worst = quantiles(off, n=20)[-1]
    for number, name in enumerate(RIVALS):
        theirs = median(abs(each.rivals[number] - each.actual) * 1000 for each in answers)
        # In parts of what was left, too: otherwise long jobs alone would decide.
        is_less = found.seconds < found.rivals_seconds[name] and found.error < found.rivals[name]
        yield Figure(
            f"eta: error of p50 beside {name}",
            JOBS,
            len(answers),
            median(off),
            worst,
            theirs,
            "ratio < 1",
            is_less,
        )
