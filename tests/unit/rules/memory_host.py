"""A host in memory: records survive it, so a second one can take up what a first one left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rules.engine.call import Call
from rules.engine.host import Host, Level, Mailed, Stream
from rules.engine.outcomes import Interrupted, Record
from rules.engine.registry import OperationType, Registry
from rules.palette import load
from rules.tree import RuleNode

FIXED: Mapping[str, Any] = {
    "job": {"id": 7, "name": "N.DEV-00000007"},
    "environment": "DEV",
    "project": "shop",
    "revision": {"ref": "v1.0.0", "sha": "a" * 40},
    "revisions": [{"ref": "v1.0.0", "sha": "a" * 40}],
    "natures": [],
    "step": "RUN",
    "attempt": 1,
    "outcome": None,
    "secrets": {},
}


class MemoryHost:
    """Implements ``Host``; ``stop_when`` decides at each check whether the worker is told to stop."""

    def __init__(
        self,
        records: dict[str, Record] | None = None,
        effects: list[str] | None = None,
        stop_when: Callable[[], bool] = lambda: False,
        clock: datetime = datetime(2026, 11, 23, 2, 40, tzinfo=UTC),
    ) -> None:
        self.records = {} if records is None else records
        self.effects = [] if effects is None else effects
        self.lines: list[tuple[str, str]] = []
        self.wishes: list[tuple[dict[str, Any], str]] = []
        self.clock = clock
        self.done = 0
        self.writes: list[str] = []
        self.names = FIXED
        self.directory = Path("/nowhere")
        self.environ: Mapping[str, str] = {}
        self.marker = ""
        self.taken: set[str] = set()
        self.holding: dict[str, str] = {}
        self._stop_when = stop_when

    def now(self) -> datetime:
        return self.clock

    def recorded(self, path: str) -> Record | None:
        return self.records.get(path)

    def begin(self, path: str, node: RuleNode, name: str, record: Record, *, durable: bool) -> None:
        self.records[path] = record

    def finish(self, path: str, node: RuleNode, name: str, record: Record, *, done: int) -> None:
        assert path not in self.writes, f"{path} was finished twice by one runner"
        self.writes.append(path)
        self.records[path] = record
        self.done = done

    def mask(self, value: Any) -> Any:
        return value

    def stopping(self) -> bool:
        return self._stop_when()

    def lost(self) -> bool:
        return False

    def check(self) -> None:
        if self._stop_when():
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        if self._stop_when():
            # Told to stop in the middle of the wait; the next check hears it as well.
            self.clock += timedelta(seconds=seconds / 2)
            self._stop_when = lambda: True
            return False
        self.clock += timedelta(seconds=seconds)
        return True

    def acquire(self, path: str, name: str) -> bool:
        if name in self.taken:
            return False
        self.holding[path] = name
        return True

    def release(self, path: str) -> None:
        self.holding.pop(path, None)

    @contextmanager
    def branch(self) -> Iterator[Host]:
        yield self

    def log(self, path: str, node: RuleNode, level: Level, text: str) -> None:
        self.lines.append((level, text))

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        self.lines.append((stream, data.decode()))

    def checkout(self, directory: Path, seconds: float | None) -> str:
        return "a" * 40

    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        self.effects.append(f"mail to {', '.join(to)}: {subject}: {text}")
        return Mailed(
            tuple(one for one in to if "@" in one), tuple(f"No {one}." for one in to if "@" not in one)
        )

    def create_job(self, wish: Mapping[str, Any], *, mark: str) -> Mapping[str, Any]:
        self.wishes.append((dict(wish), mark))
        return {"id": 8, "name": "N.DEV-00000008"}


def _effect(call: Call) -> str:
    """Note what was done outside of the records; ``fail:`` then fails, ``once:`` fails the first time."""
    from rules.engine.outcomes import OperationFailed

    host = call.host
    assert isinstance(host, MemoryHost)
    text = str(call.arguments)
    host.effects.append(text)
    if text.startswith("fail:") or (text.startswith("once:") and host.effects.count(text) == 1):
        raise OperationFailed(f"{text} failed")
    if text.startswith("slow:"):
        host.clock += timedelta(minutes=10)
    return text.upper()


def registry() -> Registry:
    """Return the palette and ``effect``."""
    from rules.engine.registry import registry as palette

    load()
    found = Registry()
    for operation in palette:
        found.register(operation)
    found.register(OperationType("effect", {"type": "string"}, "Notes that it ran.", execute=_effect))
    return found
