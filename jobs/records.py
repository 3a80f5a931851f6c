"""Records of operations outside of a runner: answers of people change them, new attempts take them over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from jobs.choices import UndoState
from jobs.exceptions import InvalidInput
from jobs.lifecycle import Step
from jobs.models import Job, OperationRun
from rules import selectors as rules
from rules.engine import reuse, skipping, waits
from rules.engine.outcomes import Record, RecordStatus
from rules.engine.registry import registry
from rules.exceptions import RuleError
from rules.tree import ancestors, static_path, walk

STEPS: Final = (Step.INIT, Step.PRE, Step.RUN, Step.POST)
UNDOABLE: Final = Q(undo=UndoState.COMPLETED, status="completed") | Q(undo=UndoState.BEGUN) & (
    Q(status__in=("completed", "failed", "ignored", "running", "waiting"))
    | Q(status="skipped", memo__has_key=waits.TRAPPED)
)
"""Of operations: what they did is still there and can be undone, as ``rules.engine.undo.is_to_undo`` says."""

_CARRY: Final = """
INSERT INTO jobs_operationrun (job_id, attempt, path, identifier, name, key, step, status, value, memo, error,
started_at, finished_at, undo, ran_in)
SELECT job_id, %(attempt)s, path, identifier, name, key, step, status, value, memo, error, started_at, finished_at, undo,
COALESCE(ran_in, attempt)
FROM jobs_operationrun
WHERE job_id = %(job)s AND attempt = %(before)s AND path !~ '/rollback/'
    AND (step = ANY(%(steps)s) OR path = ANY(%(paths)s))
ORDER BY id
"""
_PLACE: Final = r"regexp_replace(path, '/retry\[[0-9]+\]|\[[0-9]+\]', '', 'g')"
_OVER: Final = """
FROM jobs_operationrun
WHERE job_id = %(job)s AND attempt = %(attempt)s AND step = ANY(%(steps)s)
    AND status IN ('completed', 'skipped', 'ignored') AND path !~ '/rollback/'
"""
# The second column is nearly always empty: what people skipped that holds other operations.
_DONE: Final = f"""
SELECT count(DISTINCT {_PLACE}) FILTER (WHERE NOT key = ANY(%(composites)s)),
    array_agg(path) FILTER (WHERE key = ANY(%(composites)s) AND status = 'skipped' AND memo ? '{waits.TRAPPED}')
{_OVER}
"""
_DONE_PLACES: Final = f"SELECT DISTINCT {_PLACE} {_OVER} AND NOT key = ANY(%(composites)s)"


def record_of(run: OperationRun) -> Record:
    """Return a row as the engine knows it."""
    return Record(RecordStatus(run.status), run.value, run.memo, run.error, run.started_at, run.finished_at)


def waiting_record(job: Job, path: str) -> Record:
    """Return the record of the operation at which a locked job stands."""
    return record_of(OperationRun.objects.get(job=job, attempt=job.attempt, path=path))


def write(job: Job, path: str, record: Record) -> None:
    """Change the record of one operation of a locked job's attempt that no runner has."""
    OperationRun.objects.filter(job=job, attempt=job.attempt, path=path).update(
        status=record.status.value,
        value=record.value,
        memo=dict(record.memo),
        error=record.error,
        started_at=record.started_at,
        finished_at=record.finished_at,
    )


def excuse(job: Job, path: str, stood: timedelta) -> None:
    """Let the time limits of the operations around ``path`` not count the time that the job stood there."""
    for around, tries in ancestors(path):
        write(job, around, waits.excused(waiting_record(job, around), tries, stood))


def has_undoable(job: Job, steps: Iterable[Step]) -> bool:
    """Return whether something that these steps of the present attempt did can be undone."""
    runs = OperationRun.objects.filter(UNDOABLE, job=job, attempt=job.attempt, step__in=list(steps))
    return runs.exists()


