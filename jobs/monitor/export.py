"""The monitor as a file: every job of the view, in its order and with its columns.

Rows are read in keyset pages, each a statement of its own: memory stays flat, and no transaction is open while a slow reader
takes hours. So a file is no picture of one moment; it holds the jobs that the reader may see when each page is read, and each
job once. Names and values are those of the API, the same in every language, and times are ISO 8601 in UTC.

CSV begins with a byte order mark, without which spreadsheets read UTF-8 as something else; programs read it as ``utf-8-sig``.
A text that a spreadsheet would take for a formula gets an apostrophe in front of it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from jobs import keyset, list_rows, lists, selectors
from jobs.list_rows import Listed
from jobs.monitor.columns import Column, Plain
from jobs.monitor.log_download import off_the_loop
from jobs.monitor.view_query import Query
from permissions.models import User

FORMATS: Final = ("csv", "json")
ROWS: Final = 500
"""So many jobs are in memory at a time."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets read these, too
_TYPES: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def answer(request: HttpRequest, user: User, query: Query, kind: str) -> StreamingHttpResponse:
    """Return the view as a file, sent while it is read.

    Args:
        request: Of the reader.
        user: The reader.
        query: The view; groups and the place of the page play no part.
        kind: One of ``FORMATS``.
    """
    pieces = _WRITERS[kind](_jobs(user, query), query.columns)
    content = off_the_loop(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=_TYPES[kind])
    name = f"jobs-{_stamp(timezone.now())}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _stamp(now: datetime) -> str:
    return f"{timezone.localtime(now):%Y-%m-%d-%H%M}"


def _jobs(user: User, query: Query) -> Iterator[list[Listed]]:
    """Yield the jobs a page at a time, each as far as the reader may see it then: rights are read again for every page."""
    cursor: keyset.Cursor | None = None
    while True:
        reader = User.objects.filter(pk=user.pk).first()
        if reader is None:
            return
        wanted = lists.Wanted(selectors.seen_environments(reader), query.wanted)
        page = lists.page(wanted, query.ordering, cursor, ROWS)
        yield list_rows.listed([place.number for place in page.rows])
        if page.next is None:
            return
        cursor = page.next


def csv_pieces(pages: Iterator[list[Listed]], columns: tuple[Column, ...]) -> Iterator[bytes]:
    """Yield a CSV file, a heading and a line for each job."""
    yield b"\xef\xbb\xbf" + _line([column.key for column in columns])
    for jobs in pages:
        yield b"".join(_line([_cell(column.plain(job)) for column in columns]) for job in jobs)


def json_pieces(pages: Iterator[list[Listed]], columns: tuple[Column, ...]) -> Iterator[bytes]:
    """Yield a list with an object for each job, one on each line."""
    separator = b"["
    for jobs in pages:
        lines = []
        for job in jobs:
            shown = {column.key: column.plain(job) for column in columns}
            lines.append(separator + b"\n" + json.dumps(shown, ensure_ascii=False).encode())
            separator = b","
        yield b"".join(lines)
    yield b"[]\n" if separator == b"[" else b"\n]\n"


_WRITERS: Final[dict[str, Callable[[Iterator[list[Listed]], tuple[Column, ...]], Iterator[bytes]]]] = {
    "csv": csv_pieces,
    "json": json_pieces,
}


def _cell(value: Plain) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _line(cells: list[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue().encode()
