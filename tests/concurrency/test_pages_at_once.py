"""Somebody walks all pages of ``jobs/`` while others create and delete: whatever was there throughout is read exactly once."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any, Final

import pytest
from django.db import connection

from jobs.filters import ORDERINGS
from jobs.models import Job
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, moment, user_with

pytestmark = pytest.mark.django_db(transaction=True)

STAY: Final = 24
COME_AND_GO: Final = 12
A_PAGE: Final = 10
PAUSE_SECONDS: Final = 0.005
"""Between two changes: without it they would take the time of the pages that are read, of which each sees several."""

Answers = list[dict[str, Any]]


class Crowd:
    """Makes jobs by copying two, one of which never began, with dates that are often the same."""

    def __init__(self) -> None:
        """Make the two and those that stay."""
        self.environment = EnvironmentFactory.create()
        options: dict[str, Any] = {"environment": self.environment, "project": None, "now": moment()}
        self._patterns = [
            JobFactory.at(*state, **options) for state in (("PRE", "ready"), ("END", "finished"))
        ]
        self._random = random.Random(7)
        self.staying = set(self.make(STAY))
        self._others = self.make(COME_AND_GO)

    def make(self, count: int) -> list[int]:
        """Make jobs and return their numbers."""
        return [job.pk for job in Job.objects.bulk_create(self._copy() for _ in range(count))]

    def _copy(self) -> Job:
        pattern = self._random.choice(self._patterns)
        values = {
            field.attname: getattr(pattern, field.attname)
            for field in Job._meta.concrete_fields
            if not field.primary_key
        }
        minutes = timedelta(minutes=self._random.randrange(12))
        for name, value in values.items():
            if isinstance(value, datetime):
                values[name] = value + minutes
        return Job(**{**values, "name": f"N.X-{uuid.uuid4().hex}"})

    def step(self) -> None:
        """Let three come and three go."""
        self._others += self.make(3)
        self._random.shuffle(self._others)
        Job.objects.filter(pk__in=self._others[:3]).delete()
        del self._others[:3]

    def churn(self, over: Event) -> None:
        """Let jobs come and go until it is over."""
        try:
            while not over.wait(PAUSE_SECONDS):
                self.step()
        finally:
            connection.close()

    @contextmanager
    def coming_and_going(self) -> Iterator[None]:
        """Let jobs come and go meanwhile."""
        over = Event()
        thread = Thread(target=self.churn, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def wrong(self, read: Iterable[int]) -> dict[int, int]:
        """Return how often each that stayed was read, when that is not once."""
        counted = Counter(read)
        return {pk: counted[pk] for pk in self.staying if counted[pk] != 1}


def walk(api: Api, address: str | None, way: str) -> tuple[list[int], Answers]:
    """Return the numbers on all pages from ``address`` on, and the pages."""
    pages: Answers = []
    while address is not None:
        pages.append(api.get(address).json)
        address = pages[-1][way]
    return [row["id"] for page in pages for row in page["results"]], pages


def test_whatever_was_there_throughout_is_read_once_in_each_order_and_both_ways() -> None:
    crowd = Crowd()
    api = Api(user_with("view_monitor", environments=[crowd.environment]))
    with crowd.coming_and_going():
        for name in ORDERINGS:
            read, pages = walk(api, f"jobs/?ordering={name}&limit={A_PAGE}", "next")
            assert crowd.wrong(read) == {}, f"{name}, forward"
            last = [row["id"] for row in pages[-1]["results"]]
            back, _pages = walk(api, pages[-1]["previous"], "previous")
            assert crowd.wrong([*last, *back]) == {}, f"{name}, back"


def test_control_counting_rows_skips_and_repeats() -> None:
    crowd = Crowd()

    def counted() -> list[int]:
        read: list[int] = []
        newest = Job.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
        while found := list(newest[len(read) : len(read) + A_PAGE]):
            read += found
            crowd.step()
        return read

    assert any(crowd.wrong(counted()) for _ in range(10)), "pages by OFFSET ought to go wrong here"
