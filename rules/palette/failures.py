"""Why something on the network failed, from what Python raised."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from causes(one)
        error = error.__cause__ or error.__context__


def reason(error: BaseException) -> str:
    """Return what the operating system said, such as "Connection refused", or else what the error says."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, socket.gaierror):
            return os.strerror(cause.errno)
    return str(error)
