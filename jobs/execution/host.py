"""The host of a job: what the engine asks for, answered from the database, with every write guarded by the claim."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from django.db import connections

from jobs import progress, semaphores
from jobs.bundle import Bundle
from jobs.eta.forecast import Seen
from jobs.eta.notebook import Notebook
from jobs.eta.recorded import seen_of
from jobs.exceptions import SemaphoreDeadlock, StaleClaim
from jobs.execution import checkpoints, creating, draining, mail, naming
from jobs.execution.database import retrying
from jobs.execution.leases import LeaseKeeper
from jobs.log.writer import LogWriter
from jobs.models import Job
from jobs.repositories import GitRunner, Repository, RepositoryError
from rules.engine.host import Host, Level, Mailed, Stream
from rules.engine.outcomes import Interrupted, OperationFailed, Record
from rules.engine.registry import registry
from rules.processes.strays import marker_of
from rules.tree import RuleNode

_MOST_PENDING: Final = 500
_OLDEST_PENDING_SECONDS: Final = 0.2
_POLL_SECONDS: Final = 0.2
_MOST_LAST_WORDS: Final = 1000


def check_out(facts: naming.JobFacts, directory: Path, seconds: float | None, runner: GitRunner) -> str:
    """Put the contents of the first revision into ``directory`` and return its commit.

    Args:
        facts: Of the job.
        directory: Where to; made when missing.
        seconds: How long it may take, ``None`` without limit.
        runner: For whom git runs.

    Raises:
        OperationFailed: There is nothing to check out, or git refused.
    """
    if not facts.repository or not facts.revisions:
        raise OperationFailed("The job has no revision of a project with a repository.")
    sha = facts.revisions[0]["sha"]
    try:
        repository = Repository(facts.repository, naming.mirrors(), runner, facts.credential)
        repository.checkout(sha, directory, seconds=seconds)
    except RepositoryError as error:
        raise OperationFailed(str(error)) from error
    return sha


@dataclass(frozen=True, slots=True)
class Goal:
    """What progress is counted against: operations expected, done so far, the percentage reached, and what foresees the rest."""

    expected: int
    done: int
    percent: int
    notebook: Notebook | None = None


class JobHost:
    """Implements ``rules.engine.host.Host`` for one step of one attempt of one job.

    Branches of a ``parallel`` share its records; each has a ``BranchHost`` of its own for its log thread.
    """

    def __init__(
        self,
        runner: checkpoints.Runner,
        facts: naming.JobFacts,
        goal: Goal,
        lease: LeaseKeeper,
        log: LogWriter,
        *,
        undoing: bool = False,
        is_new_step: bool = False,
    ) -> None:
        """Read what is recorded.

        Args:
            runner: Who writes.
            facts: Of the job.
            goal: What progress is counted against.
            lease: Keeps the claim.
            log: The job's log.
            undoing: The job is being undone: the records of all its steps are needed.
            is_new_step: Nothing is recorded of the step, so there is nothing to read.
        """
        self._runner, self._facts, self._lease, self._log = runner, facts, lease, log
        self._records = {} if is_new_step else checkpoints.load(runner, whole=undoing)
        self._goal = goal
        self._writing = threading.RLock()
        self._threads: set[int] = set()
        self.last_words: list[tuple[str, str]] = []
        # While the step has no record, whatever was done was done elsewhere.
        known = bool(self._records) and not undoing
        self._done_elsewhere = checkpoints.done_elsewhere(runner) if known else goal.done
        self._pending: dict[str, Mapping[str, Any]] = {}
        self._pending_since = 0.0
        self._done = 0
        self._written_done = 0
        self._has_moved = False
        self.names: Mapping[str, Any] = facts.names()
        self.environ: Mapping[str, str] = facts.environ()
        self.directory = naming.directory_of(runner.job_id)
        self.marker = marker_of(naming.scope(), str(runner.claim))

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(UTC)

    def recorded(self, path: str) -> Record | None:
        """Return what is known of the operation under ``path``."""
        return self._records.get(path)

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        """Record that an operation begins."""
        self._put(path, node, name, record)
        if durable:
            self.checkpoint()

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        """Record how an operation ended."""
        self._done = max(self._done, done)
        self._put(path, node, name, record)
        if (
            len(self._pending) >= _MOST_PENDING
            or time.monotonic() - self._pending_since > _OLDEST_PENDING_SECONDS
        ):
            self.checkpoint()

    def mask(self, value: Any) -> Any:
        """Return plain data with the job's secrets hidden."""
        return self._facts.secrets.mask.value(value)

    def _put(self, path: str, node: RuleNode, name: str, record: Record) -> None:
        record, name = record.masked(registry.get(node.key), self.mask), self.mask(name)
        with self._writing:
            self._records[path] = record
            if not self._pending:
                self._pending_since = time.monotonic()
            self._pending[path] = checkpoints.row(path, node, name, record)
            # The turns of a loop are one to whoever foresees the rest.
            self._has_moved |= "[" not in path

    def checkpoint(self) -> None:
        """Write what is pending, waiting for a database that is away.

        Raises:
            StaleClaim: The claim is gone.
        """
        retrying(self.write_pending, self._lease)

    def write_pending(self) -> None:
        """Write what is pending; writing it twice is writing it once.

        Raises:
            StaleClaim: The claim is gone.
        """
        with self._writing:
            if not self._has_pending():
                return
            try:
                checkpoints.write(self._runner, self._pending.values(), **self._progress())
            except StaleClaim:
                self._lease.mark_lost()
                raise
            self.forget_pending()

    def add_pending(self, job: Job, bundle: Bundle) -> None:
        """Add what is pending to what is written together with the locked job; it is kept until ``forget_pending``."""
        with self._writing:
            if self._has_pending():
                checkpoints.add(job, self._pending.values(), bundle, **self._progress())

    def forget_pending(self) -> None:
        """Take what was pending for written."""
        with self._writing:
            self._pending, self._written_done, self._has_moved = {}, self._done, False
            if self._goal.notebook is not None:
                self._goal.notebook.written()

    def _has_pending(self) -> bool:
        return bool(self._pending) or self._done != self._written_done

    def _progress(self) -> dict[str, Any]:
        done = self._done_elsewhere + self._done
        goal = self._goal
        reached = progress.percent(done, goal.expected, reached=goal.percent, finished=False, ended=False)
        forecast = self._forecast(done)
        said = goal.notebook.pending if goal.notebook is not None else ()
        return {"done": done, "percent": reached, "forecast": forecast, "said": said}

    def _forecast(self, done: int) -> dict[str, Any] | None:
        """Return what is still to come, ``None`` when nothing has changed that."""
        notebook = self._goal.notebook
        if notebook is None or not self._has_moved:
            return None
        step, now = self._runner.step, self.now()
        found = notebook.estimator.forecast(step, self._seen, now)
        if found is None:
            return None
        notebook.hear(found, step, now, done=done, expected=self._goal.expected, seen=self._seen)
        return found.to_data()

    def seen(self) -> dict[str, Seen]:
        """Return what is recorded by path, but for what is in loops and in tries of groups."""
        return {path: seen_of(record) for path, record in self._records.items() if "[" not in path}

    def _seen(self, path: str) -> Seen | None:
        record = self._records.get(path)
        return seen_of(record) if record is not None else None

    def stopping(self) -> bool:
        """Return whether the worker was told to stop."""
        return draining.is_draining()

    def lost(self) -> bool:
        """Return whether the claim is gone."""
        return self._lease.lost

    def check(self) -> None:
        """Do nothing while the runner may go on.

        Raises:
            StaleClaim: The claim is gone.
            Interrupted: The worker was told to stop.
        """
        if self._lease.lost:
            raise StaleClaim(self._runner.job_id)
        if draining.is_draining():
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Sleep; return ``False`` when cut short."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._lease.wait_lost(min(left, _POLL_SECONDS)) or draining.is_draining():
                return False
        return True

    def acquire(self, path: str, name: str) -> bool:
        """Ask for a slot of a semaphore.

        Raises:
            OperationFailed: Waiting would never end, or the name is none.
            StaleClaim: The claim is gone.
        """
        if not name or len(name) > semaphores.LONGEST_NAME:
            most = semaphores.LONGEST_NAME
            raise OperationFailed(f"The name of a semaphore has 1 to {most} characters.", path=path)
        runner = self._runner
        # What came before is on disk before others may take it for granted.
        self.checkpoint()
        try:
            return retrying(
                lambda: semaphores.ask(runner.job_id, runner.claim, path, name, self.now()), self._lease
            )
        except SemaphoreDeadlock as error:
            raise OperationFailed(str(error), path=path) from error

    def release(self, path: str) -> None:
        """Give back the slot of an operation; what it did is on disk before."""
        self.checkpoint()
        retrying(lambda: semaphores.release(self._runner.job_id, self._runner.claim, path), self._lease)

    @contextmanager
    def branch(self) -> Iterator[Host]:
        """Return the host of one branch of a ``parallel``, whose lines have a log thread of their own."""
        with self._writing:
            number = next(
                number for number in range(1, len(self._threads) + 2) if number not in self._threads
            )
            self._threads.add(number)
        try:
            # It has all that the job's own host has; mypy does not see through __getattr__.
            yield cast(Host, BranchHost(self, number))
        finally:
            self._log.end_operation(thread=number)
            with self._writing:
                self._threads.discard(number)
            connections.close_all()

    def log(self, path: str, node: RuleNode, level: Level, text: str, *, thread: int = 0) -> None:
        """Write a line to the log; once the claim is gone only keep it, see ``last_words``."""
        if self._lease.lost:
            if len(self.last_words) < _MOST_LAST_WORDS:
                self.last_words.append((level, text))
            return
        self._log.entry(self._runner.step, path, node.options.id or path, level, text, thread=thread)

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes, *, thread: int = 0) -> None:
        """Append raw output of a process to the log."""
        try:
            self._log.feed(self._runner.step, path, node.options.id or path, stream, data, thread=thread)
        except StaleClaim:
            # Not here: whoever reads the output asks ``lost`` and ends the command in order, which is to be told.
            self._lease.mark_lost()

    def checkout(self, directory: Path, seconds: float | None) -> str:
        """Put the contents of the job's first revision into ``directory``.

        Raises:
            StaleClaim: The claim is gone; git was stopped.
        """
        try:
            return check_out(self._facts, directory, seconds, GitRunner(self.marker, self.lost))
        except OperationFailed:
            if self.lost():
                raise StaleClaim(self._runner.job_id) from None
            raise

    def known_hosts(self) -> Path:
        """Return the file of the keys by which other hosts are known."""
        return naming.known_hosts()

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        """Send a mail; what must not be kept is not sent either."""
        return mail.send(to, self.mask(subject), self.mask(text))

    def create_job(self, wish: Mapping[str, Any], *, mark: str) -> Mapping[str, Any]:
        """Create another job, waiting for a database that is away; the same mark gives the same job.

        Raises:
            StaleClaim: The claim is gone.
        """
        made = retrying(
            lambda: creating.create(self._runner.job_id, self._runner.attempt, wish, mark), self._lease
        )
        if self.lost():
            raise StaleClaim(self._runner.job_id)
        return made


class BranchHost:
    """The host of one branch of a ``parallel``: the job's own, but for the log thread."""

    def __init__(self, host: JobHost, thread: int) -> None:
        self._host, self._thread = host, thread

    def __getattr__(self, name: str) -> Any:
        """Return what the job's own host has."""
        return getattr(self._host, name)

    def log(self, path: str, node: RuleNode, level: Level, text: str) -> None:
        """Write a line to the log."""
        self._host.log(path, node, level, text, thread=self._thread)

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        """Append raw output of a process to the log."""
        self._host.output(path, node, stream, data, thread=self._thread)
