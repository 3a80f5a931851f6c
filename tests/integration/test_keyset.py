"""Keyset pages over real rows: every row once, both ways, whatever is NULL, equal, made or gone."""

import base64
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.keyset import BadCursor, Cursor, Ordering, Page, page
from jobs.models import Job
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, RuleFactory, UserFactory, moment

pytestmark = pytest.mark.django_db

STARTED = Ordering("started_at", "started_at", "datetime", nullable=True)
STARTED_DOWN = Ordering("-started_at", "started_at", "datetime", descending=True, nullable=True)
CREATED = Ordering("created_at", "created_at", "datetime")
NEWEST = Ordering("-id", "id", descending=True)


@pytest.fixture
def jobs() -> list[Job]:
    """Eleven jobs: four never started, the others with equal and different dates."""
    common = {
        "environment": EnvironmentFactory.create(),
        "project": ProjectFactory.create(),
        "rule": RuleFactory.create(),
        "created_by": UserFactory.create(),
    }
    made = []
    for number, minutes in enumerate([5, None, 1, 1, None, 3, 1, None, 9, None, 3]):
        now = moment() + timedelta(minutes=number // 3)
        started = None if minutes is None else moment() + timedelta(minutes=minutes)
        made.append(JobFactory.create(created_at=now, started_at=started, **common))
    return made


def walk(ordering: Ordering, limit: int, *, cursor: Cursor | None = None) -> list[Page[Job]]:
    pages = [page(Job.objects.all(), ordering, cursor, limit)]
    while pages[-1].next is not None:
        again = Cursor.decode(pages[-1].next.encode(ordering), ordering)
        pages.append(page(Job.objects.all(), ordering, again, limit))
    return pages


def keys(pages: list[Page[Job]]) -> list[int]:
    return [job.pk for each in pages for job in each.rows]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 11, 12])
@pytest.mark.parametrize("ordering", [STARTED, STARTED_DOWN, CREATED, NEWEST], ids=lambda each: each.name)
def test_walking_forward_and_back_gives_every_row_once(
    jobs: list[Job], ordering: Ordering, limit: int
) -> None:
    sign = "-" if ordering.descending else ""
    expected = list(
        Job.objects.order_by(f"{sign}{ordering.column}", f"{sign}id").values_list("pk", flat=True)
    )
    forward = walk(ordering, limit)
    assert keys(forward) == expected
    assert forward[0].previous is None
    assert all(len(each.rows) == limit for each in forward[:-1])
    back = [forward[-1]]
    while back[0].previous is not None:
        again = Cursor.decode(back[0].previous.encode(ordering), ordering)
        back.insert(0, page(Job.objects.all(), ordering, again, limit))
    assert keys(back) == expected


def test_rows_made_while_walking_neither_skip_nor_repeat(jobs: list[Job]) -> None:
    first = page(Job.objects.all(), NEWEST, None, 4)
    JobFactory.create()
    assert keys([first, *walk(NEWEST, 4, cursor=first.next)]) == [job.pk for job in reversed(jobs)]


def test_an_emptied_page_leads_back(jobs: list[Job]) -> None:
    first = page(Job.objects.all(), NEWEST, None, 9)
    Job.objects.filter(pk__lt=first.rows[-1].pk).delete()
    empty = page(Job.objects.all(), NEWEST, first.next, 9)
    assert (empty.rows, empty.next) == ([], None)
    assert [job.pk for job in page(Job.objects.all(), NEWEST, empty.previous, 9).rows] == keys([first])


@pytest.mark.parametrize(
    ("ordering", "most"),
    [(STARTED, 2), (STARTED_DOWN, 2), (CREATED, 1), (NEWEST, 1)],
    ids=lambda each: str(each),
)
def test_a_page_costs_a_fixed_number_of_queries(jobs: list[Job], ordering: Ordering, most: int) -> None:
    cursor = page(Job.objects.all(), ordering, None, 2).next
    while cursor is not None:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            cursor = page(Job.objects.all(), ordering, cursor, 2).next
        assert len(queries) <= most
        assert not any("OFFSET" in each["sql"] or "COUNT" in each["sql"] for each in queries)


def packed(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "é", "AAAA", "\x00", "a" * 3000, packed(), packed(1), packed("-id", 1, 1, 0, 0),
        packed("started_at", 5, 1, 0, 0), packed("started_at", "tomorrow", 1, 0, 0),
        packed("started_at", "2026-01-01T00:00:00", 1, 0, 0), packed("started_at", None, -1, 0, 0),
        packed("started_at", None, 2**63, 0, 0), packed("started_at", None, True, 0, 0),
        packed("started_at", None, 1, 2, 0), packed("started_at", None, 1, [], 0),
        packed("started_at", None, 1.5, 0, 0), packed("started_at", "0001-01-01T00:00:00+14:00", 1, 0, 0),
        packed("started_at", "9999-12-31T23:59:59-14:00", 1, 0, 0),
    ],
    ids=repr,
)  # fmt: skip
def test_a_cursor_that_no_list_gave_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, STARTED)
