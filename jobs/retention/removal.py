"""Taking away what policies let go: a few jobs a transaction, decided once more while they are locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from jobs import audit, transitions
from jobs.lifecycle import Event, State, Status, Step, next_state
from jobs.log.writer import append_entry
from jobs.models import AuditRecord, Job, JobTrim, RetentionPolicy
from jobs.retention.choosing import Choice, Chooser
from jobs.retention.rulebook import Removes, Rulebook

AT_ONCE: Final = 25
MOST_CHUNKS: Final = 200
"""So many rows of a log a statement; one holds up to 256 KiB of text."""

ACTIONS: Final = {Removes.LOG: "remove_log", Removes.FILES: "remove_files", Removes.JOB: "delete"}

_LONG: Final = """
SELECT job.id FROM unnest(%(jobs)s::bigint[]) job(id)
WHERE (SELECT count(*) FROM (SELECT FROM jobs_logchunk chunk WHERE chunk.job_id = job.id LIMIT %(most)s) one) = %(most)s
"""
_DRAIN: Final = """
DELETE FROM jobs_logchunk WHERE job_id = %(job)s AND first_line <= (
    SELECT max(first_line) FROM (
        SELECT first_line FROM jobs_logchunk WHERE job_id = %(job)s AND first_line <= %(upto)s
        ORDER BY first_line LIMIT %(most)s
    ) chunk
)
"""


def remove(chosen: Collection[int], now: datetime) -> Counter[str]:
    """Remove what goes of some jobs, in one transaction; return how many jobs, logs and files went.

    A job that somebody holds locked is left for the next time: nobody is waited for. The others are decided about again under
    their lock, by the policies as they are then, so that one that was rerun or put on hold meanwhile stays as it is.

    Args:
        chosen: Numbers of jobs, a few.
        now: The moment of everything that is written.
    """
    done: Counter[str] = Counter()
    with transaction.atomic():
        locked = {
            job.pk: job
            for job in Job.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("environment")
            .filter(pk__in=list(chosen))
            .order_by("pk")
        }
        choices = Chooser(Rulebook.read(), now).choose(locked)
        long = _with_long_logs([choice.job.id for choice in choices if choice.goes])
        gone = []
        for choice in choices:
            job = locked[choice.job.id]
            if choice.goes and job.pk not in long:
                gone.append((job, choice.policies[Removes.JOB]))
                continue
            done += _trim(job, choice, now)
        _delete(gone, now)
    done[Removes.JOB] += len(gone)
    return +done


def _with_long_logs(jobs: list[int]) -> set[int]:
    """Return the jobs whose logs are too long to be removed together with them."""
    with connection.cursor() as cursor:
        cursor.execute(_LONG, {"jobs": jobs, "most": MOST_CHUNKS})
        return {row[0] for row in cursor.fetchall()}


def _delete(gone: list[tuple[Job, RetentionPolicy]], now: datetime) -> None:
    """Delete jobs that are locked; the audit keeps one record of each."""
    for job, _ in gone:
        state = State(Step(job.step), Status(job.status))
        next_state(state, Event.DELETE, transitions.facts_of(job))  # the table decides here as everywhere
    AuditRecord.objects.bulk_create(
        [audit.unsaved_of_daemon("delete", job, now=now, comment=_why(policy)) for job, policy in gone]
    )
    Job.objects.filter(pk__in=[job.pk for job, _ in gone]).delete()


def _trim(job: Job, choice: Choice, now: datetime) -> Counter[str]:
    """Say that the log, the files or both of a locked job go; that is done bit by bit, by others.

    A log that is too long goes before its job does.
    """
    policies = dict(choice.policies)
    if choice.goes:
        if not choice.job.has(Removes.LOG):
            return Counter()  # going already
        policies = {Removes.LOG.value: policies[Removes.JOB]}
    trim, _ = JobTrim.objects.get_or_create(job=job)
    for removes, policy in policies.items():
        audit.record_of_daemon(
            ACTIONS[Removes(removes)], job, now=now, from_status=job.status, comment=_why(policy)
        )
        if removes == Removes.LOG:
            trim.log_at, trim.log_upto, trim.log_left = now, choice.job.log_lines, True
            append_entry(
                job.pk, job.attempt, job.step, "info", f"The log was removed: {_why(policy)}", at=now
            )
        else:
            trim.files_at = now
    trim.save()
    return Counter(policies.keys())


def _why(policy: RetentionPolicy) -> str:
    limits = [
        f"{number} {unit}"
        for number, unit in ((policy.keep_days, "days"), (policy.keep_jobs, "jobs"))
        if number
    ]
    return f"retention policy {policy}, kept {' or '.join(limits)}."


@dataclass(frozen=True, slots=True)
class Drained:
    """A step of removing a log.

    Attributes:
        job_id: Whose.
        is_all: Whether it is gone.
    """

    job_id: int
    is_all: bool


def is_draining() -> bool:
    """Return whether there is a log that goes and is not gone."""
    return JobTrim.objects.filter(log_left=True).exists()


def drain() -> Drained | None:
    """Remove some rows of a log that goes; return ``None`` when there is none."""
    with transaction.atomic():
        trim = (
            JobTrim.objects.select_for_update(skip_locked=True).filter(log_left=True).order_by("job").first()
        )
        if trim is None:
            return None
        values = {"job": trim.job_id, "upto": trim.log_upto, "most": MOST_CHUNKS}
        with connection.cursor() as cursor:
            cursor.execute(_DRAIN, values)
            is_all = cursor.rowcount < MOST_CHUNKS
        if is_all:
            trim.log_left = False
            trim.save(update_fields=["log_left"])
    return Drained(trim.job_id, is_all)
