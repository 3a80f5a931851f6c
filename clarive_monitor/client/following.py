"""Following a job while it goes on: every line of its log once and in order, whatever happens to connections.

The stream brings news at once. Lines have numbers without gaps, so a line that does not follow the last one is read
from the log itself, as is all that was said while there was no connection. A server without a stream is asked again
and again instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clarive_monitor.client.errors import Refused, TimedOut, Unreachable
from clarive_monitor.client.exits import Exit, has_ended
from clarive_monitor.client.transport import Server

POLL_SECONDS: Final = 1.0
LONGEST_PAUSE: Final = 15.0
SILENCE_SECONDS: Final = 30.0
"""Without news of the stream for so long, the job itself is looked at."""
LOST_SECONDS: Final = 60.0
"""Without a word at all, not even that the server is still there, a connection counts as lost."""
LATENESS_SECONDS: Final = 5.0
"""By so much a deadline may be missed while nothing is said."""
PATIENCE_SECONDS: Final = 600.0
"""For so long a server may be away before whoever waits is told that it is."""
LINES_A_PAGE: Final = 5000

News = tuple[str, dict[str, Any]]
"""``("log", entry)`` or ``("job", job)``."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream."""

    kind: str
    data: str
    id: str = ""


def parse_events(
    lines: Iterator[str], retry: Callable[[float], None] = lambda seconds: None
) -> Iterator[ServerSentEvent]:
    """Yield the events in the lines of a stream; one that breaks off is none.

    Args:
        lines: Without their ends.
        retry: Takes how many seconds the server wants to be left alone after a lost connection.
    """
    data: list[str] = []
    kind = number = ""
    for line in lines:
        if not line:
            if data:
                yield ServerSentEvent(kind or "message", "\n".join(data), number)
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            number = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            retry(int(value) / 1000)


@dataclass
class Follower:
    """Follows one job.

    Attributes:
        server: Where it is.
        job_id: Its number.
        parameters: Filters of the log; with any, only the server knows which lines are meant, so it is asked for them.
        deadline: Until when, on the clock of ``time.monotonic``; ``None`` for as long as it takes.
        tell: Takes sentences about lost connections.
    """

    server: Server
    job_id: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    tell: Callable[[str], None] = lambda text: None
    sleep: Callable[[float], None] = time.sleep
    last_line: int = 0
    _attempt: int = 0
    _state: tuple[Any, ...] = ()
    _last_event: str = ""
    _streams: bool = True
    _pause: float = 0.0
    _lost_since: float | None = None

    def __post_init__(self) -> None:
        """Do without the stream where it cannot be used."""
        self._streams = not self.parameters

    def news(self) -> Iterator[News]:
        """Yield what happens to the job, up to its end: lines of the log, and the job whenever it is not as it was.

        Raises:
            Refused: It may not be seen any more, or is gone.
            TimedOut: The deadline came first.
        """
        while True:
            try:
                for kind, data in self._until_lost():
                    yield kind, data
                    if kind == "job" and has_ended(data):
                        return
            except (Refused, Unreachable) as error:
                if not _goes_by(error):
                    raise
                self._check_time()
                self._note_loss(error)
            self._rest(max(self._pause, POLL_SECONDS))

    def _until_lost(self) -> Iterator[News]:
        """Yield news as long as the stream lasts; without one, those that there are."""
        if not self._streams:
            yield from self._caught_up()
            return
        headers = {"Last-Event-ID": self._last_event} if self._last_event else {}
        # A job's name is in no other job's name; what the search finds besides is left out below.
        parameters = {"q": self.job()["name"]}
        patience = self._patience()
        try:
            with self.server.stream("stream/", parameters, headers, read_timeout=patience) as lines:
                # What happened before the stream was open is read now; what happens from here on, the stream tells.
                yield from self._caught_up()
                yield from self._told(self._minding(lines, patience))
        except Refused as error:
            if error.status == 404:
                self._streams = False
                yield from self._caught_up()
            elif error.status == 400 and self._last_event:
                # So long away that the server cannot go on from there; the log can.
                self._last_event = ""
            else:
                raise

    def _patience(self) -> float:
        """Return for how long a stream may be silent: no longer than there is time."""
        if self.deadline is None:
            return LOST_SECONDS
        return max(0.1, min(LOST_SECONDS, self.deadline - time.monotonic()))

    def _minding(self, lines: Iterator[str], patience: float) -> Iterator[str]:
        """Yield the lines of a stream, with an eye on the clock and on the job, whatever they say.

        Ends when the stream is to be opened anew: with less patience, or because the job is not as the stream tells.
        A server says now and then that it is there, also to somebody to whom it may say nothing else any more.
        """
        heard = time.monotonic()
        for line in lines:
            self._check_time()
            now = time.monotonic()
            if line and not line.startswith(":"):
                heard = now
            elif now - heard > SILENCE_SECONDS:
                heard = now
                if self._state != _state_of(self.job()):
                    return
            yield line
            if not line and patience - self._patience() > LATENESS_SECONDS:
                return

    def _told(self, lines: Iterator[str]) -> Iterator[News]:
        for event in parse_events(lines, self._set_pause):
            self._last_event = event.id or self._last_event
            self._check_time()
            try:
                data = json.loads(event.data)
            except ValueError:
                continue
            if event.kind == "log" and data.get("job") == self.job_id:
                yield from self._line(data["entry"])
            elif event.kind == "job" and data.get("id") == self.job_id:
                yield from self._moved(data)

    def _line(self, entry: dict[str, Any]) -> Iterator[News]:
        if entry["id"] <= self.last_line:
            return
        if entry["id"] != self.last_line + 1 or entry["attempt"] != self._attempt:
            yield from self._caught_up()
            return
        self.last_line = entry["id"]
        yield "log", entry

    def _moved(self, listed: dict[str, Any]) -> Iterator[News]:
        """Yield a job that is not as it was; when more than its progress changed, with all there is to know of it."""
        if self._state[:3] != _state_of(listed)[:3]:
            yield from self._caught_up()
        elif self._state != _state_of(listed):
            self._state = _state_of(listed)
            yield "job", listed

    def _caught_up(self) -> Iterator[News]:
        """Yield all lines that were not read yet, then the job when it is not as it was.

        The job is read first: what it said before its end is in the log by then.
        """
        job = self.job()
        if self._attempt and job["attempt"] != self._attempt:
            # The end of the attempt before, which the log does not show by itself any more.
            yield from self._lines({**self.parameters, "attempt": self._attempt})
        self._attempt = job["attempt"]
        yield from self._lines(self.parameters)
        if self._lost_since is not None:
            self.tell("Connected again.")
        self._lost_since, self._pause = None, 0.0
        if self._state != _state_of(job):
            self._state = _state_of(job)
            yield "job", job

    def _lines(self, parameters: Mapping[str, Any]) -> Iterator[News]:
        while True:
            asked = {**parameters, "after": self.last_line, "limit": LINES_A_PAGE}
            page = self.server.get(f"jobs/{self.job_id}/log/", asked)
            for entry in page["results"]:
                self.last_line = entry["id"]
                yield "log", entry
            self._check_time()
            if not page["next"]:
                return

    def job(self) -> dict[str, Any]:
        """Return the job as it is now."""
        found: dict[str, Any] = self.server.get(f"jobs/{self.job_id}/")
        return found

    def _set_pause(self, seconds: float) -> None:
        self._pause = min(seconds, LONGEST_PAUSE)

    def _note_loss(self, error: Exception) -> None:
        now = time.monotonic()
        if self._lost_since is None:
            self.tell(f"{error} The job goes on; trying to connect again…")
            self._lost_since = now
        elif now - self._lost_since > PATIENCE_SECONDS:
            raise error
        self._pause = min(max(self._pause * 2, POLL_SECONDS), LONGEST_PAUSE)

    def _rest(self, seconds: float) -> None:
        self._check_time()
        left = seconds if self.deadline is None else min(seconds, self.deadline - time.monotonic())
        if left > 0:
            self.sleep(left)

    def _check_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise TimedOut(f"Job {self.job_id} has not ended in time; it goes on.")


