"""Static files from the web process, a piece at a time.

WhiteNoise answers with files that are read synchronously. Under ASGI Django would read each of them as a whole first,
and warn about it in the log.
"""

from collections.abc import AsyncIterator
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]

_PIECE_BYTES = 1 << 16


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # it says no types
    """WhiteNoise for both kinds of servers."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> FileResponse:
        """Return the file, or that the reader has it already."""
        response: FileResponse = WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            response.streaming_content = _pieces(response.file_to_stream)
        return response


async def _pieces(file: IO[Any] | None) -> AsyncIterator[bytes]:
    """Yield what is in ``file``, which the response closes."""
    while file is not None and (
        piece := await sync_to_async(file.read, thread_sensitive=False)(_PIECE_BYTES)
    ):
        yield piece
