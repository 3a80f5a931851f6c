"""A real git server over http for tests: git's own backend behind a password, which can hang or be cut in mid-answer."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PIECE = 16 << 10


@dataclass
class GitServer:
    """What the server does.

    Attributes:
        root: Folder of the repositories.
        user: Who is let in; with a ``password`` of ``None`` everybody is.
        password: Of that user.
        stops_after: So many bytes of a pack are sent and then nothing more; ``None`` for all of it.
        hangs: Whether it then keeps the connection open until it is let go; otherwise it is cut.
        is_sending: Set when a pack was begun and it stopped.
        let_go: Ends the hanging.
        packs: How many packs were asked for.
    """

    root: Path
    user: str = ""
    password: str | None = None
    stops_after: int | None = None
    hangs: bool = False
    is_sending: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    packs: int = 0
    port: int = 0

    def address(self, name: str, user: str = "") -> str:
        """Return the address of a repository below the root."""
        return f"http://{user}{'@' if user else ''}127.0.0.1:{self.port}/{name}"

    def lets_in(self, header: str | None) -> bool:
        """Return whether an Authorization header is the right one."""
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return self.password is None or header == f"Basic {expected}"


@contextlib.contextmanager
def git_server(root: Path, **options: Any) -> Iterator[GitServer]:
    """Serve the repositories below ``root``."""
    state = GitServer(root, **options)

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.let_go.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to ``git http-backend``."""

    server_state: GitServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = bytearray()
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _serve(self, body: bytes) -> None:
        state = self.server_state
        if not state.lets_in(self.headers.get("Authorization")):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(state.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": state.user,
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        self._send(head.decode(), answer, is_pack=b"PACK" in answer)

    def _send(self, head: str, answer: bytes, *, is_pack: bool) -> None:
        state = self.server_state
        fields = [line.partition(": ")[::2] for line in head.split("\r\n")]
        self.send_response(next((int(value.split()[0]) for name, value in fields if name == "Status"), 200))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        state.packs += is_pack
        if not is_pack or state.stops_after is None:
            self.wfile.write(answer)
            return
        self.wfile.write(answer[: state.stops_after])
        self.wfile.flush()
        state.is_sending.set()
        if state.hangs:
            state.let_go.wait(30)
        self.close_connection = True

    def log_message(self, format: str, *_words: object) -> None:
        """Say nothing."""
