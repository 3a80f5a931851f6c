"""A server on a real socket that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "clv_secret"
DROP = "drop"
"""Instead of an answer: the connection is closed without one."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """One answer. Texts are streamed as they are, then the connection is closed."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"


@dataclass(frozen=True)
class Pieces:
    """An answer that is streamed as it comes."""

    each: Iterator[bytes]


Said = Answer | Pieces | str
Reply = Said | Callable[[Asked], Said]


def problem(status: int, code: str, detail: str = "It is refused.", **members: Any) -> Answer:
    """Return problem details as the API has them."""
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code, **members}
    return Answer(body, status, kind="application/problem+json")


def page(*rows: Any, following: str | None = None) -> Answer:
    """Return a page of a list."""
    return Answer({"next": following, "previous": None, "results": list(rows)})


def job(number: int = 7, status: str = "running", **changed: Any) -> dict[str, Any]:
    """Return a job as the API shows it."""
    ended = status in {"finished", "error", "cancelled", "rejected", "expired", "abend"}
    return {
        "id": number, "name": f"N.DEV-{number:08}", "type": "promote", "rule": "web", "rule_version": 1,
        "environment": "DEV", "project": "shop", "revisions": [{"ref": "v1", "sha": "a" * 40}], "natures": [],
        "status": status, "step": "END" if ended else "RUN", "outcome": None, "attempt": 1, "urgent": False,
        "comment": "", "variables": {}, "created_by": "ana", "created_at": "2026-03-01T10:00:00Z",
        "scheduled_at": "2026-03-01T10:00:00Z", "max_start_at": "2026-03-02T10:00:00Z",
        "started_at": "2026-03-01T10:00:01Z", "finished_at": "2026-03-01T10:01:06Z" if ended else None,
        "rollback": "none", "actions": ["cancel", "run_now"], "trap": None, "approval": None, "blockers": [],
        "progress": {"operations_done": 1, "operations_expected": 2, "percent": 100 if ended else 50,
                     "basis": "tree", "eta": None},
        **changed,
    }  # fmt: skip


def entry(number: int, text: str = "", **changed: Any) -> dict[str, Any]:
    """Return a line of a log."""
    return {
        "id": number, "at": "2026-03-01T10:00:00Z", "attempt": 1, "step": "RUN", "operation": None, "level": "info",
        "stream": "stdout", "text": text or f"line {number}", "user": None, **changed,
    }  # fmt: skip


def event(kind: str, data: Any, number: int) -> str:
    """Return an event of a stream."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


class Stub:
    """What is answered, by method and path after ``/api/v1/``: one reply after the other, the last one for ever."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[Asked] = []
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()

    def on(self, what: str, *replies: Reply) -> None:
        """Say what is answered to ``"GET jobs/"``."""
        self._replies[what] = list(replies)

    def answer(self, asked: Asked) -> Said:
        """Return what is to be answered."""
        with self._lock:
            self.asked.append(asked)
            waiting = self._replies.get(f"{asked.method} {asked.path}")
            if not waiting:
                return problem(404, "not_found", f"There is nothing at {asked.path}.")
            reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return reply(asked) if callable(reply) else reply

    def bodies(self, what: str) -> list[Any]:
        """Return what was sent there."""
        return [asked.body for asked in self.asks(what)]

    def asks(self, what: str) -> Sequence[Asked]:
        """Return the requests there."""
        return [asked for asked in self.asked if f"{asked.method} {asked.path}" == what]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/api/v1/")
        asked = Asked(self.command, path, parse_qs(parts.query), dict(self.headers), body)
        answer = self.stub.answer(asked)
        if isinstance(answer, str | Pieces):
            self.close_connection = True
            if answer is not DROP:
                self._stream(iter([answer.encode()]) if isinstance(answer, str) else answer.each)
            return
        content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(content)

    def _stream(self, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):  # nobody reads on
            for piece in pieces:
                self.wfile.write(piece)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Stub]:
    """Run a stub on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"stub": stub})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
