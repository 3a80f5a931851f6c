"""A log of a million lines: shown exactly, never executed, opened anywhere at the same cost."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.log import reader as log_reader
from jobs.log.assembly import Place
from jobs.log.codec import BlockBuilder, Level, Stream
from jobs.log.rows import Batch, Chunk
from jobs.models import Job
from permissions.models import Environment
from tests.examples import examples
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.million import A_CHUNK, LINES, LONG_EVERY, RARE, shown, written
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db


class ShownLines(HTMLParser):
    """The lines of a page as a browser would show them, and every element that is there."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.lines: dict[int, str] = {}
        self.elements: set[str] = set()
        self._stack: list[tuple[str, dict[str, str | None]]] = []
        self._line = 0
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a line begins."""
        attributes = dict(attrs)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if (attributes.get("class") or "").startswith("line "):
            self._line = int((attributes.get("id") or "").removeprefix("L"))
            self.lines[self._line] = ""
        if self._line:
            self.elements.add(tag)
            self._stack.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        """Note where a line ends."""
        if self._line:
            assert self._stack.pop()[0] == tag
            self._line = self._line if self._stack else 0

    def handle_data(self, data: str) -> None:
        """Collect the text of a line."""
        classes = [attributes.get("class") for _, attributes in self._stack]
        if self._line and "text" in classes and "cut" not in classes:
            self.lines[self._line] += data


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def reader(dev: Environment) -> Reader:
    return Reader(user_with("view_monitor", environments=[dev]))


@pytest.fixture
def job(dev: Environment) -> Job:
    """A job whose log is written as the runner would, in chunks of some thousand lines."""
    job = JobFactory.create(environment=dev)
    assert job.claim is not None
    for chunks in _batches(job):
        Batch(job.pk, 1, chunks).write(connection, job.claim)
    job.refresh_from_db()
    assert job.log_lines == LINES
    return job


def _batches(job: Job) -> Iterator[list[Chunk]]:
    chunks: list[Chunk] = []
    for first in range(1, LINES + 1, A_CHUNK):
        block = BlockBuilder()
        at = job.created_at + timedelta(milliseconds=first)
        block.add(b"\n".join(map(written, range(first, first + A_CHUNK))), at, Level.INFO, Stream.STDOUT)
        chunks.append(Chunk(Place("RUN", "RUN/0", "build"), block.build()))
        if len(chunks) == 100:
            yield chunks
            chunks = []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is read of the log: the number of chunks of each query."""
    fetched: list[int] = []
    original = log_reader._fetch

    def fetch(*args: Any) -> Any:
        rows = original(*args)
        fetched.append(len(rows))
        return rows

    monkeypatch.setattr(log_reader, "_fetch", fetch)
    return fetched


def test_a_million_lines_are_shown_exactly_wherever_they_are_opened(
    reader: Reader, job: Job, opened: list[int]
) -> None:
    address = f"/jobs/{job.pk}/log/"
    draw = random.Random(5)
    places = ["", "?after=0", "?percent=50", f"?line={LINES}", f"?lines={LONG_EVERY}-{LONG_EVERY + 2}"]
    places += [f"?line={draw.randint(1, LINES)}" for _ in range(examples(3, 200))]
    reader.get(address)  # what is looked up once and then known
    costs = []
    for query in places:
        opened.clear()
        with CaptureQueriesContext(connection) as queries:
            markup = text(reader.get(address + query))
        costs.append((len(queries), len(opened), sum(opened)))
        page = ShownLines(markup)
        assert len(page.lines) >= 30
        assert page.lines == {number: shown(number) for number in page.lines}
        assert list(page.lines) == list(range(min(page.lines), max(page.lines) + 1))
        assert page.elements <= {"div", "a", "time", "b", "span"}
        if found := re.search(r"line=(\d+)", query):
            assert int(found[1]) in page.lines
    # A line near the edge of a chunk needs the next one, too; else all places cost the same.
    assert {cost[0] for cost in costs} == {costs[0][0]}, costs
    assert max(cost[1] for cost in costs) <= 3, costs
    assert max(cost[2] for cost in costs) <= 6, costs

    entries = log_reader.read_entries(job.pk, after=LINES // 2, limit=1000).entries
    assert [entry.text for entry in entries] == [
        written(entry.id).decode(errors="replace") for entry in entries
    ]

    answer = reader.get(f"{address}?q=NEEDLE")
    while answer.status_code == 200:
        resume = re.search(r'href="([^"]+)"\s+data-resume', text(answer))
        assert resume is not None
        answer = reader.get(address + resume[1].replace("&amp;", "&"))
    assert answer["Location"] == f"?attempt=1&q=NEEDLE&hit={RARE}#L{RARE}"
    found_page = text(reader.get(address + answer["Location"].partition("#")[0]))
    assert '<mark>N</mark><mark class="ansi-fg-green">ee</mark><mark>dle</mark>' in found_page
