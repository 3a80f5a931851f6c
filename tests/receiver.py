"""A real receiver of webhooks on 127.0.0.1 that behaves as it is told: answers, hangs, redirects, closes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request that came."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


Behaviour = Callable[[BaseHTTPRequestHandler, "Receiver"], None]


def answers(status: int, body: bytes = b"thanks", **headers: str) -> Behaviour:
    """Answer so."""

    def act(handler: BaseHTTPRequestHandler, _receiver: Receiver) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def hangs(_handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Say nothing until the test is over."""
    receiver.over.wait(30)


def drips(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    """Say a little now and then, without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not receiver.over.wait(0.1):
        try:
            handler.wfile.write(b"X-More: and more\r\n")
            handler.wfile.flush()
        except OSError:
            return


def closes(handler: BaseHTTPRequestHandler, _receiver: Receiver) -> None:
    """Close the connection without a word."""
    handler.connection.close()


@dataclass
class Receiver:
    """What came, and what is done next; the last behaviour stays."""

    port: int = 0
    script: list[Behaviour] = field(default_factory=lambda: [answers(200)])
    received: list[Received] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[tuple[str, str]]:
        """Job and event of what came, in the order it came."""
        return [((each.json["job"] or {}).get("name", ""), each.json["event"]) for each in self.received]

    def take(self, received: Received) -> Behaviour:
        """Note a request and return what to do with it."""
        with self.lock:
            self.received.append(received)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Be silent: a sender that hangs up is what tests are about."""


@contextmanager
def receiving(*script: Behaviour) -> Iterator[Receiver]:
    """Listen within the block."""
    receiver = Receiver(script=list(script) or [answers(200)])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.take(Received(headers, body, self.path))(self, receiver)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
