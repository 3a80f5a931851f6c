"""What finished jobs took, kept for the estimates of those to come, and the forecast of a job as it changes.

The forecast is made by whoever changes the job and lies on its row, so reading it costs nothing but the row.
"""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, Final

from django.db.models import F, Func, JSONField

from clarive_monitor import prepared
from jobs.bundle import Bundle
from jobs.eta.accuracy import Answer
from jobs.eta.forecast import Estimator, Forecast, Sample, Seen, taken
from jobs.eta.recorded import seen_of
from jobs.eta.shape import shape_of
from jobs.eta.survival import FEWEST
from jobs.eta.worked import left
from jobs.lifecycle import ENDED, Event, State, Status
from jobs.models import Estimate, Job, OperationRun, Timing
from rules import selectors as rules
from rules.engine.outcomes import Record, RecordStatus
from rules.exceptions import RuleError
from rules.tree import RuleTree

KEPT: Final = 20
"""How many finished jobs of a rule in an environment are kept; contract, section 7."""

ESTIMATES_KEPT: Final = 2000
"""How many estimates of a rule in an environment are kept, to say how good they were."""

FORGETS_ONE_IN: Final = 16
"""One of so many jobs that finish, by chance, forgets what there is too much of its like: it costs more than what is kept."""

_KEEP: Final = """
INSERT INTO jobs_timing (job_id, rule_id, environment_id, seconds) VALUES (%s, %s, %s, %s::jsonb);
UPDATE jobs_estimate SET actual = work.seconds
FROM unnest(%s::bigint[], %s::float8[]) AS work(id, seconds) WHERE jobs_estimate.id = work.id
"""
# What another job of the same rule is forgetting right now need not be waited for.
_FORGET: Final = """
DELETE FROM jobs_timing WHERE id IN (
    SELECT id FROM jobs_timing WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC OFFSET %s FOR UPDATE SKIP LOCKED
);
DELETE FROM jobs_estimate WHERE id IN (
    SELECT id FROM jobs_estimate WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC OFFSET %s FOR UPDATE SKIP LOCKED
)
"""
_SAID: Final = "SELECT id, at FROM jobs_estimate WHERE job_id = %s AND attempt = %s"
_UNDOES: Final = frozenset({Event.UNDO, Event.ASK_ROLLBACK})


def estimator_of(
    job: Job, tree: RuleTree | None = None, samples: tuple[Sample, ...] | None = None
) -> Estimator | None:
    """Return what forecasts a job, ``None`` while too few like it have finished. One query of bounded size.

    Args:
        job: Saved or not.
        tree: Its linked rule, when it is at hand.
        samples: What the last jobs like it took, newest first, when that is at hand.
    """
    if samples is None:
        samples = _samples(job.rule_id, job.environment_id)
    if len(samples) < FEWEST:
        return None
    known = tree or _tree(job)
    return Estimator(shape_of(known), samples) if known is not None else None


# What a process has read before is not sent to it again: a sample never changes.
NEWEST: Final = """
SELECT id, job_id, CASE WHEN id = ANY(%s) THEN NULL ELSE seconds::text END AS seconds
FROM jobs_timing WHERE rule_id = %s AND environment_id = %s ORDER BY id DESC LIMIT %s
"""
"""The last samples of a rule in an environment; values: ``newest_of``."""
_MOST_REMEMBERED: Final = 256
_remembered: Final[OrderedDict[tuple[int, int], dict[tuple[int, int], Sample]]] = OrderedDict()
"""Samples by row and job, by rule and environment; those that were used last are at the end."""
_remembering: Final = Lock()


def newest_of(rule_id: int, environment_id: int) -> list[Any]:
    """Return the values of ``NEWEST``."""
    known = _remembered.get((rule_id, environment_id), {})
    return [[row for row, _job in known], rule_id, environment_id, KEPT]


def _samples(rule_id: int, environment_id: int) -> tuple[Sample, ...]:
    """Return what the last jobs of a rule in an environment took, newest first."""
    with prepared.cursor() as cursor:
        cursor.execute(NEWEST, newest_of(rule_id, environment_id))
        return samples_in(cursor.fetchall(), rule_id, environment_id)


def samples_in(
    rows: Sequence[tuple[int, int, str | None]], rule_id: int, environment_id: int
) -> tuple[Sample, ...]:
    """Return the samples in rows of ``NEWEST``, and remember them."""
    known = _remembered.get((rule_id, environment_id), {})
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


def forecast_new(job: Job, tree: RuleTree, now: datetime, samples: tuple[Sample, ...] | None = None) -> None:
    """Put the forecast of a job that is being created on it; arguments as of ``estimator_of``."""
    estimator = estimator_of(job, tree, samples)
    _put(job, estimator.forecast(job.step, lambda path: None, now) if estimator else None)


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
        was_estimated, job.forecast = job.forecast is not None, None
        if event is Event.STEP_OK and after.status is Status.FINISHED:
            _keep(job, _seen(job) if seen is None else seen, bundle, was_estimated=was_estimated)
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


def _keep(job: Job, seen: Mapping[str, Seen], bundle: Bundle | None, *, was_estimated: bool) -> None:
    """Keep what a finished job took, say of its estimates how much work it was, and forget the oldest of its like."""
    tree = _tree(job)
    if tree is None:
        return
    shapes, written = shape_of(tree), bundle or Bundle()
    # What was said last is in the bundle.
    said = written.ask(_SAID, [job.pk, job.attempt]) if was_estimated else []
    like = [job.rule_id, job.environment_id]
    values: list[Any] = [
        job.pk,
        *like,
        json.dumps(taken(shapes, seen.get)),
        [estimate_id for estimate_id, _at in said],
        [left(shapes, seen.get, at) for _id, at in said],
    ]
    written.add(_KEEP, values)
    if random.randrange(FORGETS_ONE_IN) == 0:
        written.add(_FORGET, [*like, KEPT, *like, ESTIMATES_KEPT])
    if bundle is None:
        written.send()


def seen_by(job: Job) -> dict[str, Seen]:
    """Return what is recorded of the job's attempt, for ``follow`` and notebooks: by path, but for loops and tries of groups."""
    return _seen(job)


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
