"""Reading what is sent: rules and documents from files or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from clarive_monitor.client.errors import BadUsage

STANDARD_INPUT: Final = "-"
MOST_BYTES: Final = 10_000_000


def read_text(name: str) -> str:
    """Return the text in a file, or in standard input for ``-``.

    Raises:
        BadUsage: It cannot be read, is no UTF-8 text, or too long for any server.
    """
    if name == STANDARD_INPUT and sys.stdin is None:
        raise BadUsage("Standard input is closed.")
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except (OSError, ValueError) as error:
        raise BadUsage(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MOST_BYTES:
        raise BadUsage(f"{name} is longer than {MOST_BYTES // 1_000_000} MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadUsage(f"{name}:{line}: this is not UTF-8 text.") from None
