"""How PostgreSQL answers the hot questions: ``python -m bench.plans FILE`` writes it down, a test looks at it at each run.

The file is ``docs/plans.md``. The database is that of ``DATABASE_URL``; give one that ``manage.py seed_history`` filled.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from permissions.models import User

BIG: Final = frozenset({"jobs_job", "jobs_jobrevision", "jobs_jobnature", "jobs_deployment"})
"""Tables that grow with each job."""

LISTS: Final = {
    "no filter": "",
    "a status that most jobs have": "status=finished",
    "a status that few jobs have": "status=error",
    "a project": "project=shop-001",
    "a rule": "rule=deploy-02",
    "a nature": "nature=nature-py",
    "who created it": "created_by=maker01",
    "a type": "type=demote",
    "a step": "step=RUN",
    "all but the usual status": "exclude_status=finished",
    "an environment": "environment=QA",
    "by a date": "ordering=-created_at",
    "by a date that may be missing": "ordering=-started_at",
}
"""Name and query of each list."""

WAITING: Final = 10_000

INTRODUCTION: Final = """\
# How PostgreSQL answers the hot questions

Written by `python -m bench.plans docs/plans.md` on a database of {jobs:,} jobs made by `manage.py seed_history`, PostgreSQL
{version}, for a reader who sees three of twenty environments. At each run `tests/integration/test_plans.py` looks that no table
that grows with the jobs is read as a whole, that what is sorted is a few rows of each place, and that the number of statements
does not depend on the rows. How many rows are looked at it cannot tell: of a few hundred jobs PostgreSQL rightly reads all. That
is counted by `python -m bench --only plans`, at 1,000 jobs as at 1,000,000: at most forty for each row that is shown.

`rows` is what a node gave back in each of its `loops`. Each list is two statements: one finds the numbers of the page's jobs, by
a short walk in each place (an environment, or a value in it), and one reads these jobs.

A filter by dates with the order by number asks one statement more: between which numbers the jobs of these dates are. It reads a
thousand entries of the date's index and the summary of the table (`job_dates`, a few bytes for each sixteen pages).

What grows with the jobs all the same: a search for a word shorter than three letters, or without the extension `pg_trgm`, reads
jobs until the page is full.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement and how it is answered.

    Attributes:
        sql: The statement.
        tree: The root of ``EXPLAIN (ANALYZE, FORMAT JSON)``.
    """

    sql: str
    tree: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Yield every node, the root first."""
        left = [self.tree]
        while left:
            node = left.pop(0)
            yield node
            left[:0] = node.get("Plans", [])

    def whole_scans(self) -> list[str]:
        """Return the big tables that are read as a whole."""
        return [
            node["Relation Name"]
            for node in self.nodes()
            if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG
        ]

    def rows_read(self) -> int:
        """Return how many rows of big tables were looked at."""
        return round(sum(_looked_at(node) for node in self.nodes() if node.get("Relation Name") in BIG))

    def rows_sorted(self) -> int:
        """Return how many rows went into the largest sort."""
        into = [
            child["Actual Rows"] * child["Actual Loops"]
            for node in self.nodes()
            if node["Node Type"] in {"Sort", "Incremental Sort"}
            for child in node["Plans"]
        ]
        return round(max(into, default=0))


def _looked_at(node: dict[str, Any]) -> float:
    found = float(node["Actual Rows"]) + float(node.get("Rows Removed by Filter", 0))
    return found * float(node["Actual Loops"])


def statements(ask: Callable[[], object]) -> list[str]:
    """Return the statements about jobs that ``ask`` leads to."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        ask()
    told = [query["sql"] for query in captured.captured_queries]
    return [sql for sql in told if any(name in sql for name in BIG)]


def explain(sql: str) -> Plan:
    """Return how PostgreSQL answers a statement, which is run."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql.replace('%', '%%')}", [])
        (found,) = cursor.fetchone()
    plan = json.loads(found) if isinstance(found, str) else found
    return Plan(sql, plan[0]["Plan"])


def plans_of_list(user: User, query: str, limit: int = 50) -> list[Plan]:
    """Return the plans of the first page of a list, as the API reads it."""
    from django.http import QueryDict

    from jobs import filters, list_rows, lists, selectors

    parameters = {name: [str(each) for each in values] for name, values in QueryDict(query).lists()}
    ordering = filters.parse_ordering(parameters.pop("ordering", []))
    wanted = lists.Wanted(selectors.seen_environments(user), filters.parse_filter(parameters))

    def ask() -> object:
        page = lists.page(wanted, ordering, None, limit)
        return list_rows.represented([place.number for place in page.rows])

    return [explain(sql) for sql in statements(ask)]


def plans_of_usual(rule_id: int, environment_id: int) -> list[Plan]:
    """Return the plans of how many operations a new job of a rule expects: by its finished jobs, there and anywhere."""
    from jobs import selectors

    return [
        explain(sql)
        for place in (environment_id, 0)
        for sql in statements(lambda place=place: selectors.usual_operations(rule_id, place))  # type: ignore[misc]
    ]


def plans_of_place(environment_id: int, project_id: int) -> list[Plan]:
    """Return the plan of what is deployed of a project in an environment."""
    from jobs import deployments

    return [explain(sql) for sql in statements(lambda: deployments.deployed(environment_id, project_id))]


def plan_of_work() -> Plan:
    """Return the plan of a worker's look for the next job."""
    from jobs import locking

    return explain(locking.NEXT)


def rows_shown(plans: Sequence[Plan]) -> int:
    """Return how many rows the last of the statements of a list gave back, one at least."""
    return max(1, round(plans[-1].tree["Actual Rows"])) if plans else 1


def written(plan: Plan) -> list[str]:
    """Return a plan as indented lines."""
    lines: list[str] = []

    def write(node: dict[str, Any], depth: int) -> None:
        name = " ".join(
            str(node[key]) for key in ("Node Type", "Index Name", "Relation Name", "CTE Name") if key in node
        )
        numbers = f"rows={node['Actual Rows']:g} loops={node['Actual Loops']:g}"
        removed = node.get("Rows Removed by Filter", 0)
        lines.append(f"{'  ' * depth}{name} ({numbers}{f' removed={removed:g}' if removed else ''})")
        for child in node.get("Plans", []):
            write(child, depth + 1)

    write(plan.tree, 0)
    return lines


def _document(user: User) -> str:
    from django.db import connection

    from bench.waiting import waiting
    from jobs.models import Job

    parts = [
        INTRODUCTION.format(
            jobs=Job.objects.count(), version=connection.cursor().connection.info.server_version // 10000
        )
    ]
    for name, query in LISTS.items():
        found, *others = plans_of_list(user, query)
        parts.append(f"## List: {name}\n\n```text\n" + "\n".join(written(found)) + "\n```\n")
        last = others[-1] if others else found
    parts.append("## The rows of a page\n\n```text\n" + "\n".join(written(last)) + "\n```\n")
    common = Job.objects.filter(status="finished", project__isnull=False).order_by("-id").first()
    if common is not None and common.project_id is not None:
        asked = {
            "What a new job expects": plans_of_usual(common.rule_id, common.environment_id),
            "What is deployed in one place": plans_of_place(common.environment_id, common.project_id),
        }
        for name, plans in asked.items():
            text = "\n\n".join("\n".join(written(plan)) for plan in plans)
            parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    with waiting(WAITING):
        text = "\n".join(written(plan_of_work()))
    parts.append(f"## What a worker takes next, while {WAITING:,} jobs wait\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Write the file."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")
    django.setup()
    from bench.suites.lists import reader

    Path(arguments[0]).write_text(_document(reader()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
