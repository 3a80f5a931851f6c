"""A real web process on the test database, and a program that reads its streams."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any
from urllib.parse import quote

from django.db import connection

from clarive_monitor.supervisor import servers, services
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together
from permissions import tokens
from permissions.models import User
from tests.installation import free_port

HOST = "127.0.0.1"


class Web:
    """The web process as the supervisor starts it."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.port = free_port()
        self._folder, self._variables = folder, variables
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._child is not None
        assert self._child.pid is not None
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._child is not None and self._child.returncode() is None

    @property
    def log(self) -> str:
        """All it has said since it was started last."""
        assert self._child is not None
        return self._child.new_output().decode(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, "DATABASE_URL": _database_url(), **self._variables}
        service = services.web(Layout(self._folder), environment, host=HOST, port=self.port)
        self._child = Child(service)
        self._child.start()
        servers.wait_until_ready(self._child, 60)

    def term(self) -> None:
        """Ask it to end as the supervisor does, and wait for it."""
        assert self._child is not None
        self._child.send(SIGTERM)
        self._child.wait()

    def restart(self) -> None:
        """End it and start it again on the same port."""
        self.term()
        self.start()

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            stop_together([self._child])

    def ask(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Return status and JSON of an answer of the API."""
        asking = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            asking.request("GET", f"/api/v1/{path}", headers=dict(headers))
            answer = asking.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            asking.close()


@contextmanager
def web_process(folder: Path, **variables: str) -> Iterator[Web]:
    """A web process for the block."""
    web = Web(folder, **variables)
    try:
        web.start()
        yield web
    finally:
        web.stop()


def bearer(user: User, **limits: Any) -> dict[str, str]:
    """Return the header of a new token."""
    return {"Authorization": f"Bearer {tokens.issue(user, **limits)}"}


@dataclass(frozen=True)
class Told:
    """One event as it came."""

    id: str
    event: str
    data: Any


@dataclass
class StreamReader:
    """Reads a stream as a browser does: ends with what was told in full, and goes on from there."""

    port: int
    headers: dict[str, str]
    path: str = "stream/"
    last: str = ""
    told: list[Told] = field(default_factory=list)
    status: int = 0
    buffer: int = 0
    _connection: http.client.HTTPConnection | None = None
    _answer: http.client.HTTPResponse | None = None
    _rest: bytes = b""

    def open(self, seconds: float = 10) -> StreamReader:
        """Connect, and return when the stream has begun."""
        self.close()
        self._connection = http.client.HTTPConnection(HOST, self.port, timeout=seconds)
        if self.buffer:
            # What the system takes in for a reader would hide how slow it is.
            self._connection.sock = socket.socket()
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
            self._connection.sock.connect((HOST, self.port))
        resumed = {"Last-Event-ID": self.last} if self.last else {}
        self._connection.request("GET", f"/api/v1/{self.path}", headers={**self.headers, **resumed})
        self._answer, self._rest = self._connection.getresponse(), b""
        self.status = self._answer.status
        return self

    def header(self, name: str) -> str | None:
        """Return a header of the answer."""
        assert self._answer is not None
        return self._answer.getheader(name)

    def read(self, most: int = 65536) -> bool:
        """Read what has come, at most ``most`` bytes; return whether the stream goes on. Waits when there is nothing."""
        assert self._answer is not None
        data = self._answer.read1(most)
        self._rest += data
        *blocks, self._rest = self._rest.split(b"\n\n")
        for block in blocks:
            self._take(block.decode())
        return bool(data)

    def read_until(self, count: int) -> list[Told]:
        """Read until that many events were told in all, and return them."""
        while len(self.told) < count and self.read():
            pass
        return self.told

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            if self._answer is not None:
                self._answer.close()
            self._connection.close()
            self._connection = self._answer = None

    def _take(self, block: str) -> None:
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        self.last = fields.get("id", self.last)
        if "data" in fields:
            self.told.append(Told(fields.get("id", ""), fields["event"], json.loads(fields["data"])))


def _database_url() -> str:
    database = connection.settings_dict
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    port = f":{database['PORT']}" if database["PORT"] else ""
    user, host = quote(database["USER"], safe=""), quote(database["HOST"], safe="")
    return f"postgresql://{user}{password}@{host}{port}/{database['NAME']}"
