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


class RequestThread(ThreadPoolExecutor):
    """One thread, in which whatever it does has room on the interpreter's own stack."""

    def __init__(self) -> None:
        """Start nothing yet."""
        super().__init__(1, thread_name_prefix="request")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something in the thread."""
        return super().submit(roomy.call, fn, *args, **kwargs)


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
    thread = RequestThread()
    try:
        async with ThreadSensitiveContext(executor=thread):
            yield
    finally:
        thread.submit(connections.close_all)
        thread.shutdown(wait=False)
