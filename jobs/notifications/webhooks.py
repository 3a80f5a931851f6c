"""Sending one webhook: signed, to a public address, without following redirects, within ten seconds."""

from __future__ import annotations

import functools
import http
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from jobs.notifications import keys
from jobs.notifications.targets import NoAddress, TargetRefused
from jobs.notifications.wire import CheckedBackend, Deadline

MOST_SECONDS: Final = 10.0
KEPT_CHARACTERS: Final = 1000
_READ_BYTES: Final = 4 * KEPT_CHARACTERS


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try.

    Attributes:
        error: Why it was no success, in a sentence; empty for a success.
        status: Of HTTP, when there was an answer.
        body: The beginning of the answer.
        for_good: Trying again would not help.
    """

    error: str
    status: int | None = None
    body: str = ""
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A webhook to send.

    Attributes:
        url: Where to.
        event: For the header.
        delivery: Number of the delivery, for the header; the same at every try.
        body: What is sent.
        secrets: The keys that sign.
    """

    url: str
    event: str
    delivery: int
    body: bytes
    secrets: tuple[str, ...]

    def headers(self, timestamp: int) -> dict[str, str]:
        """Return what is sent before the body at a moment."""
        return {
            "Content-Type": "application/json",
            "User-Agent": "clarive-monitor",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Clarive-Event": self.event,
            "Clarive-Delivery": str(self.delivery),
            "Clarive-Timestamp": str(timestamp),
            "Clarive-Signature": keys.signature(list(self.secrets), timestamp, self.body),
        }


def body_of(payload: Mapping[str, Any]) -> bytes:
    """Return the bytes of a payload, the same for the same payload."""
    return json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def send(request: Request, *, seconds: float = MOST_SECONDS) -> Answer:
    """Send it once; whatever goes wrong is an answer."""
    deadline = Deadline(seconds)
    try:
        url = httpx.URL(request.url)
        headers = {"Host": url.netloc.decode("ascii"), **request.headers(int(time.time()))}
        with (
            httpcore.ConnectionPool(
                ssl_context=_certificates(), network_backend=CheckedBackend(deadline), retries=0
            ) as pool,
            pool.stream(
                "POST",
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=list(headers.items()),
                content=request.body,
            ) as response,
        ):
            return _judged(response.status, _beginning(response))
    except TargetRefused as error:
        return Answer(str(error))
    except NoAddress as error:
        return Answer(str(error))
    except httpcore.TimeoutException:
        return Answer(f"It did not answer within {seconds:g} s.")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
        return Answer(_reason(error))


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Trust what the machine trusts, and the authorities that come with the library."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _beginning(response: httpcore.Response) -> str:
    kept = bytearray()
    try:
        for piece in response.iter_stream():
            kept += piece[: _READ_BYTES - len(kept)]
            if len(kept) >= _READ_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # the status says whether it was taken
    return bytes(kept).decode("utf-8", "replace").replace("\x00", "\ufffd")[:KEPT_CHARACTERS]


def _judged(status: int, body: str) -> Answer:
    if 200 <= status < 300:
        return Answer("", status, body)
    try:
        named = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        named = str(status)
    more = "; redirects are not followed" if 300 <= status < 400 else ""
    return Answer(f"It answered {named}{more}.", status, body)


def _reason(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"Its certificate is not trusted: {seen.verify_message}."
        if isinstance(seen, ssl.SSLError):
            return f"There is no TLS connection: {seen.reason or seen}."
        if isinstance(seen, OSError) and seen.errno and not isinstance(seen, socket.gaierror):
            return f"The connection failed: {seen.strerror}."
        seen = seen.__cause__ or seen.__context__
    return f"The connection failed: {str(error).rstrip('.') or type(error).__name__}."
