"""Django's handler, for which an answer that lasts holds no thread.

Django gives each request a thread that stays until its answer was sent, and keeps it busy as long as one of the layers
around a view is not asynchronous. Here a stream gives its thread back before its body begins, and a wait is no view that
waits: it answers that it is not yet so, and is asked again when it may be, through all layers, with all their checks.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs.stream.hub import Hub
from jobs.stream.waiter import Waiter
from rules import roomy

LASTING: Final = re.compile(r"/api/v1/(?:stream|jobs/\d+/wait)/\Z", re.ASCII)
WAITER: Final = "clarive_waiter"
"""Attribute of a response that is not the last word, and of the request from then on."""

MOST_IDLE: Final = 4
"""How many threads wait for the next request."""


class RequestThread(ThreadPoolExecutor):
    """One thread, in which whatever it does has room on the interpreter's own stack."""

    def __init__(self) -> None:
        """Start nothing yet."""
        super().__init__(1, thread_name_prefix="request")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something in the thread."""
        return super().submit(roomy.call, fn, *args, **kwargs)


class Threads:
    """Threads for requests: one that is done with what it did takes the next one.

    What a library keeps by thread, such as a connection that may be opened again or the way to the broker, is made once then and
    not for each request.
    """

    def __init__(self, most_idle: int = MOST_IDLE) -> None:
        """Start nothing yet.

        Args:
            most_idle: How many may wait for a request; more end when they are done.
        """
        self._most_idle = most_idle
        self._idle: list[RequestThread] = []

    def take(self) -> RequestThread:
        """Return a thread that does nothing, for one request."""
        try:
            return self._idle.pop()
        except IndexError:
            return RequestThread()

    def give_back(self, thread: RequestThread) -> None:
        """Take a thread back once it has done all it was told so far, and its connections are closed."""
        thread.submit(connections.close_all).add_done_callback(lambda _closed: self._waits(thread))

    def _waits(self, thread: RequestThread) -> None:
        if len(self._idle) < self._most_idle:
            self._idle.append(thread)
        else:
            thread.shutdown(wait=False)


_threads: Final = Threads()


class Handler(ASGIHandler):
    """Django's handler, with the hub of this process."""

    def __init__(self, hub: Callable[[], Hub]) -> None:
        """Set up the layers.

        Args:
            hub: Returns the hub; called within the event loop.
        """
        super().__init__()
        self._hub = hub

    def load_middleware(self, is_async: bool = False) -> None:
        """Set the layers up as for a server that knows no event loop, and enter them once.

        Most of ours are not asynchronous, nor is any view. Django would leave the thread again in the middle of them, and come
        back for the view, which costs more than many a view does.
        """
        super().load_middleware(is_async=False)
        layers: Any = self._middleware_chain
        self._middleware_chain: Any = sync_to_async(layers, thread_sensitive=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and LASTING.search(scope["path"]):
            # On a connection that is used again the server may begin a request in the context of an earlier one, after
            # that one's thread is gone; only an empty one has no thread for certain.
            await asyncio.create_task(self.handle(scope, receive, send), context=contextvars.Context())
        else:
            async with _one_thread():
                await super().__call__(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer, after having waited for it when the view says so."""
        if not LASTING.search(request.path_info):
            return await self._answer(request)
        while True:
            async with _one_thread():
                response = await self._answer(request)
            waiter: Waiter | None = getattr(response, WAITER, None)
            if waiter is None or self._hub().closing:
                return response
            setattr(request, WAITER, waiter)
            await self._hub().wait(waiter)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = await super().get_response_async(request)
        return answer


@asynccontextmanager
async def _one_thread() -> AsyncIterator[None]:
    """Do what is not asynchronous in one thread, which in the end holds no connection any more.

    Who hangs up cancels a request, but not its thread: that goes on, and what it has of the pool would never come back. The
    request cannot see to it, for while it is being cancelled asgiref may send its words to no thread or to a wrong one. So
    this is said to the thread itself: it does one thing after the other, and this one last. Nobody waits for it.
    """
    thread = _threads.take()
    try:
        async with ThreadSensitiveContext(executor=thread):
            yield
    finally:
        _threads.give_back(thread)
