"""Estimates in the product: kept when a job finishes, made by whoever works, read from the row."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from math import ceil
from random import Random
from statistics import median
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from jobs import creation, durations, making, transitions
from jobs.actions.lookup import make_plan
from jobs.audit import Actor
from jobs.execution import checkpoints
from jobs.lifecycle import Event, Step
from jobs.models import CreationRequest, Estimate, Job, Timing
from jobs.monitor import preview, times
from jobs.monitor.job_form import Chosen
from jobs.representation import represent_job
from jobs.transitions import Change
from jobs.wishes import Plan, Wish
from rules import selectors as rules
from tests.engine import job_of, rule, run_all, serve
from tests.factories import EnvironmentFactory, JobFactory, happen, user_with
from tests.life import Cast, fresh
from tests.pages import Reader, version, words

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = """
PRE:
  - log: build
RUN:
  - approval: {approvers: ["group:qa"]}
  - parallel:
      - log: here
      - log: there
POST:
  - log: said
"""


def _kept(job: Job, took: dict[str, float], times: int) -> None:
    """Pretend that jobs like this one took so long."""
    data = {path: [path, "log", seconds] for path, seconds in took.items()}
    Timing.objects.bulk_create(
        Timing(job_id=0, rule_id=job.rule_id, environment_id=job.environment_id, seconds=data)
        for _ in range(times)
    )


def test_what_a_finished_job_took_is_kept_and_the_oldest_forgotten(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durations, "FORGETS_ONE_IN", 1)
    request = serve(rule("kept", "PRE:\n  - log: once\nRUN:\n  - foreach: {items: [1, 2], do: [{log: x}]}"))
    job = job_of(request)
    _kept(job, {"PRE/0": 1.0}, 25)
    assert job.forecast is None
    run_all()
    job.refresh_from_db()
    assert (job.status, job.forecast) == ("finished", None)
    rows = Timing.objects.filter(rule_id=job.rule_id).order_by("-id")
    assert len(rows) == durations.KEPT
    assert rows[0].job_id == job.pk
    assert list(rows[0].seconds) == ["PRE/0", "RUN/0"]
    assert 0 <= rows[0].seconds["PRE/0"][2] < 5


def test_the_estimate_follows_the_job_and_waits_with_it(broker: str) -> None:
    cast = Cast()
    job = cast.job(STEPS)
    _kept(job, {"PRE/0": 100.0, "RUN/1/parallel/0": 30.0, "RUN/1/parallel/1": 50.0, "POST/0": 7.0}, 3)
    durations.forecast_new(job, rules.linked_tree(job.rule_version_id, job.rule_pins), timezone.now())
    job.save()
    assert represent_job(job)["progress"]["eta"] == {"p50": 157, "p90": 157}
    run_all()
    job = fresh(job)
    assert job.status == "pending_approval"
    # PRE is over, the approval is nobody's work, and while it is waited for nothing gets less.
    assert represent_job(job)["progress"]["eta"] == {"p50": 57, "p90": 57}
    assert job.eta(timezone.now() + timedelta(days=1)) == (57, 57)
    with CaptureQueriesContext(connection) as queries:
        job.eta(timezone.now())
    assert len(queries) == 0
    happen(job, Event.CANCEL)
    job = fresh(job)
    assert job.forecast is None
    assert represent_job(job)["progress"]["eta"] is None
    # A new attempt is foreseen from where it begins.
    with transaction.atomic():
        change = Change(Event.RERUN, timezone.now(), asked_step=Step.PRE)
        again = transitions.apply(transitions.lock(job.pk), change)
    assert again.eta(timezone.now()) == (157, 157)


def _foreseen(job: Job, took: dict[str, float]) -> Job:
    """Let jobs like this one have taken so long before it was made."""
    _kept(job, took, 3)
    durations.forecast_new(job, rules.linked_tree(job.rule_version_id, job.rule_pins), timezone.now())
    job.save()
    return job


def test_each_estimate_that_is_news_is_kept_with_how_it_was_and_told(broker: str) -> None:
    cast = Cast()
    job = cast.job(STEPS.replace('  - approval: {approvers: ["group:qa"]}\n', ""))
    assert "No job" in _accuracy()
    _foreseen(job, {"PRE/0": 100.0, "RUN/0/parallel/0": 30.0, "RUN/0/parallel/1": 50.0, "POST/0": 7.0})
    with CaptureQueriesContext(connection) as queries:
        run_all()
    assert fresh(job).status == "finished"
    # Each beside what it is about, none in a statement of its own; the judging is a look with the last, and one more.
    about = [query["sql"] for query in queries if "jobs_estimate" in query["sql"]]
    assert [sql.split()[0] for sql in about] == ["INSERT"] * 4
    found = list(Estimate.objects.filter(job_id=job.pk).order_by("at"))
    # What is said is what is left at that instant: a slow machine has spent a second or two by then.
    assert [row.p50 for row in found] == pytest.approx([157, 57, 7], abs=5)
    assert [row.step for row in found] == ["PRE", "PRE", "RUN"]
    for row in found:
        assert row.p50 == pytest.approx(row.p90, abs=1)
        assert row.actual is not None
        assert 0 <= row.actual < 5
        assert row.rivals[:2] == pytest.approx([157, 157], abs=5)
    assert _accuracy() == "3 answers: too few to judge. There have to be 20.\n"
    assert "3 answers" in _accuracy(rule=job.rule.slug, environment="prod")
    with pytest.raises(CommandError, match="no rule 'none'"):
        _accuracy(rule="none")


def test_what_is_said_after_waits_and_reruns_is_kept_too(broker: str) -> None:
    cast = Cast()
    job = _foreseen(cast.job(STEPS), {"PRE/0": 100.0, "RUN/1/parallel/1": 50.0, "POST/0": 7.0})
    run_all()
    cast.do(job, "qa", "approve")
    run_all()
    assert fresh(job).status == "finished"
    said = Estimate.objects.filter(job_id=job.pk).order_by("at")
    # Waiting makes nothing less, and what was said then is said again when work goes on.
    assert list(said.values_list("p50", flat=True)) == pytest.approx([157, 57, 57, 7], abs=5)
    cast.do(job, "op", "rerun", step="POST")
    run_all()
    again = said.filter(attempt=2)
    # The attempt before took no second, and it is one of four now.
    assert [(row.step, row.actual is not None) for row in again] == [("POST", True)]


def test_what_is_written_twice_is_said_once(broker: str) -> None:
    job = JobFactory.at("RUN", "running")
    assert job.claim is not None
    row = {"step": "RUN", "at": timezone.now().isoformat(), "p50": 5, "p90": 8, "rivals": [1.0, 2.0, 3.0]}
    runner = checkpoints.Runner(job.pk, job.claim, job.attempt, job.step)
    for _ in range(2):
        checkpoints.write(runner, [], done=0, percent=0, said=[row])
    kept = Estimate.objects.get(job_id=job.pk)
    assert (kept.rule_id, kept.environment_id, kept.p90) == (job.rule_id, job.environment_id, 8)
    lost = checkpoints.Runner(job.pk, uuid4(), job.attempt, job.step)
    checkpoints.write(lost, [], done=0, percent=0, said=[{**row, "at": "2026-01-01T00:00:00Z"}])
    assert Estimate.objects.filter(job_id=job.pk).count() == 1


def _accuracy(**options: str) -> str:
    out = StringIO()
    call_command("eta_accuracy", stdout=out, **options)
    return out.getvalue()


def test_the_command_says_how_good_the_estimates_and_the_three_rivals_were() -> None:
    job = JobFactory.at("END", "finished")
    for number, actual in enumerate((100.0, 200.0) * 10):
        Estimate.objects.create(
            job_id=job.pk, rule_id=job.rule_id, environment_id=job.environment_id, attempt=1, step="RUN",
            at=timezone.now() + timedelta(seconds=number), p50=actual * 1.1, p90=actual * 1.5,
            rivals=[actual * 1.2, actual * 0.7, actual * 2], actual=actual,
        )  # fmt: skip
    first, second, _blank, head, *rows = _accuracy().splitlines()
    assert (first, second) == ("20 answers", "p90 was enough for 100.0%, p50 for 100.0%")
    assert head.split() == ["median", "error", "of", "what", "was", "left", "in", "seconds"]
    assert [" ".join(row.split()) for row in rows] == [
        "p50 10.0% 15.0", "mean of all 20.0% 30.0", "last run 30.0% 45.0", "operation count 100.0% 150.0",
    ]  # fmt: skip


def test_what_the_form_says_before_there_is_a_job_is_what_is_recorded_of_the_job_that_it_makes(
    broker: str,
) -> None:
    """Nobody can say how good it was without a job; with one it is that job's first estimate."""
    slug = rule("foreseen", "PRE:\n  - log: build\nRUN:\n  - log: deploy")
    like = job_of(serve(slug))
    _kept(like, {"PRE/0": 60.0, "RUN/0": 240.0}, 2)
    _kept(like, {"PRE/0": 100.0, "RUN/0": 900.0}, 2)
    run_all()
    tree = rules.linked_tree(like.rule_version_id, like.rule_pins)
    said = preview._usual(Chosen(environment=like.environment, version=like.rule_version), tree)
    assert said is not None
    now, actor = timezone.now(), Actor(like.created_by, "api")
    request = CreationRequest.objects.create(
        wish=make_plan(Wish(slug, environment="DEV"), actor, now).to_data(), actor=like.created_by, source="api",
        created_at=now, deadline=now + timedelta(seconds=30),
    )  # fmt: skip
    creation.serve(str(request.pk), "test")
    request.refresh_from_db()
    job = job_of(request)
    run_all()
    first = Estimate.objects.filter(job_id=job.pk).order_by("at")[0]
    assert said.span == times.between(first.p50, first.p90)
    assert (fresh(job).status, first.actual is not None) == ("finished", True)


