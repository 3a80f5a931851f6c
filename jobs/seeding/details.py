"""What made-up jobs leave behind besides themselves: steps, operations, contents, audit, what they took, and logs."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from typing import Final

from jobs.durations import KEPT
from jobs.eta.forecast import Seen, taken
from jobs.lifecycle import Status
from jobs.log.codec import Block, BlockBuilder, Level, Stream
from jobs.models import AuditRecord, Contents, LogChunk, OperationRun, StepRun, Timing
from jobs.seeding.copying import NULL, Table
from jobs.seeding.lives import Life
from jobs.seeding.rows import stamp
from jobs.seeding.world import World

STEPS: Final = Table(StepRun, ("job_id", "attempt", "step", "result", "started_at", "finished_at"))
OPERATIONS: Final = Table(
    OperationRun,
    (
        "job_id", "attempt", "path", "identifier", "name", "key", "step", "status", "value", "error",
        "started_at", "finished_at",
    ),
)  # fmt: skip
CONTENTS: Final = Table(
    Contents, ("job_id", "attempt", "state", "files", "commits", "commits_count", "settled_at")
)
AUDIT: Final = Table(
    AuditRecord,
    ("at", "user", "action", "job_id", "job_name", "environment", "to_status", "step", "attempt", "source"),
)
TIMINGS: Final = Table(Timing, ("job_id", "rule_id", "environment_id", "seconds"))
LOGS: Final = Table(
    LogChunk,
    (
        "job_id", "first_line", "line_count", "attempt", "step", "operation", "operation_id", "levels",
        "first_at", "last_at", "size", "data",
    ),
)  # fmt: skip

LINES: Final = 60
"""Lines in a log: as many of the build as of the deployment."""

_FORMS: Final = 16
_ENDED_IN_PRE: Final = frozenset({Status.ABEND, Status.REJECTED})
_IN_RUN: Final = frozenset({Status.TRAPPED, Status.TRAP_PAUSED, Status.ROLLBACK})


class Details:
    """Writes the lines.

    Args:
        world: What the jobs refer to.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._timings: defaultdict[tuple[int, int], deque[tuple[int, int, int, str]]]
        self._timings = defaultdict(lambda: deque(maxlen=KEPT))

    def steps(self, key: int, life: Life) -> Iterator[str]:
        """Yield the steps that ran, one that is under way included."""

        def step(name: str, result: str, began: int, ended: int) -> str:
            return STEPS.line((key, 1, name, result, stamp(began), stamp(ended)))

        yield step("INIT", "completed", life.created, life.created)
        status = life.status
        if status in {Status.RUNNING, Status.PENDING_APPROVAL}:
            under_way = status is Status.RUNNING
            yield step(
                "PRE", "running" if under_way else "stopped", life.started, 0 if under_way else life.built
            )
            return
        yield step("PRE", "stopped" if status in _ENDED_IN_PRE else "completed", life.started, life.built)
        if not life.run_began:
            return
        if status in _IN_RUN:
            undoes = status is Status.ROLLBACK
            yield step(
                "RUN", "running" if undoes else "stopped", life.run_began, 0 if undoes else life.run_began + 1
            )
            return
        yield step("RUN", "failed" if status is Status.ERROR else "completed", life.run_began, life.deployed)
        yield step("POST", "completed", life.deployed, life.finished)

    def operations(self, key: int, life: Life) -> Iterator[str]:
        """Yield the operations that ran, in the order of the rule."""

        def operation(path: str, name: str, kind: str, status: str, began: int, ended: int) -> str:
            value = '{"returncode": 0, "output": ""}' if kind == "run" and status == "completed" else NULL
            error = "The command ended with return code 1." if status in {"failed", "waiting"} else ""
            step = path.partition("/")[0]
            return OPERATIONS.line(
                (key, 1, path, name, "", kind, step, status, value, error, stamp(began), stamp(ended))
            )

        yield from (operation(*found) for found in _operations(life))

    def contents(self, key: int, life: Life) -> Iterator[str]:
        """Yield what it carries."""
        if life.project is not None:
            subject = {
                "sha": f"{key:040x}",
                "author": "maker",
                "at": stamp(life.created),
                "subject": "A change",
            }
            yield CONTENTS.line(
                (key, 1, "settled", 1 + key % 40, json.dumps([subject]), 1, stamp(life.started))
            )

    def audit(self, key: int, life: Life, name: str) -> Iterator[str]:
        """Yield who created it."""
        user, environment = self._world.users[life.user], self._world.environments[life.environment]
        yield AUDIT.line(
            (
                stamp(life.created),
                user.code,
                "create",
                key,
                name,
                environment.code,
                "running",
                "INIT",
                1,
                "api",
            )
        )

    def note_timing(self, key: int, life: Life) -> None:
        """Note what a finished job took; of each rule and environment the newest ones stay."""
        if life.status is not Status.FINISHED:
            return
        rule, environment = self._world.rules[life.rule], self._world.environments[life.environment]
        seen = {
            path: Seen(True, seconds=0.0 if status == "skipped" else float(ended - began))
            for path, _, _, status, began, ended in _operations(life)
        }
        seconds = json.dumps(taken(rule.shapes, seen.get))
        self._timings[rule.pk, environment.pk].append((key, rule.pk, environment.pk, seconds))

    def timings(self) -> list[str]:
        """Return what was noted, the oldest first."""
        return [TIMINGS.line(values) for values in sorted(chain.from_iterable(self._timings.values()))]

    @staticmethod
    def logs(key: int, life: Life) -> Iterator[str]:
        """Yield the log: a chunk of the build and one of the deployment, when it got so far."""
        parts = [("PRE", "PRE/0", "build", life.started, 1)]
        if life.run_began:
            parts.append(("RUN", "RUN/0", "deploy", life.run_began, 1 + LINES // 2))
        for step, path, name, at, first in parts:
            block = _block(step, key % _FORMS)
            last = stamp(at + (block.last_at - block.first_at) // timedelta(seconds=1))
            data = f"\\\\x{block.data.hex()}"
            yield LOGS.line(
                (key, first, block.line_count, 1, step, path, name, block.levels, stamp(at), last, block.size, data)
            )  # fmt: skip


def log_lines(life: Life) -> int:
    """Return how many lines ``Details.logs`` writes."""
    return LINES if life.run_began else LINES // 2


def _operations(life: Life) -> Iterator[tuple[str, str, str, str, int, int]]:
    """Yield path, id, kind, status, beginning and end (0: none) of what ran."""
    began, built, status = life.started, life.built, life.status
    middle = began + (built - began) // 2
    if status in {Status.ABEND, Status.RUNNING}:
        yield "PRE/0", "build", "run", "running", began, 0
        return
    yield "PRE/0", "build", "run", "completed", began, middle
    yield "PRE/1", "test", "run", "completed", middle, built
    signed = {Status.REJECTED: "failed", Status.PENDING_APPROVAL: "waiting"}.get(status, "completed")
    yield "PRE/2", "sign", "approval", signed if life.needs_approval else "skipped", built, built
    if not life.run_began:
        return
    ran = "failed" if status is Status.ERROR else "waiting" if status in _IN_RUN else "completed"
    yield "RUN/0", "deploy", "run", ran, life.run_began, 0 if status in _IN_RUN else life.deployed
    if life.finished:
        yield "POST/0", "tell", "log", "completed", life.deployed, life.finished


@cache
def _block(step: str, form: int) -> Block:
    """Return a chunk of a log; a few forms of it are enough, and compressing each would take most of the time."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    builder = BlockBuilder()
    for number in range(LINES // 2):
        text = f"{step.lower()} {form}: module {number * 7919 % 1000:03d} of {LINES // 2}, {number}.{form} s"
        level = Level.WARNING if number % 29 == 28 else Level.INFO
        builder.add(text.encode(), at + timedelta(seconds=number // 10), level, Stream.STDOUT)
    return builder.build()
