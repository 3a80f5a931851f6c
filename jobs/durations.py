"""What finished jobs took, kept for the estimates of those to come, and the forecast of a job as it changes.

The forecast is made by whoever changes the job and lies on its row, so reading it costs nothing but the row.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean
from threading import Lock
from typing import Any, Final

from django.db import connection
from django.db.models import F, Func, JSONField

from jobs.bundle import Bundle
from jobs.eta.accuracy import Answer
from jobs.eta.forecast import Estimator, Forecast, Sample, Seen, taken
from jobs.eta.recorded import seen_of
from jobs.eta.shape import STEPS, shape_of
from jobs.eta.survival import FEWEST, range_of
from jobs.lifecycle import ENDED, Event, State, Status
from jobs.models import Estimate, Job, OperationRun, Timing
from rules import selectors as rules
from rules.engine.outcomes import Record, RecordStatus
from rules.exceptions import RuleError
from rules.tree import RuleTree

KEPT: Final = 20
"""How many finished jobs of a rule in an environment are kept; contract, section 7."""

ESTIMATES_KEPT: Final = 600
"""How many estimates of a rule in an environment are kept, to say how good they were."""

# One round trip. What another job of the same rule is forgetting right now need not be waited for.
_KEEP: Final = """
INSERT INTO jobs_timing (job_id, rule_id, environment_id, seconds) VALUES (%s, %s, %s, %s::jsonb);
UPDATE jobs_estimate SET actual = work.seconds
FROM unnest(%s::text[], %s::float8[]) AS work(step, seconds)
WHERE job_id = %s AND attempt = %s AND jobs_estimate.step = work.step;
DELETE FROM jobs_timing WHERE id IN (
    SELECT id FROM jobs_timing WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC OFFSET %s FOR UPDATE SKIP LOCKED
);
DELETE FROM jobs_estimate WHERE id IN (
    SELECT id FROM jobs_estimate WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC OFFSET %s FOR UPDATE SKIP LOCKED
)
"""
_NOTE: Final = """
INSERT INTO jobs_estimate (job_id, rule_id, environment_id, attempt, step, at, p50, p90, rivals)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING
"""
_UNDOES: Final = frozenset({Event.UNDO, Event.ASK_ROLLBACK})


def estimator_of(job: Job, tree: RuleTree | None = None) -> Estimator | None:
    """Return what forecasts a job, ``None`` while too few like it have finished. One query of bounded size.

    Args:
        job: Saved or not.
        tree: Its linked rule, when it is at hand.
    """
    samples = _samples(job.rule_id, job.environment_id)
    if len(samples) < FEWEST:
        return None
    known = tree or _tree(job)
    return Estimator(shape_of(known), samples) if known is not None else None


# What a process has read before is not sent to it again: a sample never changes.
_NEWEST: Final = """
SELECT id, job_id, CASE WHEN id = ANY(%s) THEN NULL ELSE seconds::text END
FROM jobs_timing WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC LIMIT %s
"""
_MOST_REMEMBERED: Final = 256
_remembered: Final[OrderedDict[tuple[int, int], dict[tuple[int, int], Sample]]] = OrderedDict()
"""Samples by row and job, by rule and environment; those that were used last are at the end."""
_remembering: Final = Lock()


def _samples(rule_id: int, environment_id: int) -> tuple[Sample, ...]:
    """Return what the last jobs of a rule in an environment took, newest first."""
    known = _remembered.get((rule_id, environment_id), {})
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [[row for row, _job in known], rule_id, environment_id, KEPT])
        rows = cursor.fetchall()
    samples = {(row, job): known.get((row, job)) or _sample(row, data) for row, job, data in rows}
    with _remembering:
        _remembered[rule_id, environment_id] = samples
        _remembered.move_to_end((rule_id, environment_id))
        if len(_remembered) > _MOST_REMEMBERED:
            _remembered.popitem(last=False)
    return tuple(samples.values())


def _sample(row: int, data: str | None) -> Sample:
    """Return a sample; one that was not sent was known of another job, which had the same number in another database."""
    if data is None:
        return Sample.from_data(Timing.objects.values_list("seconds", flat=True).get(pk=row))
    return Sample.from_data(json.loads(data))


def forecast_new(job: Job, tree: RuleTree, now: datetime) -> Estimator | None:
    """Put the forecast of a job that is being created on it; return who made it."""
    estimator = estimator_of(job, tree)
    _put(job, estimator.forecast(job.step, lambda path: None, now) if estimator else None)
    return estimator


def follow(
    job: Job,
    event: Event,
    after: State,
    now: datetime,
    seen: Mapping[str, Seen] | None = None,
    bundle: Bundle | None = None,
) -> None:
    """Let the forecast on a locked job follow an event, and keep what the job took once it has finished.

    Args:
        job: With everything but this as it is after the event; not saved yet.
        event: What happened.
        after: Where the job is now.
        now: The present.
        seen: See ``seen_by``; read when it is not given.
        bundle: To which what is kept is added; it is written at once without.
    """
    if after.status in ENDED or event in _UNDOES:
        job.forecast = None
        if event is Event.STEP_OK and after.status is Status.FINISHED:
            _keep(job, _seen(job) if seen is None else seen, bundle)
    elif event is Event.RERUN:
        estimator = estimator_of(job)
        known = _seen(job).get if estimator else None
        _put(job, estimator.forecast(job.step, known, now) if estimator and known else None)
    elif event is Event.START and job.forecast is not None:
        # Nobody worked at it until now.
        _put(job, replace(Forecast.from_data(job.forecast), at=now))


def _put(job: Job, forecast: Forecast | None) -> None:
    job.forecast = forecast.to_data() if forecast is not None else None


def _tree(job: Job) -> RuleTree | None:
    """Return the pinned rule with the rules it calls, ``None`` for one that no longer reads."""
    try:
        return rules.linked_tree(job.rule_version_id, job.rule_pins)
    except RuleError:
        return None


def _keep(job: Job, seen: Mapping[str, Seen], bundle: Bundle | None) -> None:
    """Keep what a finished job took, say of its estimates how much work it was, and forget the oldest of its like."""
    tree = _tree(job)
    if tree is None:
        return
    seconds = taken(shape_of(tree), seen.get)
    own = Estimator(shape_of(tree), (Sample.from_data(seconds),) * FEWEST)
    actual = [own.stories(step)[0] for step in STEPS]
    like, known = [job.rule_id, job.environment_id], [job.pk, job.attempt]
    values: list[Any] = [
        job.pk,
        *like,
        json.dumps(seconds),
        [*STEPS],
        actual,
        *known,
        *like,
        KEPT,
        *like,
        ESTIMATES_KEPT,
    ]
    written = bundle or Bundle()
    written.add(_KEEP, values)
    if bundle is None:
        written.send()


def seen_by(job: Job) -> dict[str, Seen]:
    """Return what is recorded of the job's attempt, for ``follow`` and ``note``: by path, but for loops and tries of groups."""
    return _seen(job)


