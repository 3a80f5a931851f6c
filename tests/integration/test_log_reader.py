"""Reading a log: any page of it, filtered and searched."""

from collections.abc import Iterator

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.log import search
from jobs.log.assembly import Assembly, Place
from jobs.log.codec import Level, Stream
from jobs.log.places import Holder, bounds, hidden_segments, holder_of
from jobs.log.reader import (
    LogEntry,
    LogFilter,
    count_lines,
    iter_entries,
    iter_text,
    read_entries,
    read_entries_before,
    tail,
)
from jobs.log.room import Room
from jobs.log.rows import Batch, Chunk
from jobs.log.search import Count, Found, count, find
from jobs.log.writer import append_entry
from jobs.models import Job, LogChunk
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

CHUNKS, LINES = 60, 50


@pytest.fixture
def job() -> Job:
    """A job with a log of many chunks: two attempts, two operations, a rare line here and there."""
    job = JobFactory.create()
    assert job.claim is not None
    at = job.created_at
    chunks: dict[int, list[Chunk]] = {1: [], 2: []}
    for number in range(CHUNKS):
        assembly, place = Assembly(), _place("build" if number % 2 else "deploy", number)
        lines = [f"chunk {number} line {line}" for line in range(LINES)]
        if number in (7, 33, 51):
            lines[20] = f"\x1b[31mNee\x1b[0mdle {number}"
        assembly.feed(place, Stream.STDOUT, "".join(f"{line}\n" for line in lines).encode(), at, 0.0)
        if number in (10, 50):
            assembly.entry(place, Level.ERROR, b"it broke", at)
        chunks[1 + number // 40] += [Chunk(place, block.build()) for place, block in assembly.take()]
    for attempt, written in chunks.items():
        Batch(job.pk, attempt, written).write(connection, job.claim)
    return job


def _place(operation: str, number: int) -> Place:
    return Place("PRE" if number < 20 else "RUN", f"RUN/{number}", operation)


TOTAL = CHUNKS * LINES + 2


@pytest.mark.parametrize("limit", [1, 49, 50, 51, 1000, TOTAL])
def test_pages_cover_every_line_once(job: Job, limit: int) -> None:
    ids: list[int] = []
    after = 0
    while True:
        page = read_entries(job.pk, after=after, limit=limit)
        ids += [entry.id for entry in page.entries]
        after = page.next_after
        if not page.has_more or len(ids) > 300:
            break
    assert ids == list(range(1, len(ids) + 1))
    if not page.has_more:
        assert len(ids) == TOTAL


@pytest.mark.parametrize("limit", [1, 49, 51, 1000])
def test_pages_backward_cover_every_line_once(job: Job, limit: int) -> None:
    ids: list[int] = []
    before: int | None = None
    while True:
        page = read_entries_before(job.pk, before=before, limit=limit)
        ids = [entry.id for entry in page.entries] + ids
        before = page.previous_before
        if not page.has_more or len(ids) > 300:
            break
    assert ids == list(range(TOTAL - len(ids) + 1, TOTAL + 1))
    if not page.has_more:
        assert len(ids) == TOTAL


@pytest.mark.parametrize("after", [0, 777, TOTAL - 5, TOTAL, 10 * TOTAL])
def test_any_place_can_be_opened(job: Job, after: int) -> None:
    page = read_entries(job.pk, after=after, limit=3)
    assert [entry.id for entry in page.entries] == [i for i in range(after + 1, after + 4) if i <= TOTAL]


def test_the_text_is_that_of_the_line(job: Job) -> None:
    (entry,) = read_entries(job.pk, after=5 * LINES + 7, limit=1).entries
    assert (entry.text, entry.operation, entry.step, entry.attempt) == ("chunk 5 line 7", "build", "PRE", 1)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (LogFilter(attempt=2), 20 * LINES + 1),
        (LogFilter(step="PRE"), 20 * LINES + 1),
        (LogFilter(operation="build"), 30 * LINES),
        (LogFilter(attempt=2, operation="deploy", step="RUN"), 10 * LINES + 1),
        (LogFilter(levels=frozenset({"error"})), 2),
        (LogFilter(levels=frozenset({"error", "info"})), TOTAL),
        (LogFilter(levels=frozenset({"debug"})), 0),
        (LogFilter(q="nEEdle"), 3),
        (LogFilter(q="nEEdle", attempt=2), 1),
        (LogFilter(q="broke", levels=frozenset({"info"})), 0),
        (LogFilter(q="31m"), 0),
        (LogFilter(q="line 20"), CHUNKS - 3),
    ],
)
def test_filters(job: Job, wanted: LogFilter, count: int) -> None:
    forward = read_entries(job.pk, wanted, limit=10_000).entries
    assert len(forward) == count
    assert read_entries_before(job.pk, wanted, limit=10_000).entries == forward
    assert tuple(iter_entries(job.pk, wanted)) == forward
    assert read_entries(job.pk, wanted, limit=1).entries == forward[:1]
    assert tail(job.pk, 1, wanted).entries == forward[-1:]


