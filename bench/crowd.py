"""Many readers of the stream at once, who read all, or nothing at all."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import Final, Self
from urllib.parse import urlsplit

_AT_ONCE: Final = 10
_SMALL: Final = 4096
_HEADERS_END: Final = b"\r\n\r\n"


class Crowd:
    """So many connections to one address of the product, for the time of a block."""

    def __init__(self, address: str, path: str, headers: dict[str, str], count: int, *, reads: bool) -> None:
        """Take what each of them asks for.

        Args:
            address: Of the web server.
            path: What is asked for.
            headers: Of each request.
            count: How many.
            reads: Whether they read what comes; otherwise they stop behind the headers, with little room in the system.
        """
        parts = urlsplit(address)
        self._server = (parts.hostname or "", parts.port or 80)
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._count, self._reads = count, reads
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self.received = self.refused = 0
        self.first_at: dict[bytes, list[float]] = {}
        self.marks: list[bytes] = []

    def __enter__(self) -> Self:
        """Connect all; returns when each has the headers of its answer."""
        while len(self._sockets) < self._count:
            # A few at a time: who comes when the database has no room for more is told to come back, as a browser does.
            wave = [self._connect() for _ in range(min(_AT_ONCE, self._count - len(self._sockets)))]
            for mine in wave:
                if _is_stream(mine):
                    self._sockets.append(mine)
                else:
                    mine.close()
                    self.refused += 1
            if self.refused > self._count:
                raise RuntimeError("The product has no room for so many.")
        if self._reads:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Hang up."""
        self._over.set()
        if self._reads:
            self._thread.join()
        for mine in self._sockets:
            mine.close()

    def _connect(self) -> socket.socket:
        mine = socket.socket()
        if not self._reads:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        mine.connect(self._server)
        mine.sendall(self._request)
        return mine

    def arrivals(self, mark: bytes, seconds: float) -> list[float]:
        """Return when a text came to each, in seconds of the monotonic clock; fewer when it did not come in time."""
        self.first_at[mark] = []
        self.marks.append(mark)
        until = time.monotonic() + seconds
        while len(self.first_at[mark]) < self._count and time.monotonic() < until:
            time.sleep(0.02)
        self.marks.remove(mark)
        return self.first_at.pop(mark)

    def _read(self) -> None:
        with selectors.DefaultSelector() as ready:
            for mine in self._sockets:
                ready.register(mine, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in ready.select(0.1):
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    now = time.monotonic()
                    self.received += len(data)
                    if not data:
                        ready.unregister(key.fileobj)
                    for mark in self.marks:
                        if mark in data:
                            self.first_at[mark].append(now)


def _is_stream(mine: socket.socket) -> bool:
    """Read up to the end of the headers and not one byte more; return whether a stream follows."""
    mine.settimeout(120)
    head = b""
    while not head.endswith(_HEADERS_END):
        one = mine.recv(1)
        if not one:
            break
        head += one
    return b" 200 " in head.partition(b"\r\n")[0]
