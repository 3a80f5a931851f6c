"""Made-up jobs as lines of COPY: the job's own row and what every job has, revisions, natures and approvals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Any, Final
from uuid import UUID

from jobs.choices import NAME_PREFIXES
from jobs.lifecycle import ACTIVE, Status, Step
from jobs.models import Approval, Job, JobNature, JobRevision, Trap
from jobs.seeding.copying import NULL, Table
from jobs.seeding.lives import DAY, Life
from jobs.seeding.world import World

LEASE: Final = 60
"""Seconds until the daemon declares the workers of running jobs gone."""

OPERATIONS: Final = 5
_WORDS: Final = (
    "Fixes the invoices of last month",
    "New prices",
    "Faster search",
    "Texts of the front page",
    "Library updates",
    "Night batch",
    "Corrects rounding",
    "Migration of the customers",
)
_DONE: Final = {Status.FINISHED: 5, Status.ERROR: 4, Status.ABEND: 0, Status.RUNNING: 1}
_CLAIMED: Final = frozenset({Status.RUNNING, Status.ROLLBACK})
_REASONS: Final = {
    Status.ERROR: "The operation deploy failed: return code 1.",
    Status.CANCELLED: "Cancelled by a person.",
    Status.EXPIRED: "RUN did not begin in time.",
    Status.REJECTED: "Rejected by a person.",
    Status.ABEND: "Its worker is gone.",
}

JOBS: Final = Table(
    Job,
    (
        "id", "name", "type", "rule_id", "rule_version_id", "environment_id", "project_id", "status", "step",
        "outcome", "reason", "status_before_expiry", "urgent", "comment", "variables", "created_by_id",
        "created_at", "scheduled_at", "max_start_at", "started_at", "run_began_at", "last_ran", "finished_at",
        "due_at", "claim", "claimed_by", "lease_expires_at", "operations_done", "operations_expected",
        "progress_basis", "percent", "log_lines",
    ),
)  # fmt: skip
REVISIONS: Final = Table(
    JobRevision, ("job_id", "position", "ref", "sha", "project_id", "environment_id", "active")
)
NATURES: Final = Table(JobNature, ("job_id", "nature_id"))
APPROVALS: Final = Table(
    Approval,
    (
        "job_id", "attempt", "step", "path", "operation", "began_at", "closed_at", "approvers", "minimum",
        "exclude_creator", "result",
    ),
)  # fmt: skip
TRAPS: Final = Table(
    Trap,
    (
        "job_id", "attempt", "step", "path", "operation", "began_at", "closed_at", "error", "deadline",
        "remaining", "on_timeout", "answer",
    ),
)  # fmt: skip


@cache
def _day(number: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(number * DAY, UTC).strftime("%Y-%m-%d")


_SECONDS: Final = [f"T{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}Z" for at in range(DAY)]


def stamp(moment: int) -> str:
    """Return a moment as PostgreSQL reads it, NULL for 0."""
    return _day(moment // DAY) + _SECONDS[moment % DAY] if moment else NULL


class Rows:
    """Writes the lines of jobs.

    Args:
        world: What they refer to.
        random: Decides what ``lives`` did not.
        mask: Of their names.
        until: The present, in seconds.
    """

    def __init__(self, world: World, random: Random, mask: str, until: int) -> None:
        self._world, self._random, self._mask, self._until = world, random, mask, until

    def job(self, key: int, life: Life, log_lines: int) -> str:
        """Return the line of the job itself."""
        world, status = self._world, life.status
        rule, environment = world.rules[life.rule], world.environments[life.environment]
        kind = self._type(key)
        name = self._mask.format(prefix=NAME_PREFIXES[kind], environment=environment.code, seq=key)
        is_claimed = status in _CLAIMED
        done = _DONE.get(status, 3)
        percent = 100 if status is Status.FINISHED else done * 100 // OPERATIONS
        values = (
            key, name, kind, rule.pk, rule.version, environment.pk,
            NULL if life.project is None else world.projects[life.project].pk, status.value, life.step.value,
            _outcome(status), _REASONS.get(status, ""), "ready" if status is Status.EXPIRED else "",
            "t" if life.urgent else "f", self._comment(key), _variables(rule.code, key % 97),
            world.users[life.user].pk, stamp(life.created), stamp(life.scheduled), stamp(life.max_start),
            stamp(life.started), stamp(life.run_began), Step.RUN.value if life.run_began else Step.PRE.value,
            stamp(life.finished), stamp(life.scheduled) if status is Status.READY else NULL,
            str(UUID(int=self._random.getrandbits(128))) if is_claimed else NULL,
            "made-up@nowhere" if is_claimed else "", stamp(self._until + LEASE) if is_claimed else NULL,
            done, OPERATIONS, "environment", percent, log_lines,
        )  # fmt: skip
        return JOBS.line(values)

    def revisions(self, key: int, life: Life) -> Iterator[str]:
        """Yield the lines of what it deploys: one revision, seldom two."""
        if life.project is None:
            return
        project, environment = (
            self._world.projects[life.project].pk,
            self._world.environments[life.environment].pk,
        )
        active = "t" if life.status in ACTIVE else "f"
        for position in range(2 if key % 16 == 0 else 1):
            ref = f"v{key % 7}.{key % 31}.{key % 101}" if key % 3 else "main"
            sha = f"{self._random.getrandbits(160):040x}"
            yield REVISIONS.line((key, position, ref, sha, project, environment, active))

    def natures(self, key: int, life: Life) -> Iterator[str]:
        """Yield the lines of what its contents are."""
        # Only the contents of a project have any.
        for nature in life.natures if life.project is not None else ():
            yield NATURES.line((key, self._world.natures[nature].pk))

    def approvals(self, key: int, life: Life) -> Iterator[str]:
        """Yield the line of the signature that PRE asked for."""
        if not life.needs_approval or life.status in {Status.ABEND, Status.RUNNING}:
            return
        result = {Status.REJECTED: "rejected", Status.PENDING_APPROVAL: "open"}.get(life.status, "approved")
        closed = NULL if result == "open" else stamp(life.built)
        yield APPROVALS.line(
            (key, 1, "PRE", "PRE/2", "sign", stamp(life.started + 1), closed, '["group:release"]', 1, "f", result)
        )  # fmt: skip

    def traps(self, key: int, life: Life) -> Iterator[str]:
        """Yield the line of the trap in which it is; its clock runs for a day, or stands."""
        if life.status not in {Status.TRAPPED, Status.TRAP_PAUSED}:
            return
        runs = life.status is Status.TRAPPED
        clock = (stamp(self._until + DAY), NULL) if runs else (NULL, "1 day")
        error = "The command ended with return code 1."
        yield TRAPS.line(
            (
                key,
                1,
                "RUN",
                "RUN/0",
                "deploy",
                stamp(life.run_began + 1),
                NULL,
                error,
                *clock,
                "abort",
                "open",
            )
        )

    def _comment(self, key: int) -> str:
        if key % 5 < 2:
            return ""
        return f"{_WORDS[key % len(_WORDS)]}, CHG-{key * 7919 % 1_000_000:06d}"

    @staticmethod
    def _type(key: int) -> Any:
        return "static" if key % 33 == 0 else "demote" if key % 37 == 0 else "promote"


def _outcome(status: Status) -> str:
    """Return the result so far, which only what has begun to end has."""
    return status.value if status in {Status.FINISHED, Status.ERROR} else NULL


@cache
def _variables(service: str, minor: int) -> str:
    found: Mapping[str, Any] = {
        "service": {"value": service, "origin": "rule"},
        "version": {"value": f"1.{minor}", "origin": "job"},
    }
    return json.dumps(found)
