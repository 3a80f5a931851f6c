"""Which jobs lose what now: policies, less all that keeps a job whatever they say.

Nothing goes of a job that is active, on hold, or ended less than a day ago, nor of one that tells what is deployed. The
finished jobs by which the progress of new ones is measured may lose their logs and files, but stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from jobs.lifecycle import ENDED
from jobs.models import RetentionPolicy
from jobs.retention import needed
from jobs.retention.rulebook import Outcome, Removes, Rulebook, outcome_of

GRACE: Final = timedelta(days=1)
"""Nobody looks for what became of a job later than this and finds it gone by a mistake in a policy."""

_JOBS: Final = """
SELECT job.id, job.environment_id, job.rule_id, job.status, job.finished_at, job.log_lines, trim.log_upto, trim.files_at
FROM jobs_job job LEFT JOIN jobs_jobtrim trim ON trim.job_id = job.id
WHERE {which} AND job.status = ANY(%(ended)s) AND job.finished_at < %(before)s
AND NOT EXISTS (SELECT FROM jobs_jobhold hold WHERE hold.job_id = job.id)
ORDER BY job.id
"""
_WINDOW: Final = """
SELECT max(id) FROM (SELECT id FROM jobs_job WHERE id > %s ORDER BY id LIMIT %s) job
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job as policies see it; ``log_upto`` and ``files_at`` tell what was taken of it before."""

    id: int
    environment_id: int
    rule_id: int
    status: str
    finished_at: datetime
    log_lines: int
    log_upto: int | None
    files_at: datetime | None

    def has(self, removes: str) -> bool:
        """Return whether there is something of this to remove. The line that says so itself stays in the log."""
        if removes == Removes.LOG:
            return self.log_lines > (0 if self.log_upto is None else self.log_upto + 1)
        return removes == Removes.JOB or self.files_at is None or self.files_at < self.finished_at


@dataclass(frozen=True, slots=True)
class Choice:
    """What a job loses, with the policy that says so; ``JOB`` stands alone."""

    job: Ended
    policies: dict[str, RetentionPolicy]

    @property
    def goes(self) -> bool:
        """Whether the job itself goes."""
        return Removes.JOB in self.policies


class Chooser:
    """Decides about jobs at one moment. What it learns of the newest jobs of a rule it asks once."""

    def __init__(self, rulebook: Rulebook, now: datetime) -> None:
        self._rulebook, self._now = rulebook, now
        self._limits: dict[tuple[Any, ...], int | None] = {}

    def choose(self, jobs: Collection[int]) -> list[Choice]:
        """Return what goes of the named jobs, in the order of their numbers."""
        return self._choices(_fetch("job.id = ANY(%(jobs)s)", self._now, {"jobs": list(jobs)}))

    def choose_between(self, after: int, upto: int) -> list[Choice]:
        """Return what goes of the jobs with numbers above ``after`` and at most ``upto``."""
        return self._choices(
            _fetch("job.id > %(low)s AND job.id <= %(high)s", self._now, {"low": after, "high": upto})
        )

    def _choices(self, jobs: Iterable[Ended]) -> list[Choice]:
        found = [(job, wanted) for job in jobs if (wanted := self._wanted(job))]
        kept = needed.by_deployments([job.id for job, _ in found])
        return [Choice(job, wanted) for job, wanted in found if job.id not in kept]

    def _wanted(self, job: Ended) -> dict[str, RetentionPolicy]:
        """Return what policies let go of a job."""
        found = {}
        for removes in (Removes.JOB, Removes.LOG, Removes.FILES):
            policy = self._rulebook.policy_for(
                removes, job.environment_id, job.rule_id, outcome_of(job.status)
            )
            if policy is None or self._keeps(policy, job) or not job.has(removes):
                continue
            if removes == Removes.JOB:
                if not self._measures_progress(job):
                    return {removes: policy}
                continue
            found[removes.value] = policy
        return found

    def _keeps(self, policy: RetentionPolicy, job: Ended) -> bool:
        """Return whether the age or the rank of a job keeps it; one of the two is enough."""
        if policy.is_for_ever:
            return True
        if policy.keep_days is not None and job.finished_at >= self._now - timedelta(days=policy.keep_days):
            return True
        if policy.keep_jobs is None:
            return False
        key = (policy.pk, job.environment_id, job.rule_id)
        if key not in self._limits:
            statuses = self._rulebook.counted_with(policy, job.environment_id, job.rule_id)
            self._limits[key] = needed.nth_newest(job.environment_id, job.rule_id, statuses, policy.keep_jobs)
        return _is_newer(job, self._limits[key])

    def _measures_progress(self, job: Ended) -> bool:
        if outcome_of(job.status) != Outcome.FINISHED:
            return False
        key = ("progress", job.environment_id, job.rule_id)
        if key not in self._limits:
            self._limits[key] = needed.for_progress(job.environment_id, job.rule_id)
        return _is_newer(job, self._limits[key])


def end_of_window(after: int, most: int) -> int | None:
    """Return the number of the ``most``-th job behind ``after``, of the last one when there are fewer, ``None`` of none."""
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW, [after, most])
        found: int | None = cursor.fetchone()[0]
    return found


def _is_newer(job: Ended, limit: int | None) -> bool:
    return limit is None or job.id >= limit


def _fetch(which: str, now: datetime, values: dict[str, Any]) -> list[Ended]:
    given = {**values, "ended": sorted(status.value for status in ENDED), "before": now - GRACE}
    with connection.cursor() as cursor:
        cursor.execute(_JOBS.format(which=which), given)
        return [Ended(*row) for row in cursor.fetchall()]
