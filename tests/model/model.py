"""A job's life as the product's sections 2 to 6 tell it: the table of section 4, executable, and nothing of the implementation.

Times are those of the machine's clock, which only goes on. A date that comes from "now" is the earliest it can be;
``settle`` takes over the exact one from the real job, once it lies within the time that the real code took.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from tests.model.execution import Ending, Result, Results, Walk, World
from tests.model.people import Person
from tests.model.rules import Operation, Rule

ENDED: Final = frozenset({"rejected", "expired", "abend", "cancelled", "error", "finished"})
TRAPPED: Final = frozenset({"trapped", "trap_paused"})
BEFORE_RUN: Final = frozenset({"PRE", "RUN"})
LEASE: Final = timedelta(seconds=15)
FOLLOWING: Final = {"INIT": "PRE", "PRE": "RUN", "RUN": "POST"}
DATES: Final = ("scheduled_at", "max_start_at", "started_at", "finished_at")


@dataclass
class OpenTrap:
    """An error that waits for an answer; its clock runs until ``deadline`` or stands with ``remaining``."""

    operation: Operation
    retries: int
    deadline: datetime | None
    remaining: timedelta | None = None

    @property
    def has_retries_left(self) -> bool:
        """Whether ``retry`` is still an answer."""
        most = self.operation.trap.max_retries
        return most == 0 or self.retries < most


@dataclass
class OpenApproval:
    """An approval that waits for signatures."""

    operation: Operation
    signed_by: list[str] = field(default_factory=list)


@dataclass
class Life:
    """One job.

    Attributes:
        runner: Who has the job: nobody, a live runner, or one that died and whose lease ends at ``lease_ends_at``.
        run_begun: RUN began, since PRE or RUN was last asked for.
        last_ran: PRE or RUN, whichever began last.
        before_expiry: The status that expiring took away.
        stashed_approval: The approval that an expired job waited for.
        rollback_asked: A person asked for the rollback that runs.
        later_job_ended_at: When another job, made later for the same project and environment, ended.
    """

    rule: Rule
    creator: str
    expiry: timedelta
    scheduled_at: datetime
    max_start_at: datetime
    step: str = "INIT"
    status: str = "running"
    outcome: str | None = None
    attempt: int = 1
    rollback: str = "none"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_deleted: bool = False
    runner: Literal["nobody", "alive", "dead"] = "alive"
    lease_ends_at: datetime | None = None
    run_begun: bool = False
    last_ran: str | None = None
    before_expiry: str = ""
    rollback_asked: bool = False
    later_job_ended_at: datetime | None = None
    trap: OpenTrap | None = None
    approval: OpenApproval | None = None
    results: Results = field(default_factory=Results)
    retries: dict[str, int] = field(default_factory=dict)

    # What everybody may ask of a job.

    @property
    def is_active(self) -> bool:
        """Whether it is neither ended nor gone."""
        return self.status not in ENDED

    def may_expire(self) -> bool:
        """Whether it expires once its time is over."""
        waits = self.status in {"ready", "pending_approval"} and self.step in BEFORE_RUN
        return waits and not self.run_begun

    def stands_below_a_later_job(self) -> bool:
        """Whether a later job ended after this one did."""
        later, own = self.later_job_ended_at, self.finished_at
        return later is not None and own is not None and later > own

    def is_due(self, now: datetime) -> bool:
        """Whether a worker may take it now."""
        if self.status in {"running", "rollback"}:
            return self.runner == "nobody"
        if self.status != "ready":
            return False
        if self.step == "RUN" and not self.run_begun:
            return self.scheduled_at <= now <= self.max_start_at
        return True

    def ahead(self) -> list[str]:
        """Return the probes that a runner may come to where the job is now."""
        if self.status == "rollback":
            return [probe for operation in self.results.to_undo(self.rule) for probe in operation.rollback]
        done = self.results.operations
        return [probe for probe in self.rule.probes(self.step) if probe not in done]

    # What workers do.

    def take(self, now: datetime) -> None:
        """A worker takes the job."""
        assert self.is_due(now)
        self.runner = "alive"
        if self.status != "ready":
            return
        self.status = "running"
        if self.step in BEFORE_RUN:
            self.last_ran = self.step
        if self.step == "PRE" and self.started_at is None:
            self.started_at = now
        self.run_begun |= self.step == "RUN"

    def run(self, world: World, now: datetime) -> list[str]:
        """The runner goes through the step, or the rollback, it is at; return which probes it executed."""
        assert self.runner == "alive"
        walk = Walk(self.rule, self.results, world)
        undoing = self.status == "rollback"
        ending = walk.undo() if undoing else walk.step(self.step)
        if ending is Ending.DEAD:
            self.die(now)
            return walk.executed
        self.runner = "nobody"
        if ending is Ending.PENDING:
            assert walk.stopped_at is not None
            self.status, self.approval = "pending_approval", OpenApproval(walk.stopped_at)
        elif ending is Ending.TRAPPED:
            assert walk.stopped_at is not None
            self._trapped(walk.stopped_at, now)
        elif ending is not Ending.HANDED_OVER:
            self._concluded(ending is Ending.COMPLETED, now, undoing=undoing)
        return walk.executed

    def die(self, now: datetime) -> None:
        """The runner is gone; nobody knows yet."""
        self.runner, self.lease_ends_at = "dead", now + LEASE

    def _trapped(self, operation: Operation, now: datetime) -> None:
        self.status = "trapped"
        self.trap = OpenTrap(operation, self.retries.get(operation.id, 0), now + operation.trap.timeout)

    def _concluded(self, ok: bool, now: datetime, *, undoing: bool) -> None:
        if undoing:
            self._undone(ok, now)
        elif not ok:
            self._fails(now)
        elif self.step == "POST":
            self._end(self.outcome or "error", now)
        else:
            if self.step == "RUN":
                self.outcome = "finished"
            self.step, self.status = FOLLOWING[self.step], "ready"

    def _fails(self, now: datetime) -> None:
        """The step failed."""
        if self.step == "INIT":
            self.outcome = "error"
        if self.step not in BEFORE_RUN:
            self._end("error", now)
        elif self.results.to_undo(self.rule):
            self.status, self.rollback = "rollback", "running"
        else:
            self.step, self.status, self.outcome = "POST", "ready", "error"

    def _undone(self, ok: bool, now: datetime) -> None:
        self.rollback = "succeeded" if ok else "failed"
        if self.rollback_asked:
            self.outcome = "finished" if ok else "error"
            self._end(self.outcome, now)
        else:
            self.step, self.status, self.outcome = "POST", "ready", "error"

    def _end(self, result: str, now: datetime) -> None:
        self.step = "END"
        self._stop(result, now)

    def _stop(self, status: str, now: datetime) -> None:
        """The job stands still from now on."""
        self.status, self.finished_at = status, now
        self.runner, self.lease_ends_at = "nobody", None
        self.trap = None
        if self.rollback == "running":
            self.rollback = "failed"
            self.outcome = self.outcome if self.rollback_asked else "error"
        if status != "expired":
            self.approval = None

    # What the daemon does.

    def tick(self, now: datetime) -> None:
        """The daemon looks at the job."""
        if self.is_deleted:
            return
        if self.runner == "dead" and self.lease_ends_at is not None and now > self.lease_ends_at:
            self._stop("abend", now)
        elif self.may_expire() and now > self.max_start_at:
            self.before_expiry = self.status
            self._stop("expired", now)
        elif self.status == "trapped" and self.trap is not None:
            assert self.trap.deadline is not None
            if now > self.trap.deadline:
                answer = self.trap.operation.trap.on_timeout
                if answer == "retry" and not self.trap.has_retries_left:
                    answer = "abort"
                self.answer(answer, now)

    # What answers do.

    def answer(self, answer: str, now: datetime) -> None:
        """Somebody, or the trap's time, says how the job goes on."""
        assert self.trap is not None
        operation, self.trap = self.trap.operation, None
        if answer == "abort":
            self.results.operations[operation.id] = Result.FAILED
            self._fails(now)
            return
        self.status = "ready"
        if answer == "skip":
            self.results.operations[operation.id] = Result.SKIPPED
        else:
            self.retries[operation.id] = self.retries.get(operation.id, 0) + 1
            self.results.forget(member.id for member in operation.members)

    def sign(self, person: Person) -> None:
        """Somebody approves."""
        assert self.approval is not None
        self.approval.signed_by.append(person.name)
        wanted = self.approval.operation.approval
        assert wanted is not None
        if len(self.approval.signed_by) >= wanted.minimum:
            self.results.operations[self.approval.operation.id] = Result.COMPLETED
            self.status, self.approval = "ready", None

    # What people do to the job as a whole.

    def stop(self, status: str, now: datetime) -> None:
        """The job is cancelled or rejected."""
        self._stop(status, now)

    def begin_again(self, step: str, now: datetime, *, run_now: bool, outcome: str | None) -> None:
        """Rerun at a step."""
        self._new_attempt()
        steps = ("PRE", "RUN", "POST")
        again = steps[steps.index(step) :]
        self.results.forget([operation.id for operation in self.rule.operations(*again)])
        self.step, self.status, self.rollback_asked = step, "ready", False
        self.rollback = self.rollback if step == "POST" else "none"
        if step == "POST":
            self.outcome = outcome or self.outcome
        else:
            self.outcome, self.run_begun = None, False
        if step == "PRE":
            self.started_at = None
        if run_now or self.scheduled_at <= now:
            self.scheduled_at, self.max_start_at = now, now + self.expiry

    def undo(self) -> None:
        """Roll back what was done."""
        assert self.last_ran is not None
        self._new_attempt()
        self.step, self.status, self.rollback = self.last_ran, "rollback", "running"
        self.rollback_asked = True

    def _new_attempt(self) -> None:
        self.attempt += 1
        self.finished_at, self.approval, self.trap, self.retries = None, None, None, {}
        self.before_expiry = ""
        self.results.new_attempt()

    def plan(self, scheduled_at: datetime, max_start_at: datetime) -> None:
        """Reschedule."""
        self.scheduled_at, self.max_start_at = scheduled_at, max_start_at
        if self.status == "expired":
            self.status, self.before_expiry, self.finished_at = self.before_expiry, "", None

    # Dates.

    def dates(self) -> dict[str, Any]:
        """Return every date the model knows, the trap's clock included."""
        found: dict[str, Any] = {name: getattr(self, name) for name in DATES}
        found["deadline"] = self.trap.deadline if self.trap else None
        found["remaining"] = self.trap.remaining if self.trap else None
        return found

    def settle(self, dates: dict[str, Any]) -> None:
        """Take over exact dates."""
        for name in DATES:
            setattr(self, name, dates[name])
        if self.trap is not None:
            self.trap.deadline, self.trap.remaining = dates["deadline"], dates["remaining"]