def test_three_samples_are_asked_for_and_read_in_one_query(broker: str) -> None:
    job = JobFactory.at("END", "error")
    _kept(job, {"RUN/0": 30.0}, 2)
    assert durations.estimator_of(job) is None
    _kept(job, {"RUN/0": 30.0}, 1)
    with CaptureQueriesContext(connection) as queries:
        assert durations.estimator_of(job) is not None
    assert sum("jobs_timing" in query["sql"] for query in queries) == 1


def test_progress_is_counted_against_what_a_slow_look_at_all_history_says(broker: str) -> None:
    del broker
    request = serve(rule("history", "RUN:\n  - log: x\n  - log: y"))
    model = job_of(request)
    other = EnvironmentFactory.create(code="OTHER")
    plan = Plan.from_data(request.wish)
    tree = rules.linked_tree(model.rule_version_id, model.rule_pins)
    assert making.expectation(plan, tree) == (2, "tree")
    random = Random(5)
    for number in range(60):
        environment = other if number < 30 or random.random() < 0.5 else model.environment
        _history(model, environment.pk, number, random.randint(1, 9), finished=random.random() < 0.7)
        finished = Job.objects.filter(rule=model.rule, status="finished").order_by("-id")
        here = [job.operations_done for job in finished if job.environment_id == plan.environment_id]
        anywhere = [job.operations_done for job in finished]
        if number % 7 and number < 55:
            continue
        expected = (
            (ceil(median(here[:20])), "environment") if here
            else (ceil(median(anywhere[:20])), "rule") if anywhere
            else (2, "tree")
        )  # fmt: skip
        assert making.expectation(plan, tree) == expected