def done(job_id: int, attempt: int, steps: Iterable[str]) -> int:
    """Return how many leaf operations these steps of the attempt have done or skipped, a loop's body counted once.

    What a person skipped counts with all that it holds, see ``rules.engine.skipping``.
    """
    composites = [operation.key for operation in registry if operation.walk is not None]
    values: dict[str, int | list[str]] = {
        "job": job_id,
        "attempt": attempt,
        "steps": [str(step) for step in steps],
        "composites": composites,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DONE, values)
        count, skipped = cursor.fetchone()
        if not skipped:
            return int(count)
        cursor.execute(_DONE_PLACES, values)
        places = {place for (place,) in cursor.fetchall()}
    return len(places | _skipped_within(job_id, attempt, skipped))


def _skipped_within(job_id: int, attempt: int, paths: list[str]) -> set[str]:
    """Return the places of the leaf operations that were skipped together with what holds them.

    Args:
        job_id: Whose.
        attempt: Of which attempt.
        paths: Of operations that people skipped and that hold others.
    """
    version_id, pins = Job.objects.values_list("rule_version_id", "rule_pins").get(pk=job_id)
    try:
        tree = rules.linked_tree(version_id, pins)
    except RuleError:
        return set()  # A rule that is not accepted any more: what is recorded is all that can be counted.
    nodes = {place: node for step in STEPS for place, node in walk(tree.operations(step), step.value)}
    within = Q()
    for path in paths:
        within |= Q(path=path) | Q(path__startswith=f"{path}/")
    runs = OperationRun.objects.filter(within, job_id=job_id, attempt=attempt)
    known = {
        path: Record(RecordStatus(status), memo=memo)
        for path, status, memo in runs.values_list("path", "status", "memo")
    }
    return {
        place
        for path in paths
        for place in skipping.skipped_within(nodes[static_path(path)], path, known.get)
    }


def place_of(job: Job, step: Step, operation: str) -> str:
    """Return the path of an operation that the job's attempt has reached in ``step``.

    Args:
        job: Whose.
        step: Where to look.
        operation: Path or ``id``; of several turns of a loop the first one that was not done.

    Raises:
        InvalidInput: There is none, or the job never got there.
    """
    runs = OperationRun.objects.filter(job=job, attempt=job.attempt, step=step).exclude(
        path__contains="/rollback/"
    )
    found = list(runs.filter(Q(path=operation) | Q(identifier=operation)).order_by("id"))
    if not found:
        message = f"{step} has not reached an operation {operation[:100]!r} in attempt {job.attempt}."
        raise InvalidInput({"from_operation": [message]})
    over = {RecordStatus.COMPLETED, RecordStatus.SKIPPED, RecordStatus.IGNORED}
    return next((run.path for run in found if RecordStatus(run.status) not in over), found[0].path)


def carry_over(job: Job, before: int, upto: Step | None, start: str, now: datetime) -> int:
    """Let a new attempt reuse results of the one before it; return how many leaf operations are done with that.

    Args:
        job: Locked, with its new attempt.
        before: The attempt that ended.
        upto: The steps before this one are kept; ``None`` keeps all.
        start: Path of the operation in ``upto`` that runs first, empty for the step's beginning.
        now: The present.
    """
    steps = [step.value for step in STEPS if upto is None or STEPS.index(step) < STEPS.index(upto)]
    paths: set[str] = set()
    opened: dict[str, Record] = {}
    runs: dict[str, OperationRun] = {}
    if start:
        runs = {run.path: run for run in OperationRun.objects.filter(job=job, attempt=before, step=upto)}
        paths, opened = reuse.kept({path: record_of(run) for path, run in runs.items()}, start, now)
    with connection.cursor() as cursor:
        values: dict[str, int | list[str]] = {
            "job": job.pk,
            "attempt": job.attempt,
            "before": before,
            "steps": steps,
            "paths": list(paths),
        }
        cursor.execute(_CARRY, values)
    OperationRun.objects.bulk_create(_row(job, runs[path], record) for path, record in opened.items())
    return done(job.pk, job.attempt, [step.value for step in STEPS])


def _row(job: Job, run: OperationRun, record: Record) -> OperationRun:
    return OperationRun(
        job=job,
        attempt=job.attempt,
        path=run.path,
        identifier=run.identifier,
        name=run.name,
        key=run.key,
        step=run.step,
        status=record.status.value,
        memo=dict(record.memo),
        started_at=record.started_at,
        undo=run.undo,
    )
