"""Output of commands, here and on other hosts: to the log as it comes, and its end for ``save_as``."""

from __future__ import annotations

from typing import Final

from rules.engine.call import Call
from rules.engine.host import Stream

KEPT_BYTES: Final = 64 * 1024
"""How much of the output ``save_as`` keeps: its end."""

_HELD_BYTES: Final = 4 * KEPT_BYTES
"""More is held, so that a secret is not cut before it is hidden."""


class Output:
    """Sends output to the log and keeps the end of it."""

    def __init__(self, call: Call) -> None:
        """Begin with none.

        Args:
            call: The operation whose output it is.
        """
        self._call = call
        self._end = bytearray()
        self._is_cut = False

    def __call__(self, stream: Stream, data: bytes) -> None:
        """Take a piece of output."""
        self._call.host.output(self._call.path, self._call.node, stream, data)
        self._end += data[-_HELD_BYTES:]
        if len(self._end) > 2 * _HELD_BYTES:
            del self._end[:-_HELD_BYTES]
            self._is_cut = True

    def kept(self) -> str:
        """Return the last 64 KiB as text without secrets."""
        # Where it was cut may be the rest of a secret, which nothing recognizes.
        begin = self._end.find(b"\n") + 1 if self._is_cut else 0
        whole = str(self._call.host.mask(as_text(bytes(self._end[begin:]))))
        return as_text(whole.encode()[-KEPT_BYTES:])


def as_text(data: bytes, encoding: str = "utf-8") -> str:
    """Return bytes as text that can be stored; NUL is shown as its symbol."""
    return data.decode(encoding, errors="replace").replace("\0", "\u2400")