def test_an_unknown_level_is_an_error(job: Job) -> None:
    with pytest.raises(KeyError):
        read_entries(job.pk, LogFilter(levels=frozenset({"loud"})))


def test_a_search_that_finds_nothing_need_not_begin_again(job: Job) -> None:
    page = read_entries(job.pk, LogFilter(q="nowhere"))
    assert (page.entries, page.next_after, page.has_more) == ((), TOTAL, False)
    append_entry(job.pk, 2, "RUN", "info", "it is nowhere")
    again = read_entries(job.pk, LogFilter(q="nowhere"), after=page.next_after)
    assert [entry.id for entry in again.entries] == [TOTAL + 1]


def test_following_the_end(job: Job) -> None:
    page = tail(job.pk, 2)
    assert [entry.id for entry in page.entries] == [TOTAL - 1, TOTAL]
    append_entry(job.pk, 2, "RUN", "comment", "new", username="ana")
    (entry,) = read_entries(job.pk, after=page.next_after).entries
    assert (entry.id, entry.level, entry.user) == (TOTAL + 1, "comment", "ana")


def test_a_range_ends_where_it_should(job: Job) -> None:
    page = read_entries(job.pk, after=120, up_to=133)
    assert [entry.id for entry in page.entries] == list(range(121, 134))
    assert page.next_after == 133


def test_counting_takes_no_chunk_apart(job: Job) -> None:
    LogChunk.objects.update(data=b"broken")
    assert count_lines(job.pk) == TOTAL
    assert count_lines(job.pk, LogFilter(attempt=2, operation="build")) == 10 * LINES


def test_only_chunks_that_can_match_are_taken_apart(job: Job) -> None:
    LogChunk.objects.filter(levels=2).update(data=b"broken")
    wanted = LogFilter(levels=frozenset({"error"}))
    assert [entry.text for entry in read_entries(job.pk, wanted).entries] == ["it broke", "it broke"]


def test_a_download_is_the_text_as_it_was_written(job: Job) -> None:
    whole = b"".join(iter_text(job.pk))
    assert whole.count(b"\n") == TOTAL
    assert whole.decode().splitlines() == [entry.text for entry in iter_entries(job.pk)]
    assert b"".join(iter_text(job.pk, LogFilter(q="needle"))).count(b"\n") == 3


def test_an_empty_log(job: Job) -> None:
    other = JobFactory.create()
    assert read_entries(other.pk).entries == ()
    assert tail(other.pk, 5).entries == ()
    assert tail(other.pk, 5).next_after == 0
    assert count_lines(other.pk) == 0
    assert list(iter_text(other.pk)) == []


ANY_FILTER = st.sampled_from(
    [
        LogFilter(),
        LogFilter(levels=frozenset({"error"})),
        LogFilter(levels=frozenset({"info"}), attempt=2),
        LogFilter(q="needle"),
        LogFilter(q="line 4"),
        LogFilter(q="line 4", levels=frozenset({"info"}), operation="build"),
    ]
)
ON_ONE_LOG = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _pages_forward(job: Job, wanted: LogFilter, limit: int, room: Room) -> Iterator[tuple[LogEntry, ...]]:
    after, has_more = 0, True
    while has_more:
        page = read_entries(job.pk, wanted, after=after, limit=limit, room=room)
        after, has_more = page.next_after, page.has_more
        yield page.entries


def _pages_backward(job: Job, wanted: LogFilter, limit: int, room: Room) -> Iterator[tuple[LogEntry, ...]]:
    before: int | None = None
    has_more = True
    while has_more:
        page = read_entries_before(job.pk, wanted, before=before, limit=limit, room=room)
        before, has_more = page.previous_before, page.has_more
        yield page.entries


@ON_ONE_LOG
@given(
    wanted=ANY_FILTER,
    limit=st.integers(40, 2000),
    size=st.integers(0, 400) | st.integers(400, 60_000),
    longest=st.none() | st.integers(1, 30),
)
def test_pages_within_any_room_cover_every_line_once(
    job: Job, wanted: LogFilter, limit: int, size: int, longest: int | None
) -> None:
    job_of_rare_lines = wanted.q == "needle" or "error" in wanted.levels
    room = Room(size if job_of_rare_lines else max(size, 400), len, longest)
    whole = [entry.id for entry in iter_entries(job.pk, wanted)]
    assert whole
    for pages in (
        list(_pages_forward(job, wanted, limit, room)),
        list(_pages_backward(job, wanted, limit, room))[::-1],
    ):
        assert [entry.id for page in pages for entry in page] == whole
        for page in pages:
            assert len(page) <= limit
            assert len(page) == 1 or sum(len(entry.text) for entry in page) <= room.size


def test_a_page_is_as_full_as_its_room_allows(job: Job) -> None:
    room = Room(10, lambda text: 3)
    assert [entry.id for entry in read_entries(job.pk, after=200, room=room).entries] == [201, 202, 203]
    assert [entry.id for entry in read_entries_before(job.pk, before=200, room=room).entries] == [
        197,
        198,
        199,
    ]
    assert [entry.id for entry in tail(job.pk, 5, room=room).entries] == [TOTAL - 2, TOTAL - 1, TOTAL]


