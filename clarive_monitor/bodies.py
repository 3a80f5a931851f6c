"""Bodies that are too large are refused before they are read: nothing of them reaches memory or disk."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

MOST_BYTES: Final = 2_621_440
"""What Django keeps in memory of a body (``DATA_UPLOAD_MAX_MEMORY_SIZE``), and the API reads at most."""

MOST_BYTES_OF_FORMS: Final = 4 * MOST_BYTES
"""The same of forms, where each byte of a text may be written as three. What is in them Django measures itself."""

_DETAIL: Final = f"The body is too large: at most {MOST_BYTES} bytes."
_PROBLEM: Final = {
    "type": "urn:clarive-monitor:problem:too_large",
    "title": "Body too large",
    "status": 413,
    "detail": _DETAIL,
    "code": "too_large",
}


class _TooLarge(Exception):
    pass


class BoundedBodies:
    """Answers 413 to a body that says it is too large, or that turns out to be while it is read."""

    def __init__(self, application: Application) -> None:
        """Keep the application."""
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or refuse."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        most = MOST_BYTES if scope["path"].startswith("/api/") else MOST_BYTES_OF_FORMS
        if _announced(scope) > most:
            await _refuse(scope, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLarge
            return message

        try:
            await self._application(scope, bounded, send)
        except _TooLarge:
            # The application reads all of a body before it answers.
            await _refuse(scope, send)


def _announced(scope: Scope) -> int:
    """Return what the request says of the length of its body; the server has seen that it is a number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _refuse(scope: Scope, send: Send) -> None:
    """Answer, and end the connection: what is still to come belongs to nothing."""
    if scope["path"].startswith("/api/"):
        kind, body = b"application/problem+json", json.dumps(_PROBLEM).encode()
    else:
        kind, body = b"text/plain; charset=utf-8", _DETAIL.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
