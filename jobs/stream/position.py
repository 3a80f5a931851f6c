"""Where a reader of events is. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

_WRITTEN: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?", re.ASCII)


class Position(NamedTuple):
    """What was told last.

    Attributes:
        event: Number of the event.
        line: When that is one of the log: up to this line of it. ``None`` stands for all of the event.
    """

    event: int
    line: int | None = None

    def __str__(self) -> str:
        return str(self.event) if self.line is None else f"{self.event}.{self.line}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the position that an ``id:`` of a stream names.

        Raises:
            ValueError: It is none.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        event, line = found.groups()
        return cls(int(event), None if line is None else int(line))