def _history(model: Job, environment_id: int, number: int, done: int, *, finished: bool) -> None:
    job = Job.objects.get(pk=model.pk)
    job.pk, job.name, job.environment_id, job.operations_done = None, f"H{number}", environment_id, done
    job.claim = job.lease_expires_at = job.due_at = None
    job.step, job.status = "END", "finished" if finished else "error"
    job.finished_at = timezone.now()
    job.save(force_insert=True)


def test_the_pages_say_how_much_is_left() -> None:
    here = EnvironmentFactory.create(code="DEV")
    reader = Reader(user_with("view_monitor", environments=[here]), language="en")
    at = timezone.now().isoformat()
    forecast = {"at": at, "current": [200.0, 210.0, 400.0], "rest": [0.0] * 3}
    job = JobFactory.at("RUN", "ready", environment=here)
    Job.objects.filter(pk=job.pk).update(forecast=forecast)
    page = reader.get(f"/jobs/{job.pk}/")
    assert "4–9 min of work left" in words(page)
    rows = reader.get("/")
    assert "4–9 min" in words(rows)
    assert reader.poll("/", version(rows)).status_code == 204
    Job.objects.filter(pk=job.pk).update(forecast=None)
    assert reader.poll("/", version(rows)).status_code == 200
    assert "of work left" not in words(reader.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0, 0, "0 s"), (3, 8, "5–10 s"), (70, 119, "70–120 s"), (0, 300, "0–5 min"), (300, 300, "5 min"),
     (600, 8000, "0–3 h"), (86_400, 259_200, "1–3 days")],
)  # fmt: skip
def test_a_range_is_told_in_one_unit(low: int, high: int, text: str) -> None:
    with translation.override("en"):
        assert times.between(low, high) == text
