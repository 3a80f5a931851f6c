"""Writing the log of a running job, and single entries to the log of any.

``LogWriter`` belongs to the runner of a job. Output is collected and written by a thread of its own, over a
connection of its own: the thread that reads a command's output never waits for the database while there is room, and
a job that says nothing for more than ``FLUSH_SECONDS`` or is over before never needs that thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs import alarms
from jobs.alarms import Alarm
from jobs.exceptions import StaleClaim
from jobs.log.assembly import Assembly, FilterFactory, Place
from jobs.log.codec import BlockBuilder, Level, Stream, encode_lines, join_lines
from jobs.log.rows import Batch, Chunk

__all__ = ["LogWriter", "append_entries", "append_entry", "batch_of"]

FLUSH_SECONDS: Final = 0.2
MOST_HELD: Final = 8 << 20
"""Bytes of text that wait for the database before ``feed`` waits, too."""

_RETRY_SECONDS: Final = 0.2
_CLOSE_SECONDS: Final = 15.0
_LOST_CONNECTION: Final = (OperationalError, InterfaceError)

logger = logging.getLogger(__name__)


def _present() -> datetime:
    return datetime.now(UTC)


class LogWriter:
    """The log of one attempt of one job, for the runner that holds its claim. Threads may share it.

    Order is kept within a log thread; branches of a ``parallel`` are interleaved by blocks. Do not call ``feed``,
    ``flush`` or ``pending`` while holding a lock on the job's row: the writing thread needs that row.
    """

    def __init__(
        self,
        job_id: int,
        claim: UUID,
        attempt: int,
        *,
        filter_factory: FilterFactory | None = None,
        now: Callable[[], datetime] = _present,
        using: str = "default",
    ) -> None:
        """Begin; nothing is written and no thread started yet.

        Args:
            job_id: Whose log.
            claim: The runner's claim; each write is made only while the job has it.
            attempt: From 1.
            filter_factory: Makes a filter for each output stream; see ``jobs.log.assembly.Filter``.
            now: The clock of the entries.
            using: Which of Django's databases.
        """
        self._job_id, self._claim, self._attempt, self._using = job_id, claim, attempt, using
        self._now = now
        self._assembly = Assembly(filter_factory)
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._held = 0  # bytes taken out of the assembly and not yet written
        self._unwritten: list[Chunk] = []
        self._uncertain = False
        self._waiting_since: float | None = None
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._alarm: Alarm | None = None
        self._closing = False

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and end the thread; after an error only as far as that is possible."""
        try:
            self.close()
        except (StaleClaim, DatabaseError):
            if error is None:
                raise
            logger.warning("The last lines of job %s were not written.", self._job_id)

    @property
    def lost(self) -> bool:
        """Whether a write found the claim gone."""
        return isinstance(self._failure, StaleClaim)

    def feed(
        self, step: str, operation: str, operation_id: str, stream: str, data: bytes, *, thread: int = 0
    ) -> None:
        """Add a piece of output; waits while too much is waiting for the database.

        Args:
            step: Code of the step.
            operation: Path of the operation.
            operation_id: Its ``id``, or its path.
            stream: ``stdout`` or ``stderr``.
            data: Any bytes.
            thread: Branch of a ``parallel``.

        Raises:
            StaleClaim: The claim is gone.
        """
        place = Place(step, operation, operation_id, thread)
        with self._changed:
            while self._failure is None and self._assembly.size + self._held > MOST_HELD:
                self._changed.wait()
            self._raise_failure()
            self._assembly.feed(place, Stream[stream.upper()], data, self._now(), time.monotonic())
            self._wake()

    def entry(
        self, step: str, operation: str, operation_id: str, level: str, text: str, *, thread: int = 0
    ) -> None:
        """Add an entry; a text of several lines becomes several. Never waits.

        Args:
            step: Code of the step.
            operation: Path of the operation, empty for the step itself.
            operation_id: Its ``id``, or its path.
            level: ``debug``, ``info``, ``warning``, ``error`` or ``comment``.
            text: Without a line feed at the end.
            thread: Branch of a ``parallel``.

        Raises:
            StaleClaim: The claim is gone.
        """
        with self._changed:
            self._raise_failure()
            place = Place(step, operation, operation_id, thread)
            # Cut by the assembly, behind its filter: a cut inside of a secret would let its halves through.
            self._assembly.entry(place, Level.of(level), encode_lines(text), self._now())
            self._wake()

    def end_operation(self, *, thread: int = 0) -> None:
        """Say that the operation at hand is over: what it wrote without a line feed at the end is a line now."""
        with self._changed:
            self._assembly.end(self._now(), thread)

    @contextmanager
    def pending(self) -> Iterator[Batch]:
        """Hand over what is not written yet, to be written together with something else.

            with log.pending() as batch, transaction.atomic():
                batch.write(connection, claim)
                …

        The writing thread waits meanwhile. When the block ends without an error the batch counts as written,
        otherwise it is kept. The batch may be empty.

        Raises:
            StaleClaim: The claim is gone.
        """
        with self._writing:
            if self._uncertain:
                self._settle(connections[self._using])
            with self._changed:
                self._raise_failure()
                builders = self._take()
            self._unwritten.extend(Chunk(place, builder.build()) for place, builder in builders)
            try:
                yield Batch(self._job_id, self._attempt, tuple(self._unwritten))
            except StaleClaim as error:
                self._fail(error)
                raise
            except BaseException as error:
                self._uncertain = isinstance(error, _LOST_CONNECTION) and bool(self._unwritten)
                with self._changed:
                    self._waiting_since = time.monotonic()
                raise
            self._written()

    def flush(self) -> None:
        """Write everything over this thread's connection, beginnings of lines included.

        Raises:
            StaleClaim: The claim is gone.
            DatabaseError: It could not be written; it is kept for the next try.
        """
        with self._changed:
            self._assembly.end(self._now())
        self._write(connections[self._using])

    def close(self) -> None:
        """End the thread and write what is left.

        Raises:
            StaleClaim: The claim is gone.
            DatabaseError: The database did not come back in time.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._alarm is not None:
                self._alarm.cancel()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        until = time.monotonic() + _CLOSE_SECONDS
        while True:
            try:
                return self.flush()
            except _LOST_CONNECTION:
                connection = connections[self._using]
                if connection.in_atomic_block or time.monotonic() >= until:
                    raise
                connection.close()
                time.sleep(_RETRY_SECONDS)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _wake(self) -> None:
        """Let the writing thread know; called with the lock held."""
        is_new = self._waiting_since is None
        if is_new:
            self._waiting_since = time.monotonic()
        if self._thread is not None:
            if is_new or self._assembly.has_full_block:
                self._changed.notify_all()
        elif self._assembly.has_full_block:
            self._start()
        elif self._alarm is None:
            self._alarm = alarms.after(FLUSH_SECONDS, self._start_late)

    def _start(self) -> None:
        """Start the writing thread; called with the lock held."""
        if self._thread is None and not self._closing:
            thread = threading.Thread(target=self._run, name=f"log of job {self._job_id}", daemon=True)
            thread.start()
            self._thread = thread

    def _start_late(self) -> None:
        """Start the writing thread: what was said so long ago is not written yet, or the step takes its time."""
        with self._changed:
            self._alarm = None
            try:
                self._start()
            except (
                RuntimeError
            ) as error:  # no thread is to be had: it goes on in the thread of the runner, at its next call
                self._failure = error
                self._changed.notify_all()

    def _take(self) -> list[tuple[Place, BlockBuilder]]:
        self._held += self._assembly.size
        self._waiting_since = None
        return self._assembly.take()

    def _written(self) -> None:
        self._unwritten.clear()
        self._uncertain = False
        with self._changed:
            self._held = 0
            self._changed.notify_all()

    def _write(self, connection: BaseDatabaseWrapper) -> None:
        with self.pending() as batch:
            batch.write(connection, self._claim)

    def _settle(self, connection: BaseDatabaseWrapper) -> None:
        """Find out whether the last write, whose connection broke, was made after all."""
        batch = Batch(self._job_id, self._attempt, tuple(self._unwritten))
        with transaction.atomic(using=self._using), connection.cursor() as cursor:
            # A statement that still runs on the broken connection holds this row: wait for its end.
            cursor.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [self._job_id])
            stored = batch.is_stored(connection)
        if stored:
            self._written()
        self._uncertain = False

    def _run(self) -> None:
        """The writing thread."""
        connection = connections[self._using]
        try:
            while self._wait_for_work():
                try:
                    self._write(connection)
                except _LOST_CONNECTION as error:
                    logger.warning("The log of job %s waits for the database: %s", self._job_id, error)
                    connection.close()
                    with self._changed:
                        self._changed.wait_for(lambda: self._closing, _RETRY_SECONDS)
        except BaseException as error:  # it goes on in the thread of the runner, at its next call
            self._fail(error)
        finally:
            connection.close()

    def _wait_for_work(self) -> bool:
        """Wait until something should be written; return ``False`` when the writer is being closed."""
        with self._changed:
            while not self._closing:
                clock = time.monotonic()
                due = self._assembly.release(self._now(), clock)
                if self._assembly.has_full_block:
                    return True
                if self._assembly.size or self._unwritten:
                    since = self._waiting_since = self._waiting_since or clock
                    if clock >= since + FLUSH_SECONDS:
                        return True
                    due = min(filter(None, (due, since + FLUSH_SECONDS)))
                self._changed.wait(None if due is None else max(due - clock, 0.001))
            return False


def append_entries(
    job_id: int,
    attempt: int,
    step: str,
    entries: list[tuple[str, str]],
    *,
    operation: str = "",
    operation_id: str = "",
    username: str = "",
    at: datetime | None = None,
    using: str = "default",
) -> None:
    """Write entries of a person, the daemon or a transition, in the transaction at hand.

    Args:
        job_id: Whose log.
        attempt: From 1.
        step: Code of the step.
        entries: Level and text each; a text of several lines becomes several.
        operation: Path of the operation they are about.
        operation_id: Its ``id``, or its path.
        username: Who says so, empty for the product itself.
        at: When, aware; the present when not given.
        using: Which of Django's databases.

    Raises:
        JobNotFound: There is no such job.
    """
    if not entries:
        return
    place = Place(step, operation, operation_id, username=username)
    batch_of(job_id, attempt, place, entries, at).write_unclaimed(connections[using])


def batch_of(
    job_id: int, attempt: int, place: Place, entries: list[tuple[str, str]], at: datetime | None = None
) -> Batch:
    """Return entries of one place, not written yet; see ``append_entries``."""
    builder = BlockBuilder()
    moment = at if at is not None else _present()
    for level, text in entries:
        builder.add(join_lines([text]), moment, Level.of(level), Stream.SYSTEM)
    return Batch(job_id, attempt, (Chunk(place, builder.build()),))


def append_entry(
    job_id: int,
    attempt: int,
    step: str,
    level: str,
    text: str,
    *,
    operation: str = "",
    operation_id: str = "",
    username: str = "",
    at: datetime | None = None,
) -> None:
    """Write one entry; see ``append_entries``."""
    append_entries(
        job_id,
        attempt,
        step,
        [(level, text)],
        operation=operation,
        operation_id=operation_id,
        username=username,
        at=at,
    )
