"""The host of CHECK, which runs before the job exists: nothing is recorded, the log is not kept."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jobs.execution import mail
from jobs.execution.host import check_out
from jobs.execution.naming import JobFacts, known_hosts, scope
from jobs.repositories import GitRunner
from rules.engine.host import Host, Level, Mailed, Stream
from rules.engine.outcomes import OperationFailed, Record
from rules.engine.registry import registry
from rules.processes.strays import marker_of
from rules.tree import RuleNode


class CheckHost:
    """Implements ``rules.engine.host.Host`` in memory, in a directory of its own that is gone afterwards."""

    def __init__(self, facts: JobFacts, request_id: str) -> None:
        self._facts = facts
        self._records: dict[str, Record] = {}
        self.names: Mapping[str, Any] = facts.names()
        self.environ: Mapping[str, str] = facts.environ()
        self.marker = marker_of(scope(), request_id)
        self.directory = Path(tempfile.mkdtemp(prefix="clarive-check-"))

    def __enter__(self) -> Self:
        """Return the host itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the directory."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def mask(self, value: Any) -> Any:
        """Return plain data with the secrets of the job to be hidden."""
        return self._facts.secrets.mask.value(value)

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(UTC)

    def recorded(self, path: str) -> Record | None:
        """Return what is known of the operation under ``path``."""
        return self._records.get(path)

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        """Remember that an operation begins."""
        self._records[path] = record.masked(registry.get(node.key), self.mask)

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        """Remember how an operation ended."""
        self._records[path] = record.masked(registry.get(node.key), self.mask)

    def stopping(self) -> bool:
        """Return ``False``: a check is short and is never handed over."""
        return False

    def lost(self) -> bool:
        """Return ``False``: the time limit ends a check, nothing else."""
        return False

    def check(self) -> None:
        """Do nothing."""

    def wait(self, seconds: float) -> bool:
        """Sleep."""
        time.sleep(seconds)
        return True

    def acquire(self, path: str, name: str) -> bool:
        """Return ``True``; the rule's parser lets no operation of a check ask for a slot."""
        return True

    def release(self, path: str) -> None:
        """Do nothing."""

    @contextmanager
    def branch(self) -> Iterator[Host]:
        """Return the host itself."""
        yield self

    def log(self, path: str, node: RuleNode, level: Level, text: str) -> None:
        """Do nothing: CHECK's log is not kept."""

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        """Do nothing: CHECK's log is not kept."""

    def checkout(self, directory: Path, seconds: float | None) -> str:
        """Put the contents of the first revision into ``directory``."""
        return check_out(self._facts, directory, seconds, GitRunner(self.marker, self.lost))

    def known_hosts(self) -> Path:
        """Return the file of the keys by which other hosts are known."""
        return known_hosts()

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        """Send a mail."""
        return mail.send(to, subject, text)

    def create_job(self, wish: Mapping[str, Any], *, mark: str) -> Mapping[str, Any]:
        """Refuse: the parser does so already, as the worker that runs CHECK would wait for itself.

        Raises:
            OperationFailed: Always.
        """
        raise OperationFailed("CHECK cannot create jobs.")
