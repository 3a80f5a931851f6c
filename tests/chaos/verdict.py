"""What must be true afterwards, and which injection explains each job that ended in Abend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Abend:
    """A job that ended in Abend: its runner's process, and when the lease of that ran out."""

    name: str
    pid: int
    ran_out: datetime


def abend_of(job: dict[str, Any], reason: str) -> Abend | None:
    """Return what the daemon said of a job, ``None`` when it is not what a daemon says."""
    found = _REASON.fullmatch(reason)
    if found is None:
        return None
    return Abend(job["name"], int(found[2]), _near(found[3], datetime.fromisoformat(job["finished_at"])))


def explanations(abends: Sequence[Abend], monkey: Monkey) -> dict[str, Injection]:
    """Return the injection that explains each Abend, by the job's name; what nothing explains is not in it.

    A hit on the runner's own process comes first, then the whole database. A stopped session of the database is one
    runner's, so it explains one Abend and no more.
    """
    found: dict[str, Injection] = {}
    sessions = [injection for injection in monkey.done if injection.kind == "backend"]
    others = [injection for injection in monkey.done if injection.kind != "backend"]
    lease = timedelta(seconds=monkey.lease_seconds)
    for candidates in (others, sessions):
        for abend in (abend for abend in abends if abend.name not in found):
            parent = monkey.parents.get(abend.pid, 0)
            free = [each for each in candidates if each.kind != "backend" or each not in found.values()]
            why = next((each for each in free if _explains(each, abend, parent, lease)), None)
            if why is not None:
                found[abend.name] = why
    return found


def _near(clock: str, moment: datetime) -> datetime:
    """Return the last time before ``moment`` at which it was ``clock``."""
    moment = moment.astimezone(UTC)
    found = datetime.combine(moment.date(), time.fromisoformat(clock), UTC)
    return found if found <= moment else found - timedelta(days=1)


def _explains(injection: Injection, abend: Abend, parent: int, lease: timedelta) -> bool:
    """Return whether what was done kept a runner from renewing its lease."""
    begins, ends = abend.ran_out - lease - SLACK, abend.ran_out + SLACK
    own = abend.pid in injection.pids
    if injection.action in {"KILL", "TERM"} and begins <= injection.at <= ends:
        # TERM to a worker hands its jobs over; a process of its pool just ends.
        return own or (injection.action == "KILL" and injection.kind == "worker" and parent in injection.pids)
    if injection.action == "STOP" and (own or injection.kind in {"postgres", "backend"}):
        together = min(injection.until or ends, ends) - max(injection.at, begins)
        return together >= lease * 0.4
    return False
