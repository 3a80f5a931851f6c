"""The host of CHECK, which runs before the job exists: nothing is recorded; who is refused gets the end of the log."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from jobs.execution import checkpoints, mail
from jobs.execution.host import check_out
from jobs.execution.naming import JobFacts, known_hosts, scope
from jobs.repositories import GitRunner
from rules.engine.host import Host, Level, Mailed, Stream
from rules.engine.outcomes import OperationFailed, Record
from rules.engine.registry import registry
from rules.processes.strays import marker_of
from rules.tree import RuleNode

MOST_LINES: Final = 100
"""So many lines an asker gets."""
_MOST_BYTES: Final = 32 << 10
_LONGEST_LINE: Final = 500


class CheckHost:
    """Implements ``rules.engine.host.Host`` in memory, in a directory of its own that is gone afterwards."""

    def __init__(self, facts: JobFacts, request_id: str) -> None:
        self._facts = facts
        self._records: dict[str, Record] = {}
        self._lines: deque[tuple[str, str]] = deque(maxlen=MOST_LINES)
        self._outputs: dict[str, bytearray] = {}
        self._hidden: dict[tuple[str, str], Any] = {}
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
        """Remember an entry."""
        for other in list(self._outputs):
            self._settle_output(other, is_over=other == path)
        # As a whole: of a secret of several lines no line alone would be known.
        self._lines.extend((level, line) for line in str(self.mask(text)).splitlines()[-MOST_LINES:])

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        """Remember the end of what a command says."""
        kept = self._outputs.setdefault(path, bytearray())
        hidden = self._hidden.setdefault((path, stream), self._facts.secrets.mask.filter())
        kept += hidden.push(data)
        if len(kept) > _MOST_BYTES:
            begin = kept.find(b"\n", len(kept) - _MOST_BYTES)
            del kept[: begin + 1 if begin >= 0 else len(kept)]

    def _settle_output(self, path: str, *, is_over: bool) -> None:
        """Take over what a command has said; half a line only once the command is over."""
        said = bytes(self._outputs.pop(path, b""))
        if is_over:
            said += b"".join(
                self._hidden.pop(key).rest(final=True) for key in list(self._hidden) if key[0] == path
            )
        else:
            end = said.rfind(b"\n") + 1
            self._outputs[path] = bytearray(said[end:])
            said = said[:end]
        text = said.decode(errors="replace")
        self._lines.extend(("output", line) for line in text.splitlines()[-MOST_LINES:])

    def lines(self) -> list[list[str]]:
        """Return the end of the log, level and text of each line, with the secrets of the job hidden."""
        for path in list(self._outputs):
            self._settle_output(path, is_over=True)
        return [
            [level, checkpoints.clean(str(self.mask(text)))[:_LONGEST_LINE]] for level, text in self._lines
        ]

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