def test_a_line_without_room_comes_alone(job: Job) -> None:
    room = Room(1, len)
    page = read_entries(job.pk, after=200, room=room)
    assert ([entry.id for entry in page.entries], page.next_after, page.has_more) == ([201], 201, True)
    page = read_entries_before(job.pk, before=200, room=room)
    assert ([entry.id for entry in page.entries], page.previous_before, page.has_more) == ([199], 199, True)


def test_a_long_line_is_cut_between_characters_and_says_how_much_is_left_out() -> None:
    job = JobFactory.create()
    append_entry(job.pk, 1, "PRE", "info", "ñ" * 50)
    (entry,) = read_entries(job.pk, room=Room(1000, len, longest=21)).entries
    assert (entry.text, entry.left_out) == ("ñ" * 10, 40)
    (entry,) = read_entries_before(job.pk, room=Room(1000, len, longest=100)).entries
    assert (entry.text, entry.left_out) == ("ñ" * 50, 0)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_search_goes_on_where_it_stopped(job: Job, seconds: float) -> None:
    wanted = LogFilter(q="NEEDLE")
    expected = [entry.id for entry in read_entries(job.pk, wanted, limit=100).entries]
    for is_backward in (False, True):
        found, calls, start = [], 0, TOTAL + 1 if is_backward else 0
        while True:
            answer = find(job.pk, wanted, start, seconds=seconds, is_backward=is_backward)
            calls += 1
            if answer.line:
                found.append(answer.line)
            elif answer.is_over:
                break
            start = answer.line or answer.looked_at
        assert found == (expected[::-1] if is_backward else expected)
        assert (calls > CHUNKS) is (seconds == 0.0)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_matches_are_counted_in_parts(job: Job, seconds: float) -> None:
    wanted = LogFilter(q="line 20", attempt=1)
    lines = [entry.id for entry in read_entries(job.pk, wanted, limit=100).entries]
    counted, calls = Count(), 0
    while not counted.is_over:
        counted = count(job.pk, wanted, lines[4], counted, seconds=seconds)
        calls += 1
    assert (counted.total, counted.position) == (len(lines), 5)
    assert (calls > 30) is (seconds == 0.0)


def test_a_count_stops_where_nobody_counts_on(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_COUNTED", 70)
    counted = count(job.pk, LogFilter(q="line"), 60, Count(), seconds=60)
    assert (counted.total, counted.position, counted.is_capped) == (70, 60, True)


def test_a_search_keeps_to_the_filter(job: Job) -> None:
    errors = LogFilter(q="broke", levels=frozenset({"error"}))
    assert find(job.pk, errors, 0, seconds=60).line == 10 * LINES + LINES + 1
    assert find(job.pk, LogFilter(q="broke", levels=frozenset({"info"})), 0, seconds=60) == Found(
        0, TOTAL, True
    )
    assert find(job.pk, LogFilter(q="needle"), 400, seconds=60, up_to=1000).line == 0


def test_what_is_hidden_is_told_in_segments(job: Job) -> None:
    wanted = LogFilter(attempt=1, hidden=frozenset({"deploy"}))
    assert {entry.operation for entry in read_entries(job.pk, wanted, limit=10_000).entries} == {"build"}
    found = hidden_segments(job.pk, wanted, 1, 4 * LINES, most=10)
    assert [(each.id, each.last, each.lines, each.operation, each.path) for each in found] == [
        (1, LINES, LINES, "deploy", "RUN/0"),
        (2 * LINES + 1, 3 * LINES, LINES, "deploy", "RUN/2"),
    ]
    last = hidden_segments(job.pk, wanted, 1, TOTAL, most=1, is_backward=True)
    assert [each.path for each in last] == ["RUN/38"]
    shown = LogFilter(attempt=1, shown=frozenset({"build"}))
    assert hidden_segments(job.pk, shown, 1, TOTAL, most=100) == hidden_segments(
        job.pk, wanted, 1, TOTAL, most=100
    )
    assert read_entries(job.pk, shown, limit=10_000) == read_entries(job.pk, wanted, limit=10_000)
    assert [
        each.has_errors
        for each in hidden_segments(job.pk, wanted, 1, TOTAL, most=100)
        if each.path == "RUN/10"
    ] == [True]


def test_a_line_tells_its_attempt_and_operation(job: Job) -> None:
    second = bounds(job.pk, 1)[1] + 1
    assert bounds(job.pk, 2) == (second, TOTAL)
    assert bounds(job.pk, 3) == (0, 0)
    assert holder_of(job.pk, second) == Holder(2, "RUN", "deploy")
    assert holder_of(job.pk, second - 1) == Holder(1, "RUN", "build")
    assert holder_of(job.pk, 10 * TOTAL) == Holder(2, "RUN", "build")
    assert holder_of(job.pk, 0) is None
