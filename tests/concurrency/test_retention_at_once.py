"""Retention beside everybody else: two removers, a rerun, a hold, and readers and writers while partitions change places."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from jobs import transitions
from jobs.actions.base import every_action
from jobs.audit import Actor
from jobs.exceptions import JobNotFound
from jobs.lifecycle import Event, Step
from jobs.log.reader import read_entries
from jobs.log.writer import append_entry
from jobs.models import AuditRecord, Job, JobHold, LogChunk, LogTable, RetentionPolicy
from jobs.retention import disk, partitions, removal, walk
from jobs.transitions import Change
from permissions.catalog import Right
from tests.factories import EnvironmentFactory, JobFactory, RuleFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)

MOST_SECONDS = 30


@pytest.fixture(autouse=True)
def partitions_as_before() -> Iterator[None]:
    """Take away partitions that a test has made."""
    before = {part.name for part in partitions.partitions()}
    yield
    with connection.cursor() as cursor:
        for name in {*(part.name for part in partitions.partitions()), *disk._loose()} - before:
            cursor.execute(f"DROP TABLE {name}")
        bounds = {part.name for part in partitions.partitions()}
    assert bounds == before, "a partition that was there is gone"


def old() -> datetime:
    return timezone.now() - timedelta(days=100)


def ended(**fields: Any) -> Job:
    return JobFactory.at("END", "error", now=old(), **fields)


def beside(*acts: Callable[[], object]) -> None:
    """Do all of it at the same time, each in a thread with a connection of its own."""
    errors: list[BaseException] = []
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait(MOST_SECONDS)
            act()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MOST_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_two_removers_remove_each_job_once() -> None:
    RetentionPolicy.objects.create(removes="job", keep_days=1)
    rule, environment = RuleFactory.create(), EnvironmentFactory.create()
    jobs = [ended(rule=rule, environment=environment).pk for _ in range(8)]
    beside(*[lambda: removal.remove(jobs, timezone.now())] * 3)
    while removal.remove(jobs, timezone.now()):
        pass
    assert not Job.objects.exists()
    assert AuditRecord.objects.filter(action="delete").count() == 8


def held(job: Job, act: Callable[[Job], object]) -> tuple[threading.Event, threading.Event, threading.Thread]:
    """Lock a job in another transaction, do something to it there, and commit when told to."""
    locked, may_end = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act(transitions.lock(job.pk))
                locked.set()
                may_end.wait(MOST_SECONDS)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert locked.wait(MOST_SECONDS)
    return locked, may_end, thread


def test_a_job_that_is_rerun_while_it_is_chosen_stays() -> None:
    RetentionPolicy.objects.create(removes="job", keep_days=1)
    job = ended()

    def rerun(locked: Job) -> None:
        transitions.apply(locked, Change(Event.RERUN, timezone.now(), asked_step=Step.PRE))

    _, may_end, thread = held(job, rerun)
    # Chosen before the rerun is committed: nobody is waited for, nothing is removed.
    assert not removal.remove([job.pk], timezone.now())
    may_end.set()
    thread.join(MOST_SECONDS)
    assert not removal.remove([job.pk], timezone.now())
    assert Job.objects.get(pk=job.pk).attempt == 2


def test_a_job_that_is_put_on_hold_while_it_is_chosen_stays() -> None:
    RetentionPolicy.objects.create(removes="job", keep_days=1)
    job = ended()
    _, may_end, thread = held(
        job, lambda locked: JobHold.objects.create(job=locked, held_at=timezone.now(), held_by="ana")
    )
    assert not removal.remove([job.pk], timezone.now())
    may_end.set()
    thread.join(MOST_SECONDS)
    assert not removal.remove([job.pk], timezone.now())


def test_a_hold_that_comes_too_late_finds_no_job() -> None:
    RetentionPolicy.objects.create(removes="job", keep_days=1)
    job = ended()
    actor = Actor(user_with(Right.VIEW_MONITOR, Right.DELETE), "page")
    said: list[object] = []

    def hold() -> None:
        try:
            said.append(every_action()["hold"].execute(job.pk, actor=actor, now=timezone.now()))
        except JobNotFound as error:
            said.append(error)

    beside(hold, lambda: removal.remove([job.pk], timezone.now()))
    assert isinstance(said[0], JobNotFound) is not Job.objects.filter(pk=job.pk).exists()
    assert JobHold.objects.exists() is Job.objects.filter(pk=job.pk).exists()


def test_a_line_that_is_written_while_its_job_goes_is_not_left_behind() -> None:
    rule, environment = RuleFactory.create(), EnvironmentFactory.create()
    jobs = [ended(rule=rule, environment=environment).pk for _ in range(5)]
    for job in jobs:

        def write(job: int = job) -> None:
            try:
                for _ in range(20):
                    append_entry(job, 1, "RUN", "info", "There.")
            except JobNotFound:
                return

        beside(write, lambda job=job: Job.objects.filter(pk=job).delete())  # type: ignore[misc]
        assert not LogChunk.objects.filter(job_id=job).exists()


def whole(part: partitions.Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back the disk of a partition, however little it is."""
    monkeypatch.setattr(disk, "WORTH_BYTES", 1)
    LogTable.objects.all().delete()
    until = time.monotonic() + MOST_SECONDS
    while disk.give_back(timezone.now(), time.monotonic() + 0.2) or disk._loose():
        assert time.monotonic() < until


