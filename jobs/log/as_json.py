"""Lines of a log as JSON: the same in the API, in the stream and in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from jobs.log.reader import LogEntry, LogFilter, iter_entries
from jobs.representation import instant

_LINES_A_PIECE: Final = 500
_PIECE_SIZE: Final = 1 << 20


def represent_entry(entry: LogEntry) -> dict[str, Any]:
    """Return one line of the log."""
    return {
        "id": entry.id,
        "at": instant(entry.at),
        "attempt": entry.attempt,
        "step": entry.step or None,
        "operation": entry.operation or None,
        "level": entry.level,
        "stream": entry.stream,
        "text": entry.text,
        "user": entry.user or None,
    }


def json_lines(job_id: int, wanted: LogFilter) -> Iterator[bytes]:
    """Yield entries as NDJSON, some hundred at a time; fewer when they are long."""
    lines: list[str] = []
    size = 0
    for entry in iter_entries(job_id, wanted):
        lines.append(json.dumps(represent_entry(entry), ensure_ascii=False) + "\n")
        size += len(lines[-1])
        if len(lines) == _LINES_A_PIECE or size > _PIECE_SIZE:
            yield "".join(lines).encode()
            lines.clear()
            size = 0
    if lines:
        yield "".join(lines).encode()
