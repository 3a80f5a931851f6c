"""The engine with real workers, a real broker and real signals: what issue by issue must stay true."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from jobs import daemon, dispatch, runner
from jobs.audit import Actor
from jobs.exceptions import CheckFailed, InvalidInput, NoWorker, RevisionInActiveJob
from jobs.models import AuditRecord, CreationRequest, Job, LogChunk, OperationRun
from permissions.models import Environment
from tests.conftest import Workers, empty_broker, messages_in
from tests.engine import at, create, ended, lines, log_of, rule, setting
from tests.factories import ProjectFactory
from tests.repositories import make_repository
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = {"CLARIVE_LEASE_SECONDS": "3"}
UNDER_WAY = int(os.environ.get("EMPTYING_JOBS", "60"))
"""Jobs that are under way while the broker is emptied ten times; ``make nightly`` has more."""


@pytest.fixture
def asked(transactional_db: None) -> tuple[Environment, Actor]:
    return setting()


@pytest.fixture
def crew(workers: Workers) -> Workers:
    """One worker for jobs, one for the daemon and for those who wait, and the clock."""
    started = [
        workers.start_worker(("jobs",), 2, environment=LEASE, wait=False),
        workers.start_worker(("daemon", "create"), 2, environment=LEASE, wait=False),
        workers.start_beat(environment=LEASE, wait=False),
    ]
    for worker in started:
        worker.wait_ready()
    return workers


@pytest.fixture
def actor(asked: tuple[Environment, Actor]) -> Actor:
    return asked[1]


def test_a_job_goes_through_all_its_steps(actor: Actor, crew: Workers, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    rule(
        "all-steps",
        f"""
        CHECK:
          - run: echo CHECK >> {effects}
        INIT:
          - run: echo INIT >> {effects}
        PRE:
          - run: echo $CLARIVE_STEP $CLARIVE_ENVIRONMENT $CLARIVE_ATTEMPT; echo PRE >> {effects}
            save_as: built
          - write: {{path: out/answer.txt, content: "{{{{ built.output }}}}"}}
        RUN:
          - run: [cat, out/answer.txt]
            id: deploy
            name: "Deploy to {{{{ environment }}}}"
          - run: echo RUN >> {effects}
        POST:
          - log: "{{{{ job.name }}}} ended {{{{ outcome }}}}"
          - run: echo POST >> {effects}
        """,
    )
    job = create("all-steps", actor, comment="first")
    assert job.step != "CHECK"
    ended(job)
    assert (job.step, job.status, job.outcome, job.percent, job.reason) == (
        "END",
        "finished",
        "finished",
        100,
        "",
    )
    assert lines(effects) == ["CHECK", "INIT", "PRE", "RUN", "POST"]
    assert job.started_at is not None
    assert job.finished_at is not None
    text = log_of(job)
    assert text.count("PRE DEV 1") == 2
    assert f"{job.name} ended finished" in text
    deploy = OperationRun.objects.get(job=job, identifier="deploy")
    assert (deploy.name, deploy.status, deploy.value) == (
        "Deploy to DEV",
        "completed",
        {"returncode": 0, "output": "PRE DEV 1\n"},
    )
    record = AuditRecord.objects.get(job_id=job.pk)
    assert (record.action, record.user, record.source, record.comment) == (
        "create",
        actor.user.username,
        "api",
        "first",
    )


def test_check_refuses_with_the_rule_s_message_and_there_is_no_job(actor: Actor, crew: Workers) -> None:
    rule("picky", 'CHECK:\n  - fail: "Not on {{ environment }}"\nRUN:\n  - log: never')
    with pytest.raises(CheckFailed, match="Not on DEV"):
        create("picky", actor)
    assert not Job.objects.exists()
    assert not LogChunk.objects.exists()


def test_a_failing_init_leaves_the_job_at_end_in_error(actor: Actor, crew: Workers) -> None:
    rule("bad-init", "INIT:\n  - fail: no disk\nPRE:\n  - log: never")
    job = create("bad-init", actor)
    assert (job.step, job.status, job.reason) == ("END", "error", "no disk")
    assert not OperationRun.objects.filter(step="PRE").exists()


def test_a_failing_run_still_runs_post_and_ends_in_error(actor: Actor, crew: Workers) -> None:
    rule(
        "bad-run",
        "RUN:\n  - run: exit 3\n    id: broken\n  - log: never\nPOST:\n  - log: 'outcome {{ outcome }}'",
    )
    job = ended(create("bad-run", actor))
    assert (job.step, job.status, job.outcome) == ("END", "error", "error")
    assert job.reason == "The command ended with return code 3."
    assert "outcome error" in log_of(job)
    assert OperationRun.objects.get(identifier="broken").value == {"returncode": 3, "output": ""}


def test_run_waits_for_its_date(actor: Actor, crew: Workers, tmp_path: Path) -> None:
    rule("later", f"PRE:\n  - run: echo pre >> {tmp_path}/e\nRUN:\n  - run: echo run >> {tmp_path}/e")
    due = timezone.now() + timedelta(seconds=3)
    job = at(create("later", actor, scheduled_at=due), "RUN", "ready")
    assert lines(tmp_path / "e") == ["pre"]
    assert job.claim is None
    ended(job)
    assert lines(tmp_path / "e") == ["pre", "run"]
    assert job.run_began_at is not None
    assert job.run_began_at >= due


def test_a_run_that_did_not_begin_in_time_expires(actor: Actor, crew: Workers) -> None:
    rule("slow-pre", "PRE:\n  - sleep: 3s\nRUN:\n  - log: never")
    now = timezone.now()
    job = create("slow-pre", actor, scheduled_at=now, max_start_at=now + timedelta(seconds=2))
    ended(job)
    assert (job.step, job.status) == ("RUN", "expired")
    assert "max start date" in job.reason


def test_no_worker_in_time_is_no_job_also_when_one_comes_later(
    actor: Actor, workers: Workers, settings: Settings
) -> None:
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 1
    rule("lonely", "RUN:\n  - log: never")
    with pytest.raises(NoWorker):
        create("lonely", actor)
    request = CreationRequest.objects.get()
    workers.start_worker(("daemon", "create"))
    dispatch.send_create_hint(str(request.pk))
    until(lambda: messages_in("create") == 0, 10)
    request.refresh_from_db()
    assert request.state == "abandoned"
    assert not Job.objects.exists()


def test_a_check_that_takes_too_long_is_no_job(actor: Actor, crew: Workers, settings: Settings) -> None:
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 1
    rule("slow-check", "CHECK:\n  - run: sleep 30\nRUN:\n  - log: never")
    with pytest.raises(NoWorker):
        create("slow-check", actor)
    assert not Job.objects.exists()


def test_a_revision_is_in_one_active_job_per_environment(actor: Actor, crew: Workers, tmp_path: Path) -> None:
    shas = make_repository(tmp_path / "repo", {"v1.0.0": "one", "v1.1.0": "two"})
    project = ProjectFactory.create(repository=str(tmp_path / "repo"))
    rule("carry", "PRE:\n  - git: {directory: src}\n  - run: cat src/version.txt\nRUN:\n  - log: never")
    later = timezone.now() + timedelta(hours=1)
    wish = {"project": project.code, "scheduled_at": later}
    job = create("carry", actor, revisions=("v1.0.0",), **wish)
    assert [(revision.ref, revision.sha) for revision in job.revisions.all()] == [("v1.0.0", shas["v1.0.0"])]
    with pytest.raises(RevisionInActiveJob) as refused:
        create("carry", actor, revisions=(shas["v1.0.0"],), **wish)
    assert refused.value.job_name == job.name
    create("carry", actor, revisions=("v1.1.0",), **wish)
    at(job, "RUN", "ready")
    assert "one" in log_of(job)
    with pytest.raises(InvalidInput) as unknown:
        create("carry", actor, revisions=("v9.9.9",), **wish)
    assert list(unknown.value.errors) == ["revisions[0].ref"]
    assert Job.objects.count() == 2


def test_two_askers_at_once_make_one_job_of_a_revision(actor: Actor, crew: Workers, tmp_path: Path) -> None:
    make_repository(tmp_path / "repo", {"v1.0.0": "one"})
    project = ProjectFactory.create(repository=str(tmp_path / "repo"))
    rule("race", "RUN:\n  - log: x")
    results: list[object] = []

    def ask() -> None:
        try:
            results.append(
                create(
                    "race",
                    actor,
                    project=project.code,
                    revisions=("v1.0.0",),
                    scheduled_at=timezone.now() + timedelta(hours=1),
                )
            )
        except RevisionInActiveJob as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, Job) for result in results) == 1
    assert sum(isinstance(result, RevisionInActiveJob) for result in results) == 3
    assert Job.objects.count() == 1


def processes_with(text: str) -> list[int]:
    """Return the processes whose command line holds ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in command and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def test_a_killed_worker_s_job_is_abend_in_time_nothing_of_it_is_left_and_the_next_job_runs(
    actor: Actor, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start_worker(("jobs",), 1, environment=LEASE)
    workers.start_worker(("daemon", "create"), 2, environment=LEASE)
    workers.start_beat(environment=LEASE)
    mark = f"{tmp_path}/mark"
    rule(
        "victim",
        f"""
        PRE:
          - run: |
              setsid sh -c 'trap "" TERM; while true; do sleep 0.1; true {mark}; done' &
              echo started
              sleep 600; true {mark}
          - log: never
        POST:
          - log: never
        """,
    )
    rule("next", "RUN:\n  - log: alive")
    job = create("victim", actor)
    until(lambda: "started" in log_of(job) and processes_with(mark), 15)
    # Long enough under way that the daemon has been steady for a lease.
    killed_at = timezone.now()
    worker.kill_group()
    at(job, "PRE", "abend", seconds=2 * 3 + 1.5)
    assert timezone.now() - killed_at < timedelta(seconds=2 * 3 + 1.5)
    assert "is gone" in job.reason
    assert processes_with(mark) == []
    assert OperationRun.objects.filter(job=job).count() == 1
    workers.start_worker(("jobs",), 1, environment=LEASE)
    assert ended(create("next", actor)).status == "finished"
    job.refresh_from_db()
    assert job.status == "abend"


def test_a_worker_told_to_stop_hands_over_after_the_operation_at_hand(
    actor: Actor, workers: Workers, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    first = workers.start_worker(("jobs",), 1, environment=LEASE)
    workers.start_worker(("daemon", "create"), 2, environment=LEASE)
    workers.start_beat(environment=LEASE)
    steps = "\n".join(f"  - run: echo {index} >> {effects}; sleep 1" for index in range(4))
    rule("relay", f"RUN:\n{steps}")
    job = create("relay", actor)
    until(lambda: lines(effects) == ["0", "1"], 15)
    first.term()
    until(lambda: not first.is_running, 10)
    job.refresh_from_db()
    assert (job.step, job.status, job.claim) == ("RUN", "running", None)
    assert lines(effects) == ["0", "1"]
    workers.start_worker(("jobs",), 1, environment=LEASE)
    assert ended(job).status == "finished"
    assert lines(effects) == ["0", "1", "2", "3"]
    assert job.attempt == 1


def test_emptying_the_broker_while_jobs_are_under_way_loses_and_doubles_nothing(
    actor: Actor, crew: Workers, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    rule(
        "counted",
        "\n".join(
            f"{step}:\n  - run: echo $CLARIVE_JOB_ID {step} >> {effects}" for step in ("PRE", "RUN", "POST")
        ),
    )
    jobs: list[Job] = []
    emptied = 0
    for number in range(1, UNDER_WAY + 1):
        jobs.append(create("counted", actor))
        if number % (UNDER_WAY // 10) == 0:
            empty_broker()
            emptied += 1
    until(lambda: not Job.objects.exclude(status="finished").exists(), 120, "the end of all jobs")
    assert emptied == 10
    expected = sorted(f"{job.pk} {step}" for job in jobs for step in ("PRE", "RUN", "POST"))
    assert sorted(lines(effects)) == expected


def test_two_runners_never_take_the_same_job(actor: Actor, workers: Workers, settings: Settings) -> None:
    workers.start_worker(("daemon", "create"), 2)
    rule("taken", "RUN:\n  - log: x")
    later = timezone.now() + timedelta(hours=1)
    jobs = [create("taken", actor, scheduled_at=later) for _ in range(5)]
    taken: list[int] = []

    def take() -> None:
        try:
            while (job := runner.take_due("a thread")) is not None:
                taken.append(job.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [job.pk for job in jobs]


def test_a_tick_beside_another_does_nothing(transactional_db: None) -> None:
    assert daemon.tick() is True
    results: list[bool] = []

    def other() -> None:
        try:
            results.append(daemon.tick())
        finally:
            connection.close()

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [daemon.ADVISORY_LOCK])
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [daemon.ADVISORY_LOCK])
    assert results == [False]