def part_of(job: int) -> partitions.Partition:
    return next(part for part in partitions.partitions() if part.low <= job < part.high)


def test_a_partition_is_exchanged_beside_readers_and_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "COPY_ROWS", 25)
    gone, kept = ended(), ended()
    line = "x" * 2000
    for _ in range(60):
        append_entry(gone.pk, 1, "RUN", "info", random.randbytes(20_000).hex())
    for _ in range(10):
        append_entry(kept.pk, 1, "RUN", "info", line)
    Job.objects.filter(pk=gone.pk).delete()
    part = part_of(kept.pk)
    before = disk.sizes(part.name)[2]
    over = threading.Event()
    slowest = {"read": 0.0, "write": 0.0}
    counts: list[int] = []

    def keep_doing(name: str, act: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            while not over.is_set():
                begun = time.monotonic()
                act()
                slowest[name] = max(slowest[name], time.monotonic() - begun)

        return run

    def exchange() -> None:
        try:
            whole(part, monkeypatch)
        finally:
            over.set()

    beside(
        exchange,
        keep_doing("read", lambda: counts.append(len(read_entries(kept.pk, limit=5000).entries))),
        keep_doing("write", lambda: append_entry(kept.pk, 1, "RUN", "info", "More.")),
    )
    job = Job.objects.get(pk=kept.pk)
    ids = [entry.id for entry in read_entries(kept.pk, limit=5000).entries]
    assert ids == list(range(1, job.log_lines + 1))
    assert counts == sorted(counts)
    assert counts[0] >= 10
    assert disk.sizes(part.name)[2] < before
    assert max(slowest.values()) < 5


def test_an_exchange_comes_through_beside_those_who_write_to_the_partition_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it compares: of ten gigabytes that took so long that a writer always came in between."""
    jobs = [ended() for _ in range(2)]
    for job in jobs:
        append_entry(job.pk, 1, "RUN", "info", "There.")
    part = part_of(jobs[0].pk)
    monkeypatch.setattr(disk, "_TAKE", f"{disk._TAKE} AND (SELECT pg_sleep(0.15)) IS NOT NULL")
    over = threading.Event()
    tries: list[bool] = []

    def write(job: int) -> Callable[[], None]:
        def run() -> None:
            while not over.is_set():
                append_entry(job, 1, "RUN", "info", "More.")

        return run

    def exchange() -> None:
        try:
            assert disk._begin_copy(part)
            disk._note(part, timezone.now(), 0, 0, is_done=True)
            until = time.monotonic() + MOST_SECONDS
            while not tries or not tries[-1]:
                assert time.monotonic() < until, f"{len(tries)} times in vain"
                tries.append(disk._copy(part, timezone.now(), until))
        finally:
            over.set()

    beside(exchange, *(write(job.pk) for job in jobs))
    assert not disk.is_copying() or [part.name + disk._OLD] == disk._loose()
    for job in Job.objects.all():
        assert [entry.id for entry in read_entries(job.pk, limit=5000).entries] == list(
            range(1, job.log_lines + 1)
        )
    while disk._loose():
        disk.give_back(timezone.now(), time.monotonic() + 1)


def test_what_was_exchanged_is_dropped_when_the_last_reader_has_done() -> None:
    job = ended()
    append_entry(job.pk, 1, "RUN", "info", "There.")
    part = part_of(job.pk)
    assert disk._begin_copy(part)
    assert disk._copy(part, timezone.now(), time.monotonic() + MOST_SECONDS)
    (left,) = disk._loose()
    reads = threading.Event()

    def read() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {left}")
            reads.set()
            time.sleep(3 * partitions.LOCK_MS / 1000)

    def drop() -> None:
        assert reads.wait(MOST_SECONDS)
        assert disk._drop(left)

    beside(read, drop)
    assert disk._loose() == []


def test_an_exchange_gives_up_while_somebody_reads_and_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    job = ended()
    append_entry(job.pk, 1, "RUN", "info", "There.")
    part = part_of(job.pk)
    assert disk._begin_copy(part)
    reads, may_end = threading.Event(), threading.Event()

    def read() -> None:
        try:
            with transaction.atomic():
                read_entries(job.pk)
                reads.set()
                may_end.wait(MOST_SECONDS)
        finally:
            connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    assert reads.wait(MOST_SECONDS)
    begun = time.monotonic()
    assert not disk._copy(part, timezone.now(), begun + MOST_SECONDS)
    assert time.monotonic() - begun < 5
    assert [entry.text for entry in read_entries(job.pk).entries] == ["There."]
    may_end.set()
    thread.join(MOST_SECONDS)
    whole(part, monkeypatch)
    assert [entry.text for entry in read_entries(job.pk).entries] == ["There."]


def test_what_changed_since_the_copy_is_made_good() -> None:
    gone, kept = ended(), ended()
    for job in (gone, kept):
        append_entry(job.pk, 1, "RUN", "info", "Before.")
    part = part_of(kept.pk)
    assert disk._begin_copy(part)
    with connection.cursor() as cursor:
        cursor.execute(disk._between(disk._COPY, part))
    Job.objects.filter(pk=gone.pk).delete()
    append_entry(kept.pk, 1, "RUN", "info", "After.")
    assert disk._swap(part, timezone.now())
    assert [entry.text for entry in read_entries(kept.pk).entries] == ["Before.", "After."]
    assert not LogChunk.objects.filter(job_id=gone.pk).exists()


def test_partitions_are_made_ahead_and_dropped_with_their_jobs() -> None:
    partitions.make_ahead(width=10)
    assert partitions.make_ahead(width=10) == []
    last = partitions.last_job()
    top = max(part.high for part in partitions.partitions())
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('jobs_job_id_seq', %s)", [top + 3])
    try:
        # The job that comes has none: it goes to the rest, and partitions begin behind it.
        assert partitions.make_ahead(width=10) == [f"jobs_logchunk_{top + 10}", f"jobs_logchunk_{top + 20}"]
        first = ended()
        append_entry(first.pk, 1, "RUN", "info", "There.")
        assert disk.sizes(partitions.REST)[0] == 1
        assert [entry.text for entry in read_entries(first.pk).entries] == ["There."]
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('jobs_job_id_seq', %s)", [top + 13])
        job = ended()
        append_entry(job.pk, 1, "RUN", "info", "There.")
        part = part_of(job.pk)
        assert disk.sizes(part.name)[0] == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('jobs_job_id_seq', %s)", [top + 50])
        disk._look(part, timezone.now())
        assert part in partitions.partitions()
        Job.objects.filter(pk=job.pk).delete()
        disk._look(part, timezone.now())
        assert disk._loose() == [part.name + "_old"]
        assert disk.give_back(timezone.now(), 0)
        assert part.name not in {each.name for each in partitions.partitions()}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('jobs_job_id_seq', %s)", [max(last, 1)])


def test_a_step_is_done_by_one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [walk.ADVISORY_LOCK])
        try:
            said: list[bool] = []
            beside(lambda: said.append(walk.serve()))
            assert said == [False]
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [walk.ADVISORY_LOCK])
