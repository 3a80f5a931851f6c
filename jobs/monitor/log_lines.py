"""Lines of a log as markup. Built by hand and not by templates: a page has a thousand of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from jobs.log import reader
from jobs.log.reader import LogEntry, LogFilter
from jobs.log.room import Room
from jobs.models import Job
from jobs.monitor.ansi import render

LEVELS: Final[dict[str, Promise | str]] = {
    "debug": _("Debug"),
    "info": _("Information"),
    "warning": _("Warning"),
    "error": _("Error"),
    "comment": _("Comment"),
}
_SIGNS: Final = {"debug": "D", "info": "", "warning": "W", "error": "E", "comment": "C"}


def _weigh(text: str) -> int:
    return len(render(text).encode())


ROOM: Final = Room(size=1 << 20, weigh=_weigh, longest=4000)
"""For the texts of one page, as markup."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Rendered lines.

    Attributes:
        markup: Of all lines, with a heading wherever another operation begins.
        count: How many lines.
        last_place: Step and operation of the last line, for what is added later.
    """

    markup: SafeString
    count: int
    last_place: str


def render_lines(entries: Iterable[LogEntry], *, attempt: int, place: str = "", base: str = "") -> Lines:
    """Return ``entries`` as markup.

    Args:
        entries: In the order of their ids.
        attempt: For links to the lines of one operation.
        base: Address of the log page; empty on that page itself.
        place: Step and operation of the line above, ``last_place`` of what is shown already.
    """
    parts: list[str] = []
    count, clock, shown_at = 0, "", None
    for entry in entries:
        here = f"{entry.step} {entry.operation}".strip()
        if here != place:
            parts.append(_heading(entry, base, attempt))
            place = here
        if entry.at != shown_at:
            clock, shown_at = _clock(entry.at), entry.at
        parts.append(_line(entry, base, clock))
        count += 1
    return Lines(mark_safe("".join(parts)), count, place)


def tail(job: Job, lines: int, attempt: int) -> Lines:
    """Return the last lines of an attempt."""
    page = reader.tail(job.pk, lines, LogFilter(attempt=attempt), ROOM)
    return render_lines(page.entries, attempt=attempt, base=reverse("monitor:log", args=[job.pk]))


def _line(entry: LogEntry, base: str, clock: str) -> str:
    sign = _SIGNS[entry.level]
    # What an action notes begins with the name already.
    is_named = entry.text.startswith(f"{entry.user}: ")
    user = f'<b class="who">{escape(entry.user)}:</b> ' if entry.user and not is_named else ""
    title = f' title="{escape(LEVELS[entry.level])}"' if sign else ""
    number = f'<a class="no" href="{base}?line={entry.id}#L{entry.id}">{entry.id}</a>'
    return (
        f'<div class="line lv-{entry.level}" id="L{entry.id}">{number}'
        f'{clock}<b class="lv"{title}>{sign}</b><span class="text">{user}{render(entry.text)}{_rest(entry, base)}</span></div>'
    )


def _rest(entry: LogEntry, base: str) -> str:
    """Return the mark of a line that goes on: how many characters more, and a link to all of it."""
    if not entry.left_out:
        return ""
    count = number_format(entry.left_out, force_grouping=True)
    return f'<a class="cut" href="{base}download/?line={entry.id}" download>… +{count}</a>'


def _clock(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{timezone.localtime(at):%H:%M:%S}</time>'


def _heading(entry: LogEntry, base: str, attempt: int) -> str:
    if not entry.operation:
        return format_html('<div class="op"><b>{}</b></div>', entry.step)
    query = urlencode({"attempt": attempt, "operation": entry.operation})
    return format_html(
        '<div class="op"><b>{}</b> <a href="{}?{}">{}</a></div>', entry.step, base, query, entry.operation
    )
