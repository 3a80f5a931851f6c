"""What tests of operations on other hosts and services share: a host with a real clock that can be taken away."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rules.engine.context import Stash
from rules.engine.host import Stream
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Record, StepOutcome
from rules.parser import parse
from rules.tree import RuleNode
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()


class Gone(Exception):
    """The right to run is gone."""


class RealHost(MemoryHost):
    """Keeps what it is told in memory, but time is real, and ``take_away`` cancels it."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.known_hosts_file = directory.parent / "known_hosts"
        self.said: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.heard = threading.Event()
        self._gone = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def lost(self) -> bool:
        return self._gone.is_set()

    def check(self) -> None:
        if self._gone.is_set():
            raise Gone

    def take_away(self) -> None:
        """Cancel the job."""
        self._gone.set()

    def output(self, path: str, node: RuleNode, stream: Stream, data: bytes) -> None:
        self.said[stream] += data
        self.heard.set()

    def known_hosts(self) -> Path:
        return self.known_hosts_file

    @property
    def record(self) -> Record:
        """What is recorded of the one operation."""
        return self.records["RUN/0"]

    @property
    def log_lines(self) -> list[str]:
        """The texts of the log."""
        return [text for _, text in self.lines]


def perform(host: RealHost, key: str, arguments: Any, **options: Any) -> StepOutcome:
    """Run one operation as the only one of a rule; values that hold braces are data already."""
    operation = json.dumps({key: arguments, **options})
    return run_step(
        parse(f"name: test\nsteps:\n  RUN:\n    - {operation}\n", REGISTRY),
        "RUN",
        host,
        Stash(),
        registry=REGISTRY,
    )


def in_thread(host: RealHost, key: str, arguments: Any, **options: Any) -> tuple[threading.Thread, list[Any]]:
    """Run one operation in a thread, and return it and the list that gets the outcome or the error."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(perform(host, key, arguments, **options))
        except Gone as error:
            ended.append(error)

    thread = threading.Thread(target=run, name="operation under test")
    thread.start()
    return thread, ended
