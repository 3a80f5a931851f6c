"""A request that is cancelled while its thread is at work: the thread's connection is closed once it is done."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import DatabaseError, connection, connections
from django.http import HttpRequest, HttpResponse

from jobs.api.stream import hub
from jobs.stream.handler import Handler
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Caller:
    """Somebody who hangs up while the answer is being made."""

    def __init__(self, path: str) -> None:
        self.scope = {
            "type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": "",
        }  # fmt: skip
        self._asked = False
        self.hangs_up = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        raise AssertionError(message)


@pytest.mark.parametrize("path", ["/api/v1/stream/", "/api/v1/jobs/1/wait/", "/api/v1/jobs/"])
@pytest.mark.parametrize("fails", [False, True])
def test_its_connection_is_given_back(monkeypatch: pytest.MonkeyPatch, path: str, fails: bool) -> None:
    # As with a pool: what is closed is given back.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    at_work, may_end = threading.Event(), threading.Event()
    used: list[Any] = []

    def view() -> HttpResponse:
        used.append(connections["default"])
        used[0].ensure_connection()
        at_work.set()
        assert may_end.wait(10)
        if fails:
            raise DatabaseError
        return HttpResponse()

    async def inner() -> HttpResponse:
        return await sync_to_async(view)()

    async def answer(handler: Handler, request: HttpRequest) -> HttpResponse:
        # As layers are that are asynchronous and not so by turns.
        return await sync_to_async(async_to_sync(inner))()

    monkeypatch.setattr(Handler, "_answer", answer)

    async def hang_up() -> None:
        caller = Caller(path)
        asked = asyncio.create_task(Handler(hub)(caller.scope, caller.receive, caller.send))
        assert await asyncio.to_thread(at_work.wait, 10)
        caller.hangs_up.set()
        await asyncio.sleep(0.05)
        may_end.set()
        await asyncio.wait_for(asked, 10)

    try:
        asyncio.run(hang_up())
    finally:
        may_end.set()
    until(lambda: used[0].connection is None, 10, "the connection given back")


def test_a_stream_does_not_look_for_the_thread_of_an_earlier_request() -> None:
    """Once reading was paused, a server begins the next request of a connection in the context of the one before."""
    said: list[dict[str, Any]] = []
    caller = Caller("/api/v1/stream/")
    caller.scope["headers"] = [(b"host", b"testserver")]

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def ask() -> None:
        with ThreadPoolExecutor(1) as thread:
            async with ThreadSensitiveContext(executor=thread):
                left_over = contextvars.copy_context()
        await asyncio.create_task(Handler(hub)(caller.scope, caller.receive, send), context=left_over)

    asyncio.run(ask())
    assert said[0]["status"] == 401