def _state_of(job: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells whether a job is as it was."""
    return (
        job["status"], job["step"], job["attempt"], job["progress"]["percent"], job["scheduled_at"], job["rollback"],
    )  # fmt: skip


def _goes_by(error: Refused | Unreachable) -> bool:
    """Return whether a failure is one of the network or of a server that is being restarted."""
    lasts = isinstance(error, Unreachable) and error.not_clarive
    return error.exit is Exit.UNREACHABLE and not lasts


@dataclass
class Waiter:
    """Waits for one job without its log.

    Attributes:
        server: Where it is.
        job_id: Its number.
        until: A status, or ``ended``.
        deadline: Until when, on the clock of ``time.monotonic``; ``None`` for as long as it takes.
    """

    server: Server
    job_id: int
    until: str = "ended"
    deadline: float | None = None
    sleep: Callable[[float], None] = time.sleep
    _waits: bool = True
    _lost_since: float | None = None

    def wait(self) -> dict[str, Any]:
        """Return the job once it is so; also one that ended otherwise, and will not be so.

        Raises:
            TimedOut: The deadline came first.
            Refused: The job may not be seen.
            Unreachable: For longer than patience lasts.
        """
        while True:
            try:
                job = self._looked_at()
                self._lost_since = None
            except (Refused, Unreachable) as error:
                if not _goes_by(error):
                    raise
                now = time.monotonic()
                self._lost_since = self._lost_since or now
                if now - self._lost_since > PATIENCE_SECONDS or self._left() <= 0:
                    raise
                self.sleep(min(POLL_SECONDS, self._left()))
                continue
            if job is not None:
                return job

    def _left(self) -> float:
        return PATIENCE_SECONDS if self.deadline is None else self.deadline - time.monotonic()

    def _looked_at(self) -> dict[str, Any] | None:
        """Return the job when it is so, else wait for a while."""
        job: dict[str, Any] = self.server.get(f"jobs/{self.job_id}/")
        if job["status"] == self.until or has_ended(job):
            return job
        left = self._left()
        if left <= 0:
            raise TimedOut(
                f"{job['name']} is {job['status']} in {job['step']} after all this time; it goes on."
            )
        if self._waits:
            self._waits = self._server_waits(left)
        if not self._waits:
            self.sleep(min(POLL_SECONDS, left))
        return None

    def _server_waits(self, seconds: float) -> bool:
        """Let the server wait; return whether it can."""
        # Whole seconds, and no longer than what stands between lets a request take.
        asked = max(1, min(50, int(seconds)))
        parameters = {"until": self.until, "timeout": asked}
        try:
            self.server.get(f"jobs/{self.job_id}/wait/", parameters, timeout=asked + 30.0)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True
