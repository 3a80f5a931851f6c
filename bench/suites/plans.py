"""Plans: how many rows a list looks at for the fifty that it shows, whatever the number of jobs.

A test cannot tell: of the few hundred jobs that it has time to make PostgreSQL reads all, and is right. These figures count rows
and not milliseconds; the floor is the rows of the page. So they say the same on a busy machine as on an idle one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bench.figures import Figure, figure

if TYPE_CHECKING:
    from bench.place import Bench

LIMIT: Final = 50
AT_MOST: Final = 40.0
"""So many rows for each that is shown: three environments, a dozen statuses in each, and one row beyond the page."""


def figures(bench: Bench) -> Iterator[Figure]:
    """Count at each size what the statements of each list look at."""
    for size in bench.sizes:
        with bench.database(size):
            yield from _of_size(size)


def _of_size(size: int) -> Iterator[Figure]:
    from bench import plans
    from bench.suites.lists import reader

    user = reader()
    for name, query in plans.LISTS.items():
        found = plans.plans_of_list(user, query, LIMIT)
        rows = sum(plan.rows_read() for plan in found)
        shown = plans.rows_shown(found)
        yield figure(
            f"plans: {name} (rows, not ms)", size, [float(rows)], [float(shown)], at_most_ratio=AT_MOST
        )
