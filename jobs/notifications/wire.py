"""Connections to receivers of webhooks: only to addresses that were checked, and never for longer than allowed."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from jobs.notifications import targets


class Deadline:
    """When everything has to be over."""

    def __init__(self, seconds: float) -> None:
        """Begin to count."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds there are left.

        Raises:
            httpcore.TimeoutException: None.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("The time is over.")
        return left


class CheckedBackend(httpcore.NetworkBackend):
    """Asks once what a name means, refuses what is not public, and connects to what it has checked."""

    def __init__(self, deadline: Deadline) -> None:
        """Keep the deadline."""
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers.

        Raises:
            TargetRefused: The name leads inside.
            NoAddress: It leads nowhere.
            httpcore.ConnectError: Nobody answers.
        """
        addresses = targets.addresses_of(host, min(targets.RESOLVE_SECONDS, self._deadline.left()))
        targets.check(host, addresses)
        failure: Exception | None = None
        for address in addresses:
            try:
                stream = self._inner.connect_tcp(
                    address, port, timeout=self._deadline.left(), socket_options=socket_options
                )
                return _TimedStream(stream, self._deadline)
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError("Nobody answers.")


class _TimedStream(httpcore.NetworkStream):
    """A stream on which everything together ends by the deadline: a receiver that sends a byte now and then gains nothing."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        return self._inner.read(max_bytes, timeout=self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all."""
        self._inner.write(buffer, timeout=self._deadline.left())

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Begin TLS with the name that was asked for, not with the address."""
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout=self._deadline.left())
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream knows."""
        return self._inner.get_extra_info(info)
