"""What must be true afterwards, and which injection explains each job that ended in Abend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from tests.chaos.monkey import Injection, Monkey

STEPS: Final = ("PRE", "RUN", "POST")
OPERATIONS: Final = ("first", "second")
SLACK: Final = timedelta(seconds=1.5)
"""Between a signal and its effect on a busy machine; the time of a lease is told in whole seconds, too."""

_REASON: Final = re.compile(
    r"The worker (\S+)@\S+/(\d+) is gone: its lease ran out at (\d\d:\d\d:\d\d) UTC\."
)


def expected_lines(job: int) -> list[str]:
    """Return the lines that a finished job has left, in their order."""
    return [f"{job} 1 {step} {operation}" for step in STEPS for operation in OPERATIONS]


def faults_of_effects(jobs: Sequence[dict[str, Any]], lines: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the lines that the operations left."""
    for line, times in Counter(lines).items():
        if times > 1:
            yield f"{line!r} happened {times} times"
    by_job: dict[int, list[str]] = {}
    for line in lines:
        by_job.setdefault(int(line.split()[0]), []).append(line)
    for job in jobs:
        found, wanted = by_job.pop(job["id"], []), expected_lines(job["id"])
        whole = job["status"] == "finished"
        if found != (wanted if whole else wanted[: len(found)]):
            yield f"{job['name']} is {job['status']} and left {found}"
    for job_id in by_job:
        yield f"there is no job {job_id}, but it left {by_job[job_id]}"


def explanation(job: dict[str, Any], reason: str, monkey: Monkey) -> str:
    """Return the injection that explains a job's Abend with this reason, nothing when none does."""
    found = _REASON.fullmatch(reason)
    if found is None:
        return ""
    service, pid = f"worker-{found[1]}", int(found[2])
    ran_out = _near(found[3], datetime.fromisoformat(job["finished_at"]))
    lease = timedelta(seconds=monkey.lease_seconds)
    for injection in monkey.done:
        if _explains(injection, service, pid, monkey.parents.get(pid, 0), ran_out, lease):
            return str(injection)
    return ""


def _near(clock: str, moment: datetime) -> datetime:
    """Return the last time before ``moment`` at which it was ``clock``."""
    moment = moment.astimezone(UTC)
    found = datetime.combine(moment.date(), time.fromisoformat(clock), UTC)
    return found if found <= moment else found - timedelta(days=1)


def _explains(
    injection: Injection, service: str, pid: int, parent: int, ran_out: datetime, lease: timedelta
) -> bool:
    """Return whether what was done kept the runner ``pid`` from renewing a lease that ran out at ``ran_out``."""
    begins, ends = ran_out - lease - SLACK, ran_out + SLACK
    own = pid in injection.pids
    if injection.action in {"KILL", "TERM"} and begins <= injection.at <= ends:
        # TERM to a worker hands its jobs over; its pool's processes, and sessions of the database, just end.
        return own or (injection.action == "KILL" and injection.kind == "worker" and parent in injection.pids)
    if injection.action == "STOP" and (own or injection.kind in {"postgres", "backend"}):
        until = injection.until or ends
        together = min(until, ends) - max(injection.at, begins)
        return together >= lease * 0.4
    return False
