"""Streams and waits of a real web process, with everything that goes wrong on a bad day."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from clarive_monitor.client.exits import Exit
from jobs.lifecycle import Event
from jobs.log.writer import append_entries
from jobs.models import Job
from jobs.stream.handler import MOST_IDLE
from permissions import policy, tokens
from permissions.catalog import Right
from permissions.models import ApiToken, User
from tests.factories import EnvironmentFactory, JobFactory, UserFactory, happen, user_with
from tests.waiting import until
from tests.web import StreamReader, Web, bearer, web_process

pytestmark = [pytest.mark.heavy, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def kept(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_process(tmp_path_factory.mktemp("web")) as process:
        yield process


@pytest.fixture
def web(kept: Web, transactional_db: None) -> Web:
    """One process for all tests here: it takes seconds to start."""
    if not kept.is_running:
        kept.start()
    return kept


def reader_for(web: Web, user: User, path: str = "stream/", **limits: object) -> StreamReader:
    return StreamReader(web.port, bearer(user, **limits), path)


def comment(job: Job, text: str) -> None:
    Job.objects.filter(pk=job.pk).update(comment=text)


EVENTS_OF_A_JOB = 300
CHUNKS, LINES = 50, 14
MOST_THREADS = 10 + MOST_IDLE


def _write(job: Job, seed: int) -> None:
    """Let much happen to a job; in transactions that take their time, so that they end in another order than they began."""
    dice = random.Random(seed)
    chunks = [True] * CHUNKS + [False] * EVENTS_OF_A_JOB
    dice.shuffle(chunks)
    number = line = 0
    try:
        for is_chunk in chunks:
            with transaction.atomic():
                if is_chunk:
                    texts = [("info", str(line + each)) for each in range(LINES)]
                    append_entries(job.pk, 1, "INIT", texts)
                    line += LINES
                else:
                    comment(job, str(number))
                    number += 1
                if dice.random() < 0.1:
                    time.sleep(dice.random() / 100)
    finally:
        connection.close()


def test_a_consumer_that_loses_its_connection_at_random_misses_nothing_and_sees_nothing_twice(
    web: Web,
) -> None:
    jobs = [JobFactory.create(), JobFactory.create()]
    reader = reader_for(web, user_with(Right.VIEW_MONITOR))
    reader.open().read()
    dice = random.Random(2000)
    expected = len(jobs) * (EVENTS_OF_A_JOB + CHUNKS * LINES)
    lost = 0
    restarting = ThreadPoolExecutor(1)
    with ThreadPoolExecutor(len(jobs)) as writers:
        writing = [writers.submit(_write, job, seed) for seed, job in enumerate(jobs)]
        restarted = None
        give_up_at = time.monotonic() + 60
        while len(reader.told) < expected and time.monotonic() < give_up_at:
            if restarted is None and len(reader.told) > expected // 3:
                restarted = restarting.submit(web.restart)
            try:
                reader.read(dice.choice((50, 500, 5000, 60000)))
                if dice.random() < 0.01:
                    raise ConnectionError
                if reader._answer is None or reader._answer.closed:
                    raise ConnectionError
            except OSError:
                lost += 1
                _open_again(reader)
        for each in writing:
            each.result()
    assert restarted is not None
    restarted.result()
    reader.close()
    # The process ends with the thread that started it: the next test starts one of its own.
    web.stop()
    restarting.shutdown()
    assert lost > 10
    assert len({told.id for told in reader.told}) == len(reader.told) == expected
    for job in jobs:
        comments = [t.data["comment"] for t in reader.told if t.event == "job" and t.data["id"] == job.pk]
        lines = [t.data["entry"]["text"] for t in reader.told if t.event == "log" and t.data["job"] == job.pk]
        assert comments == [str(number) for number in range(EVENTS_OF_A_JOB)]
        assert lines == [str(number) for number in range(CHUNKS * LINES)]


def _open_again(reader: StreamReader) -> None:
    def opened() -> bool:
        try:
            return reader.open().status == 200
        except OSError:
            return False

    until(opened, 60, "the stream being there again")


class TestRights:
    def test_a_withdrawal_holds_for_readers_that_are_open(self, web: Web) -> None:
        kept, withdrawn = EnvironmentFactory.create(), EnvironmentFactory.create()
        user = user_with(Right.VIEW_MONITOR, environments=[kept, withdrawn])
        seen, hidden = JobFactory.create(environment=kept), JobFactory.create(environment=withdrawn)
        limited = reader_for(web, user, "stream/?events=job", environments=[withdrawn.code])
        reader = reader_for(web, user, "stream/?events=job")
        for each in (limited, reader):
            each.open().read()
        comment(hidden, "before")
        assert [told.data["comment"] for told in reader.read_until(1)] == ["before"]
        comment(seen, "mine")
        comment(hidden, "theirs")
        assert [told.data["comment"] for told in limited.read_until(2)] == ["before", "theirs"]

        policy.revoke(user, Right.VIEW_MONITOR, withdrawn)
        for number in range(20):
            comment(hidden, f"secret {number}")
        comment(seen, "the end")
        comments = [told.data["comment"] for told in reader.read_until(4)]
        assert comments == ["before", "mine", "theirs", "the end"]
        limited.close()
        reader.close()

    def test_the_stream_of_who_is_no_longer_let_in_ends(self, web: Web) -> None:
        inactive, without_token = user_with(Right.VIEW_MONITOR), user_with(Right.VIEW_MONITOR)
        expiring = UserFactory.create()
        token = tokens.issue(expiring)
        readers = [
            reader_for(web, inactive),
            reader_for(web, without_token),
            StreamReader(web.port, {"Authorization": f"Bearer {token}"}),
        ]
        for reader in readers:
            reader.open().read()
        User.objects.filter(pk=inactive.pk).update(is_active=False)
        ApiToken.objects.filter(user=without_token).delete()
        ApiToken.objects.filter(digest=tokens.digest(token)).update(
            expires_at=timezone.now() + timedelta(seconds=1)
        )
        for reader in readers:
            while reader.read():
                pass
            assert reader.told == []
            assert reader.open().status == 401
            reader.close()


class TestHints:
    def test_they_name_jobs_once_a_second_and_withdrawals_at_once(self, web: Web) -> None:
        here, there = EnvironmentFactory.create(), EnvironmentFactory.create()
        user = user_with(Right.VIEW_MONITOR, environments=[here, there])
        jobs = [JobFactory.create(environment=here), JobFactory.create(environment=there)]
        hidden = JobFactory.create()
        everything = reader_for(web, user, "stream/?hints=true&events=job")
        one = reader_for(web, user, f"stream/?hints=true&job={jobs[0].pk}")
        readers = (everything, one)
        for each in readers:
            assert each.open().read_until(1)[0].event == "begin"
        begun = time.monotonic()
        for number in range(30):
            for job in (*jobs, hidden):
                comment(job, str(number))
        append_entries(jobs[0].pk, 1, "INIT", [("info", "one line")])

        def named(reader: StreamReader) -> list[int]:
            return [number for told in reader.told if told.event == "changed" for number in told.data["jobs"]]

        while set(named(everything)) != {job.pk for job in jobs} and everything.read():
            pass
        one.read_until(2)
        assert len(everything.told) - 1 <= 2 + time.monotonic() - begun
        assert set(named(one)) == {jobs[0].pk}
        assert {told.id for told in everything.told} == {""}

        policy.revoke(user, Right.VIEW_MONITOR, there)
        while all(told.event != "rights" for told in everything.told) and everything.read():
            pass
        comment(jobs[1], "not for them any more")
        comment(jobs[0], "for them")
        count = len(everything.told)
        assert everything.read_until(count + 1)[-1].data == {"jobs": [jobs[0].pk]}
        User.objects.filter(pk=user.pk).update(is_active=False)
        for reader in readers:
            while reader.read():
                pass
            reader.close()

    def test_too_many_jobs_are_not_named(self, web: Web) -> None:
        reader = reader_for(web, user_with(Right.VIEW_MONITOR), "stream/?hints=true")
        reader.open().read_until(1)
        with transaction.atomic():
            JobFactory.create_batch(101, environment=EnvironmentFactory.create())
        # On a slow machine it is told before that there is another environment.
        while all(told.event != "changed" for told in reader.told) and reader.read():
            pass
        assert [told.data for told in reader.told if told.event == "changed"] == [{"jobs": []}]
        reader.close()


class TestManyReaders:
    def test_open_streams_hold_no_thread_and_a_slow_one_is_not_kept_for(self, web: Web) -> None:
        job = JobFactory.create()
        headers = bearer(user_with(Right.VIEW_MONITOR))
        process = psutil.Process(web.pid)
        readers = [StreamReader(web.port, headers, "stream/?events=job") for _ in range(45)]
        slow = [StreamReader(web.port, headers, buffer=4096) for _ in range(5)]
        for reader in (*readers, *slow):
            reader.open().read()
        until(lambda: process.num_threads() <= MOST_THREADS, 10, "threads given back")
        before = process.memory_info().rss
        lines, text = 2000, "x" * 4000
        for begin in range(0, lines, 100):
            append_entries(job.pk, 1, "INIT", [("info", f"{begin + each} {text}") for each in range(100)])
        comment(job, "the end")
        for reader in readers:
            assert [told.data["comment"] for told in reader.read_until(1)] == ["the end"]
        # None of the slow ones has read anything yet: eight megabytes each.
        assert process.memory_info().rss - before < 30 << 20
        told = slow[0].read_until(lines + 1)
        assert [each.data["entry"]["id"] for each in told[:-1]] == list(range(1, lines + 1))
        for reader in (*readers, *slow):
            reader.close()

    def test_the_server_ends_at_once_with_streams_and_waits_open(self, web: Web) -> None:
        job = JobFactory.create()
        user = user_with(Right.VIEW_MONITOR)
        headers = bearer(user)
        reader = reader_for(web, user)
        reader.open().read()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(web.ask, f"jobs/{job.pk}/wait/", headers)
            time.sleep(0.5)
            begun = time.monotonic()
            web.term()
            assert time.monotonic() - begun < 2
            assert waiting.result()[0] == 202
        assert not reader.read()
        assert "exceeded" not in web.log
        reader.close()


class TestWaiting:
    def test_it_answers_when_the_job_has_ended_without_holding_a_thread(self, web: Web) -> None:
        job = JobFactory.create()
        user = user_with(Right.VIEW_MONITOR)
        headers = bearer(user)
        process = psutil.Process(web.pid)
        with ThreadPoolExecutor(30) as pool:
            asked = [pool.submit(web.ask, f"jobs/{job.pk}/wait/?timeout=30", headers) for _ in range(30)]
            time.sleep(1)
            until(lambda: process.num_threads() <= MOST_THREADS, 10, "threads given back")
            begun = time.monotonic()
            happen(job, Event.CANCEL)
            answers = [each.result() for each in asked]
            assert time.monotonic() - begun < 10, "nobody waited for the end of their 30 seconds"
        assert {status for status, _ in answers} == {200}
        assert {body["status"] for _, body in answers} == {"cancelled"}

    def test_a_status_that_the_job_only_passed_through_counts(self, web: Web) -> None:
        job = JobFactory.create()
        user = user_with(Right.VIEW_MONITOR)
        headers = bearer(user)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(web.ask, f"jobs/{job.pk}/wait/?until=ready&timeout=20", headers)
            time.sleep(1)
            with transaction.atomic():
                happen(job, Event.STEP_OK)
                happen(job, Event.START)
            status, body = asked.result()
        assert (status, body["status"]) == (200, "running")

    def test_rights_that_are_lost_meanwhile_end_it(self, web: Web) -> None:
        job = JobFactory.create()
        user = user_with(Right.VIEW_MONITOR)
        headers = bearer(user)
        with ThreadPoolExecutor(2) as pool:
            asked = pool.submit(web.ask, f"jobs/{job.pk}/wait/?timeout=20", headers)
            short = pool.submit(web.ask, f"jobs/{job.pk}/wait/?timeout=1", headers)
            assert short.result()[0] == 202
            policy.revoke(user, Right.VIEW_MONITOR, None)
            assert asked.result()[0] == 404


def test_the_command_line_client_watches_across_a_restart(web: Web, tmp_path: Path) -> None:
    job = JobFactory.create()
    environment = {
        "PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(tmp_path), "NO_PROXY": "*",
        "CLARIVE_URL": f"http://127.0.0.1:{web.port}",
        "CLARIVE_TOKEN": tokens.issue(user_with(Right.VIEW_MONITOR)),
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "clarive_monitor.client",
        "jobs",
        "watch",
        str(job.pk),
        "--timeout",
        "60s",
    ]
    append_entries(job.pk, 1, "INIT", [("info", "before")])
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "before\n"
        web.term()
        append_entries(job.pk, 1, "INIT", [("info", "meanwhile")])
        web.start()
        assert watching.stdout.readline() == "meanwhile\n"
        append_entries(job.pk, 1, "INIT", [("info", "after")])
        happen(job, Event.CANCEL)
        out, _ = watching.communicate(timeout=30)
    assert out.splitlines()[0] == "after"
    assert "is cancelled" in out.splitlines()[1]
    assert watching.returncode == Exit.JOB_STOPPED


def test_a_session_is_good_for_a_stream_until_it_ends(web: Web) -> None:
    browser = Client()
    user = user_with(Right.VIEW_MONITOR)
    browser.force_login(user)
    cookie = browser.cookies["clarive_session"].value
    reader = StreamReader(web.port, {"Cookie": f"clarive_session={cookie}", "Accept": "text/event-stream"})
    reader.open().read()
    assert reader.status == 200
    assert (reader.header("Content-Type"), reader.header("X-Accel-Buffering")) == ("text/event-stream", "no")
    assert "no-cache" in (reader.header("Cache-Control") or "")
    comment(JobFactory.create(), "seen")
    assert reader.read_until(2)[-1].data["comment"] == "seen"
    browser.logout()
    while reader.read():
        pass
    assert reader.open().status == 401
    reader.close()
