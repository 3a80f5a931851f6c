"""What the engine asks of whoever runs it: the seam between rules, which know no job, and the runner of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from rules.engine.outcomes import Record
from rules.tree import RuleNode

Level = Literal["debug", "info", "warning", "error"]
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Mailed:
    """What became of a mail.

    Attributes:
        addresses: Where it went; empty when nobody could be found, and then nothing was sent.
        left_out: One sentence for each of those named who did not get it.
    """

    addresses: tuple[str, ...]
    left_out: tuple[str, ...] = ()


class Host(Protocol):
    """One step of one attempt of one job, or a check before the job exists.

    Every method that writes raises the host's own error once the right to write is lost; the engine lets it pass through.
    """

    @property
    def names(self) -> Mapping[str, Any]:
        """The fixed names of expressions as plain data: ``job``, ``environment``, ``revision``, ``step``."""

    @property
    def directory(self) -> Path:
        """The job's own directory on this machine."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of processes."""

    @property
    def marker(self) -> str:
        """What marks processes as this runner's."""

    def now(self) -> datetime:
        """Return the present, aware."""

    def recorded(self, path: str) -> Record | None:
        """Return what is known of the operation under ``path`` in this attempt."""

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        """Record that an operation begins. ``durable``: it is in the database, with all before it, when this returns."""

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        """Record how an operation ended. It may be written later, but before anything that comes after it has effects.

        Args:
            path: The operation.
            node: The operation as written.
            name: Its rendered name.
            record: How it ended.
            done: Leaf operations done so far in this step, a loop's body counted once.
        """

    def mask(self, value: Any) -> Any:
        """Return plain data of the same shape with every secret in it hidden: what may be stored and shown."""

    def stopping(self) -> bool:
        """Return whether the worker was told to stop: the operation at hand may still end."""

    def lost(self) -> bool:
        """Return whether the right to run is gone (cancelled, taken over): stop what runs at once."""

    def check(self) -> None:
        """Do nothing while the runner may go on.

        Raises:
            Interrupted: It was told to stop.
        """

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds``; return ``False`` when cut short because of ``lost`` or ``stopping``."""

    def acquire(self, path: str, name: str) -> bool:
        """Ask for a slot of the semaphore ``name`` and return whether the operation has one now.

        Asking again keeps the place in the queue, or the slot.

        Raises:
            OperationFailed: Waiting would never end: who holds the slots waits for what this job holds.
        """

    def release(self, path: str) -> None:
        """Give back the slot of the operation under ``path``, if it has one."""

    def branch(self) -> AbstractContextManager[Host]:
        """Return the host of one branch of a ``parallel``, for the thread that enters it."""

    def log(self, path: str, node: RuleNode, level: Level, text: str) -> None:
        """Write a line to the log."""

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        """Append raw output of a process to the log."""

    def checkout(self, directory: Path, seconds: float | None) -> str:
        """Put the contents of the job's first revision into ``directory`` and return its commit.

        Args:
            directory: In the job's directory; made when missing.
            seconds: How long it may take, ``None`` without limit.

        Raises:
            OperationFailed: There is no project, no revision, or git refused.
        """

    def known_hosts(self) -> Path:
        """Return the file of the keys by which other hosts are known; it may not be there."""

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        """Send a mail.

        Args:
            to: ``user:ana``, ``group:qa`` or addresses.
            subject: One line.
            text: Plain text.

        Raises:
            OperationFailed: The mail server is away or refuses.
        """

    def create_job(self, wish: Mapping[str, Any], *, mark: str) -> Mapping[str, Any]:
        """Create another job as the creator of this one and return its ``id`` and ``name``.

        Args:
            wish: ``rule``, ``environment``, ``project``, ``revisions`` (``{"ref", "sha"}``, either may be missing),
                ``comment`` and ``variables``.
            mark: What tells this asking from others of the job's attempt. The same mark again creates nothing and
                returns the same job.

        Raises:
            OperationFailed: It was refused, or no worker answered.
        """
