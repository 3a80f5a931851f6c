"""The log of a job in the database: order, numbers, the claim, broken connections."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from jobs.exceptions import JobNotFound, StaleClaim
from jobs.log.reader import LogEntry, LogFilter, read_entries
from jobs.log.writer import MOST_HELD, LogWriter, append_entries, append_entry
from jobs.models import Job, LogChunk
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = ("RUN", "RUN/0", "build")


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        pause.wait(0.01)


@pytest.fixture
def job() -> Job:
    return JobFactory.create()


def writer_of(job: Job) -> LogWriter:
    assert job.claim is not None
    return LogWriter(job.pk, job.claim, job.attempt)


def texts(job: Job, **wanted: str) -> list[str]:
    return [entry.text for entry in read_entries(job.pk, LogFilter(**wanted)).entries]  # type: ignore[arg-type]


def test_what_is_written_can_be_read(job: Job) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert job.claim is not None
    with LogWriter(job.pk, job.claim, 1, now=lambda: at) as log:
        log.entry(*PLACE, "warning", "careful\nnow")
        log.feed(*PLACE, "stderr", b"\x1b[31mbad\x1b[0m \xff\0\n")
        log.entry("RUN", "", "", "error", "the step")
    place = (at, 1, "RUN", "build")
    assert read_entries(job.pk).entries == (
        LogEntry(1, *place, "warning", "system", "careful", "", path="RUN/0"),
        LogEntry(2, *place, "warning", "system", "now", "", path="RUN/0"),
        LogEntry(3, *place, "info", "stderr", "\x1b[31mbad\x1b[0m \ufffd\0", "", path="RUN/0"),
        LogEntry(4, at, 1, "RUN", "", "error", "system", "the step", ""),
    )
    job.refresh_from_db()
    assert job.log_lines == 4
    assert LogChunk.objects.filter(job=job).count() == 2


def test_output_is_in_the_database_while_the_command_runs(job: Job) -> None:
    with writer_of(job) as log:
        log.feed(*PLACE, "stdout", b"first\n")
        wait_until(lambda: texts(job) == ["first"], 5)
        log.feed(*PLACE, "stdout", b"Password: ")
        wait_until(lambda: texts(job) == ["first", "Password: "], 5)


def test_a_lost_claim_writes_nothing_and_stops_the_writer(job: Job) -> None:
    log = writer_of(job)
    log.entry(*PLACE, "info", "mine")
    log.flush()
    Job.objects.filter(pk=job.pk).update(claim=uuid.uuid4())
    log.entry(*PLACE, "info", "too late")
    with pytest.raises(StaleClaim):
        log.flush()
    assert log.lost
    with pytest.raises(StaleClaim):
        log.feed(*PLACE, "stdout", b"x")
    with pytest.raises(StaleClaim):
        log.close()
    assert texts(job) == ["mine"]


def test_the_writing_thread_tells_the_runner_that_the_claim_is_gone(job: Job) -> None:
    log = writer_of(job)
    Job.objects.filter(pk=job.pk).update(claim=uuid.uuid4())
    log.feed(*PLACE, "stdout", b"too late\n")
    wait_until(lambda: log.lost)
    with pytest.raises(StaleClaim):
        log.entry(*PLACE, "info", "never")
    with pytest.raises(StaleClaim):
        log.close()
    assert texts(job) == []


def test_pending_lines_are_written_with_the_runners_own_transaction(job: Job) -> None:
    assert job.claim is not None
    with writer_of(job) as log:
        log.entry(*PLACE, "info", "kept after the failure")
        with pytest.raises(RuntimeError), log.pending() as batch, transaction.atomic():  # noqa: PT012
            batch.write(connection, job.claim)
            raise RuntimeError("something else in the transaction failed")
        assert texts(job) == []
        log.entry(*PLACE, "info", "next")
        with log.pending() as batch, transaction.atomic():
            batch.write(connection, job.claim)
            assert batch.line_count == 2
        assert texts(job) == ["kept after the failure", "next"]
        with log.pending() as batch:
            assert batch.line_count == 0
            batch.write(connection, job.claim)
    assert texts(job) == ["kept after the failure", "next"]


def test_lines_of_a_failed_transaction_are_written_by_the_thread(job: Job) -> None:
    with writer_of(job) as log:
        log.entry(*PLACE, "info", "not forgotten")
        with pytest.raises(RuntimeError), log.pending():
            raise RuntimeError
        wait_until(lambda: texts(job) == ["not forgotten"])


def test_entries_of_people_and_the_daemon_need_no_claim_and_share_the_numbers(job: Job) -> None:
    with writer_of(job) as log:
        log.entry(*PLACE, "info", "runner")
        log.flush()
        append_entry(job.pk, 1, "RUN", "comment", "looks odd", username="ana")
        append_entries(job.pk, 1, "RUN", [("info", "one"), ("error", "two")], operation_id="build")
        append_entries(job.pk, 1, "RUN", [])
        log.entry(*PLACE, "info", "runner again")
    entries = read_entries(job.pk).entries
    assert [(entry.id, entry.text, entry.user) for entry in entries] == [
        (1, "runner", ""),
        (2, "looks odd", "ana"),
        (3, "one", ""),
        (4, "two", ""),
        (5, "runner again", ""),
    ]
    with pytest.raises(JobNotFound):
        append_entry(0, 1, "RUN", "info", "nobody")


def test_an_entry_disappears_with_the_transaction_it_was_written_in(job: Job) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        append_entry(job.pk, 1, "RUN", "info", "never happened")
        raise RuntimeError
    append_entry(job.pk, 1, "RUN", "info", "happened")
    assert [entry.id for entry in read_entries(job.pk).entries] == [1]


def test_threads_write_at_once_and_every_line_has_its_own_number(job: Job) -> None:
    def branch(thread: int) -> None:
        for turn in range(200):
            log.feed(
                "RUN", f"RUN/0/parallel/{thread}", "", "stdout", b"%d %d\n" % (thread, turn), thread=thread
            )

    with writer_of(job) as log, ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(branch, thread) for thread in range(1, 5)]:
            future.result()
    entries = read_entries(job.pk).entries
    assert [entry.id for entry in entries] == list(range(1, 801))
    for thread in range(1, 5):
        mine = [entry.text for entry in entries if entry.text.startswith(f"{thread} ")]
        assert mine == [f"{thread} {turn}" for turn in range(200)]


def test_a_great_deal_of_output_arrives_whole_and_in_order(job: Job) -> None:
    line = b"%07d " + b"x" * 90 + b"\n"
    with writer_of(job) as log:
        for first in range(0, 200_000, 2_000):
            log.feed(*PLACE, "stdout", b"".join(line % number for number in range(first, first + 2_000)))
    after, expected = 0, 0
    while page := read_entries(job.pk, after=after, limit=5000).entries:
        assert [int(entry.text[:7]) for entry in page] == list(range(expected, expected + len(page)))
        assert [entry.id for entry in page] == list(range(after + 1, after + 1 + len(page)))
        after, expected = page[-1].id, expected + len(page)
    assert expected == 200_000


def test_the_reader_of_a_command_waits_while_the_database_is_slow(job: Job) -> None:
    """Memory stays bounded: a held row lock holds the writer, and the writer holds ``feed``."""
    piece = b"x" * 1023 + b"\n"
    fed = 0
    with writer_of(job) as log, ThreadPoolExecutor(1) as pool:

        def flood() -> None:
            nonlocal fed
            while fed < 4 * MOST_HELD:
                log.feed(*PLACE, "stdout", piece * 256)
                fed += len(piece) * 256

        with transaction.atomic():
            Job.objects.select_for_update().get(pk=job.pk)
            flooding = pool.submit(flood)
            wait_until(lambda: fed > MOST_HELD - len(piece) * 256)
            threading.Event().wait(0.3)
            assert fed <= MOST_HELD + 2 * len(piece) * 256
        flooding.result(30)
    job.refresh_from_db()
    assert job.log_lines == 4 * MOST_HELD // len(piece)


def _terminate_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_killed_connection_loses_and_doubles_nothing(job: Job) -> None:
    with writer_of(job) as log:
        for turn in range(30):
            log.feed(*PLACE, "stdout", b"%d\n" % turn)
            if turn % 5 == 4:
                wait_until(lambda expected=turn + 1: len(texts(job)) == expected)  # type: ignore[misc]
                _terminate_others()
    assert texts(job) == [str(turn) for turn in range(30)]


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_that_got_lost_is_looked_up(job: Job, committed: bool) -> None:
    assert job.claim is not None
    with writer_of(job) as log:
        log.entry(*PLACE, "info", "once")
        with pytest.raises(OperationalError), log.pending() as batch:  # noqa: PT012
            if committed:
                batch.write(connection, job.claim)
            raise OperationalError("the connection broke before the answer came")
        log.entry(*PLACE, "info", "twice")
    assert texts(job) == ["once", "twice"]
    job.refresh_from_db()
    assert job.log_lines == 2


def test_an_error_of_the_caller_is_not_hidden_by_a_log_that_cannot_be_written(job: Job) -> None:
    with pytest.raises(RuntimeError, match="mine"), writer_of(job) as log:  # noqa: PT012
        log.entry(*PLACE, "info", "x")
        Job.objects.filter(pk=job.pk).update(claim=uuid.uuid4())
        raise RuntimeError("mine")


def test_data_travel_in_binary_and_are_stored_outside_of_the_row(job: Job) -> None:
    append_entry(job.pk, 1, "RUN", "info", "x" * 10)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'jobs_logchunk'::regclass AND attname = 'data'"
        )
        assert cursor.fetchone() == ("e",)
    assert isinstance(connection.connection, psycopg.Connection)


def test_deleting_a_job_deletes_its_log(job: Job) -> None:
    append_entry(job.pk, 1, "RUN", "info", "x")
    job.delete()
    assert not LogChunk.objects.exists()
