"""Lists: fifty rows of so many jobs, by each filter and order, at the first page, one in the middle and the last one.

The reader has rights on three of twenty environments. The floor is what a plain view costs that already knows which rows are
on the page: Django REST framework, one query by an index for these rows, a serializer of the same fields, no rights, no
cursors, no strictness. Both are asked in this process, in turns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from bench.figures import Figure, alternately, figure, timed

if TYPE_CHECKING:
    from bench.place import Bench
    from permissions.models import User

SAMPLES: Final = 15
ENVIRONMENTS: Final = ("DEV2", "QA", "PROD")
READER: Final = "bench-reader"
AT_MOST: Final = 1.5
PAGE_AT_MOST: Final = 4.0


def figures(bench: Bench) -> Iterator[Figure]:
    """Measure lists at each size, and how the first page differs between the smallest and the largest."""
    for size in bench.sizes:
        with bench.database(size):
            yield from _of_size(size)


def _of_size(size: int) -> Iterator[Figure]:
    from bench.suites._plain import plain_view, sql_page

    ask = _asker()
    for name, query in _lists():
        for place, address in _pages(ask, query):
            numbers = [job["id"] for job in json.loads(ask(address))["results"]]
            floor = plain_view(numbers)
            ours, least = alternately(partial(ask, address), floor, SAMPLES)
            yield figure(f"lists: {name}, {place}", size, ours, least, at_most_ratio=AT_MOST)
    numbers = [job["id"] for job in json.loads(ask("/api/v1/jobs/"))["results"]]
    least = timed(lambda: sql_page(numbers), SAMPLES)
    yield figure("lists: the rows as JSON, made by SQL alone", size, least)
    page, plain = alternately(_page_asker(), plain_view(numbers), SAMPLES)
    yield figure("lists: the page /", size, page, plain, at_most_ratio=PAGE_AT_MOST)


_FILTERS: Final[Sequence[tuple[str, Sequence[tuple[str, str]]]]] = (
    ("no filter", ()),
    ("status finished", (("status", "finished"),)),
    ("status error", (("status", "error"),)),
    ("status running", (("status", "running"),)),
    ("environment", (("environment", "PROD"),)),
    ("project, busy", (("project", "shop-001"),)),
    ("project, rare", (("project", "shop-190"),)),
    ("nature, common", (("nature", "nature-py"),)),
    ("nature, rare", (("nature", "nature-cob"),)),
    ("rule, busy", (("rule", "deploy-01"),)),
    ("rule, rare", (("rule", "deploy-50"),)),
    ("created by", (("created_by", "maker20"),)),
    ("type", (("type", "demote"),)),
    ("step", (("step", "RUN"),)),
    ("text, common", (("q", "invoices"),)),
    ("text, rare", (("q", "CHG-0079"),)),
    ("text, nowhere", (("q", "nowhere-to-be-found"),)),
    ("not finished", (("exclude_status", "finished"),)),
    ("not a rule", (("exclude_rule", "deploy-01"),)),
    ("nearly no rule", tuple(("exclude_rule", f"deploy-{at:02d}") for at in range(1, 50))),
    ("not a project", (("exclude_project", "shop-001"),)),
    ("not a nature", (("exclude_nature", "nature-py"),)),
    ("error and rule", (("status", "error"), ("rule", "deploy-10"))),
)
_ORDERS: Final = (
    "id",
    "-created_at",
    "scheduled_at",
    "-scheduled_at",
    "-started_at",
    "finished_at",
    "-finished_at",
)


def _lists() -> list[tuple[str, str]]:
    """Return name and query of each list."""
    now = datetime.now(UTC)
    recent, old = (f"{now - timedelta(days=days):%Y-%m-%dT00:00:00Z}" for days in (30, 900))
    filters = [*_FILTERS]
    for column in ("created", "scheduled", "started", "finished"):
        filters.append((f"{column} after", ((f"{column}_after", recent),)))
        filters.append((f"{column} before", ((f"{column}_before", old),)))
    for order in _ORDERS:
        filters.append((f"order {order}", (("ordering", order),)))
    return [(name, urlencode(pairs)) for name, pairs in filters]


def _pages(ask: Callable[[str], bytes], query: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of the first page, and of one in the middle and the last one where there are such."""
    from jobs.filters import ORDERINGS
    from jobs.keyset import Cursor

    first = f"/api/v1/jobs/?{query}"
    yield "first page", first
    asked = json.loads(ask(first))
    if not asked["next"]:
        return
    name = dict(part.split("=", 1) for part in query.split("&") if part).get("ordering", "-id")
    ordering = ORDERINGS[name]
    value, key = _middle(ordering.column, asked["results"][0])
    join = "&" if query else ""
    middle = f"{first}{join}cursor={Cursor(value, key).encode(ordering)}"
    yield "middle page", middle
    end = _end(ordering.column, descending=ordering.descending)
    last = f"{first}{join}cursor={Cursor(end, 0 if ordering.descending else 2**62, backward=True).encode(ordering)}"
    if json.loads(ask(last))["results"]:
        yield "last page", last


def _middle(column: str, first: dict[str, Any]) -> tuple[Any, int]:
    """Return a cursor's value and number half way to the other end of the table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT (min({column}) + (max({column}) - min({column})) / 2), max(id) / 2 FROM jobs_job"
        )
        value, key = cursor.fetchone()
    return value, key


def _end(column: str, *, descending: bool) -> Any:
    """Return what comes after every value in the list's order."""
    if column == "id":
        return 0 if descending else 2**62
    return datetime(1990 if descending else 2200, 1, 1, tzinfo=UTC)


def reader() -> User:
    """Return who reads the lists: somebody with rights on three of twenty environments."""
    from permissions import policy
    from permissions.catalog import Right
    from permissions.models import Environment, User

    user, _ = User.objects.get_or_create(username=READER)
    for environment in Environment.objects.filter(code__in=ENVIRONMENTS):
        policy.grant(user, Right.VIEW_MONITOR, environment)
    return user


def _asker() -> Callable[[str], bytes]:
    """Return what asks the API with a token and returns the body."""
    from django.test import Client

    from permissions import tokens

    token = tokens.issue(reader(), name="bench")
    client = Client(headers={"authorization": f"Bearer {token}", "host": "localhost"})

    def ask(address: str) -> bytes:
        parts = urlsplit(address)
        answer = client.get(f"{parts.path}?{parts.query}")
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code} {answer.content[:200]!r}")
        return answer.content

    return ask


def _page_asker() -> Callable[[], object]:
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(reader())

    def ask() -> object:
        answer = client.get("/")
        if answer.status_code != 200:
            raise RuntimeError(f"/: {answer.status_code}")
        return answer

    return ask