def note(job: Job, estimator: Estimator, seen: Mapping[str, Seen]) -> Estimate | None:
    """Return what is said of a job whose step begins, to be written by ``write_note``: once a step.

    A step that goes on after a wait has its note already, and there is nothing to be said of what is over.

    Args:
        job: At the beginning of a walk.
        estimator: What forecasts it.
        seen: See ``seen_by``.
    """
    left = estimator.stories(job.step)
    if any(path.startswith(f"{job.step}/") for path in seen) or not left:
        return None
    eta = range_of(left)
    own = Sample.from_data(taken(estimator.shapes, seen.get))
    alone = Estimator(estimator.shapes, (own,) * FEWEST)
    spent = alone.stories(STEPS[0])[0] - alone.stories(job.step)[0]
    totals = estimator.stories(STEPS[0])
    pace = spent / job.operations_done if job.operations_done else 0.0
    by_count = pace * max(0, job.operations_expected - job.operations_done)
    rivals = [max(0.0, fmean(totals) - spent), max(0.0, totals[0] - spent), by_count]
    return Estimate(
        job_id=job.pk,
        rule_id=job.rule_id,
        environment_id=job.environment_id,
        attempt=job.attempt,
        step=job.step,
        at=datetime.now(UTC),
        p50=eta.p50,
        p90=eta.p90,
        rivals=rivals,
    )


def write_note(noted: Estimate, bundle: Bundle) -> None:
    """Add what ``note`` made to what is written together; writing it twice is writing it once."""
    like: list[Any] = [noted.job_id, noted.rule_id, noted.environment_id, noted.attempt, noted.step]
    bundle.add(_NOTE, [*like, noted.at, noted.p50, noted.p90, json.dumps(noted.rivals)])


def answers(rule_id: int | None, environment_id: int | None) -> list[Answer]:
    """Return what was said of jobs that have finished since, and how it was.

    Args:
        rule_id: Of this rule only.
        environment_id: Only there.
    """
    rows = Estimate.objects.filter(actual__isnull=False)
    rows = rows.filter(rule_id=rule_id) if rule_id is not None else rows
    rows = rows.filter(environment_id=environment_id) if environment_id is not None else rows
    return [_answer(row) for row in rows.iterator()]


def newest_answers(environments: Collection[int], most: int) -> list[tuple[int, int, Answer]]:
    """Return rule, environment and answer of the newest estimates whose jobs have finished.

    Args:
        environments: Keys of those where.
        most: So many at most.
    """
    rows = Estimate.objects.filter(actual__isnull=False, environment_id__in=environments)
    return [(row.rule_id, row.environment_id, _answer(row)) for row in rows.order_by("-id")[:most].iterator()]


def _answer(row: Estimate) -> Answer:
    return Answer(row.p50, row.p90, row.actual or 0.0, (row.rivals[0], row.rivals[1], row.rivals[2]))


def _seen(job: Job) -> dict[str, Seen]:
    """Return what is recorded of the present attempt, but for what is in loops and in tries of groups."""
    runs = OperationRun.objects.filter(job=job, attempt=job.attempt).exclude(path__contains="[")
    # The items of a loop may be many, and say nothing about time.
    decided = Func(F("memo"), template="(%(expressions)s - 'items')", output_field=JSONField())
    rows = runs.annotate(decided=decided).values_list(
        "path", "status", "decided", "started_at", "finished_at"
    )
    return {
        path: seen_of(Record(RecordStatus(status), memo=memo, started_at=began, finished_at=ended))
        for path, status, memo, began, ended in rows
    }
