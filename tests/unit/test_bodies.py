"""Bodies that are too large are refused unread."""

import asyncio
import json
from typing import Any

import pytest

from clarive_monitor.bodies import MOST_BYTES, BoundedBodies, Message, Receive, Scope, Send


def ask(path: str, pieces: list[bytes], announced: str | None = None) -> tuple[list[Message], int]:
    """Return what was answered, and how many bytes the application was given."""
    sent: list[Message] = []
    given = 0
    left = list(pieces)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal given
        while True:
            message = await receive()
            given += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", announced.encode())] if announced else []
    scope: dict[str, Any] = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BoundedBodies(application)(scope, receive, send))
    return sent, given


def test_what_says_that_it_is_too_large_is_not_read() -> None:
    sent, given = ask("/api/v1/jobs/", [b"x"], str(MOST_BYTES + 1))
    assert (sent[0]["status"], given) == (413, 0)
    assert (b"connection", b"close") in sent[0]["headers"]
    body = json.loads(sent[1]["body"])
    assert (body["status"], body["code"]) == (413, "too_large")


@pytest.mark.parametrize("announced", [None, "5"])
def test_what_turns_out_to_be_too_large_is_read_no_further(announced: str | None) -> None:
    sent, given = ask("/api/v1/jobs/", [b"x" * 65536] * 100, announced)
    assert sent[0]["status"] == 413
    assert given <= MOST_BYTES


def test_what_fits_goes_through() -> None:
    sent, given = ask("/api/v1/jobs/", [b"x" * MOST_BYTES], str(MOST_BYTES))
    assert (sent[0]["status"], given) == (200, MOST_BYTES)
    assert ask("/admin/", [b"x" * (2 * MOST_BYTES)])[0][0]["status"] == 200
    assert ask("/admin/", [b"x" * MOST_BYTES] * 5)[0][0]["status"] == 413
