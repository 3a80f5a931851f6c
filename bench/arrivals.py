"""When lines of a log arrive: in a stream that a program reads, and in the answers that a page asks for.

Lines say when they were written: ``at 1790000000.123456``. All clocks are those of this machine.
"""

from __future__ import annotations

import re
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from bench.orders import Visitor

_WRITTEN: Final = re.compile(r"at (\d{10}\.\d{6})\b")
_NEXT: Final = re.compile(r"[?&;]after=(\d+)")
_SCRIPT: Final = Path(__file__).resolve().parent.parent / "jobs/static/monitor/live.js"


class Listener:
    """Reads server-sent events in a thread of its own; ``ages`` says how old each line was, in milliseconds."""

    def __init__(self, address: str, path: str, headers: dict[str, str]) -> None:
        """Connect; returns when the stream has begun."""
        parts = urlsplit(address)
        self.ages: list[float] = []
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._connection.request("GET", path, headers=headers)
        self._answer: HTTPResponse = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Hang up."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()

    def note(self, text: str) -> None:
        """Take note of the lines in what came just now."""
        now = time.time()
        self.ages += [(now - float(written)) * 1000 for written in _WRITTEN.findall(text)]

    def hear(self, line: str) -> None:
        """Take a line of the stream."""
        raise NotImplementedError

    def _read(self) -> None:
        try:
            for line in self._answer:
                self.hear(line.decode())
        except (OSError, HTTPException, AttributeError, ValueError):
            return  # hung up


class Stream(Listener):
    """A program that is told the lines."""

    def __init__(self, address: str, token: str, job_id: int) -> None:
        """Follow the log of a job."""
        super().__init__(
            address, f"/api/v1/stream/?job={job_id}&events=log", {"Authorization": f"Bearer {token}"}
        )

    def hear(self, line: str) -> None:
        """Take note of a line of the log."""
        self.note(line)


class Page(Listener):
    """The page of a log, which is told that there is something and asks for it, as ``live.js`` does."""

    def __init__(self, address: str, job_id: int) -> None:
        """Open the page of a job's log."""
        self._visitor = Visitor(address)
        self._path = f"/jobs/{job_id}/log/"
        self._after = max(map(int, _NEXT.findall(self._visitor.page(self._path))), default=0)
        script = _SCRIPT.read_text()
        self._tick, self._least = (
            int(re.search(rf"const {name} = (\d+)", script)[1]) / 1000  # type: ignore[index]
            for name in ("TICK", "LEAST")
        )
        self._hinted = threading.Event()
        self._over = False
        self._asking = threading.Thread(target=self._ask_when_told, daemon=True)
        super().__init__(
            address, f"/api/v1/stream/?job={job_id}&hints=true", {**self._visitor.headers, "Accept": "*/*"}
        )

    def __enter__(self) -> Self:
        """Begin to listen and to ask."""
        self._asking.start()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        """Close the page."""
        self._over = True
        self._hinted.set()
        self._asking.join(5)
        super().__exit__(*error)

    def hear(self, line: str) -> None:
        """Take a hint."""
        if line.startswith("event: changed"):
            self._hinted.set()

    def _ask_when_told(self) -> None:
        asked = 0.0
        while True:
            self._hinted.wait()
            if self._over:
                return
            self._hinted.clear()
            while time.monotonic() - asked < self._least:
                time.sleep(self._tick / 2)  # half of it: on average what is left of a tick
            asked = time.monotonic()
            path = f"{self._path}?after={self._after}"
            status, body = self._visitor.get(path, **{"HX-Request": "true", "X-Clarive-Poll": "1"})
            if status == 200:
                text = body.decode()
                self.note(text)
                self._after = max([self._after, *map(int, _NEXT.findall(text))])
