"""Lines of a log as markup. Built by hand and not by templates: a page has hundreds of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from jobs.log import reader
from jobs.log.places import Segment
from jobs.log.reader import LogEntry, LogFilter
from jobs.log.room import Room
from jobs.models import Job
from jobs.monitor import times
from jobs.monitor.ansi import Pen, overwritten, render, weight
from jobs.monitor.log_headings import Row, Run, heading, runs_of
from jobs.monitor.log_place import Place

LEVELS: Final[dict[str, Promise | str]] = {
    "debug": _("Debug"),
    "info": _("Information"),
    "warning": _("Warning"),
    "error": _("Error"),
    "comment": _("Comment"),
}
_SIGNS: Final = {"debug": "D", "info": "", "warning": "W", "error": "E", "comment": "C"}


ROOM: Final = Room(size=1 << 20, weigh=weight, longest=4000)
"""For the texts of one page, as markup."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Rendered lines.

    Attributes:
        markup: Of all lines, with a heading wherever another operation begins.
        count: How many lines, folded operations included.
        last_place: Step and path of the last line, for what is added later.
    """

    markup: SafeString
    count: int
    last_place: str


@dataclass(slots=True)
class Look:
    """How lines are shown.

    Attributes:
        attempt: For links to the lines of one operation.
        base: Address of the log page; empty on that page itself.
        place: What the log page shows; ``None`` elsewhere, where nothing is folded and nothing marked.
        above: Step and path of the line above, ``last_place`` of what is shown already.
        runs: What is known of operations, by path.
        began_at: When the attempt began, for relative times.
        pens: How the lines above left the terminal, by path and stream.
        last_id: The line above.
    """

    attempt: int
    base: str = ""
    place: Place | None = None
    above: str = ""
    runs: Mapping[str, Run] = field(default_factory=dict)
    began_at: datetime | None = None
    pens: dict[tuple[str, str], Pen] = field(default_factory=dict)
    last_id: int = 0

    def pass_over(self, entries: Iterable[LogEntry]) -> None:
        """Take in the colours that lines above the first one switch on and off."""
        for entry in entries:
            self.pen_of(entry).pass_over(entry.text)

    def pen_of(self, entry: LogEntry) -> Pen:
        """Return how the line above left the terminal of an operation; nothing is known behind lines left out."""
        if entry.id != self.last_id + 1:
            self.pens.clear()
        self.last_id = entry.id
        return self.pens.setdefault((entry.path, entry.stream), Pen())


def render_lines(rows: Iterable[Row], look: Look) -> Lines:
    """Return lines, and operations that are folded, as markup.

    Args:
        rows: In the order of their ids.
        look: How; changes to how the line below is shown.
    """
    parts: list[str] = []
    count, clock, shown_at = 0, "", None
    mark = re.compile(re.escape(look.place.text), re.IGNORECASE) if look.place and look.place.text else None
    for row in rows:
        here = f"{row.step} {row.path}".strip()
        if here != look.above or isinstance(row, Segment):
            parts.append(heading(row, look.place, look.runs.get(row.path), look.base, look.attempt))
            look.above = here
        count += 1
        if isinstance(row, Segment):
            continue
        if row.at != shown_at:
            clock, shown_at = _clock(row.at, look.began_at), row.at
        parts.append(_line(row, look, clock, mark))
    return Lines(mark_safe("".join(parts)), count, look.above)


def tail(job: Job, lines: int, attempt: int) -> Lines:
    """Return the last lines of an attempt, below the names of their operations."""
    entries = reader.tail(job.pk, lines, LogFilter(attempt=attempt), ROOM).entries
    runs = runs_of(job, attempt, {entry.path for entry in entries}, timezone.now())
    return render_lines(entries, Look(attempt, base=reverse("monitor:log", args=[job.pk]), runs=runs))


def _line(entry: LogEntry, look: Look, clock: str, mark: re.Pattern[str] | None) -> str:
    sign = _SIGNS[entry.level]
    # What an action notes begins with the name already.
    is_named = entry.text.startswith(f"{entry.user}: ")
    user = f'<b class="who">{escape(entry.user)}:</b> ' if entry.user and not is_named else ""
    title = f' title="{escape(LEVELS[entry.level])}"' if sign else ""
    number = f'<a class="no" href="{look.base}?line={entry.id}#L{entry.id}">{entry.id}</a>'
    pen = look.pen_of(entry)
    shown = render(entry.text, pen, mark)
    if entry.left_out:
        pen.state.clear()  # what the rest of the line switches is not known
    return (
        f'<div class="line lv-{entry.level}{_marks(entry, look.place)}" id="L{entry.id}">{number}'
        f'{clock}<b class="lv"{title}>{sign}</b><span class="text">{user}{shown}{_rest(entry, look)}</span></div>'
    )


def _marks(entry: LogEntry, place: Place | None) -> str:
    if place is None:
        return ""
    marked = (
        " is-marked"
        if place.line is not None and place.line <= entry.id <= (place.last or place.line)
        else ""
    )
    return f"{marked} is-hit" if place.hit == entry.id else marked


def _rest(entry: LogEntry, look: Look) -> str:
    """Return what leads to what is not shown of a line: the rest of a long one, the earlier states of a progress bar."""
    found = ""
    if entry.left_out:
        count = number_format(entry.left_out, force_grouping=True)
        address = (
            look.place.query(line=entry.id, whole=entry.id)
            if look.place
            else f"?line={entry.id}&whole={entry.id}"
        )
        found = format_html(
            '<a class="cut" href="{}{}#L{}" data-whole>… {} (+{})</a>',
            look.base, address, entry.id, gettext("show the whole line"), count,
        )  # fmt: skip
    if states := overwritten(entry.text):
        title = ngettext(
            "The last state is shown; %(n)d earlier one is in the file.",
            "The last state is shown; %(n)d earlier ones are in the file.",
            states,
        ) % {"n": states}
        found += format_html(
            '<a class="cut" href="{}download/?line={}" title="{}" download>↺ {}</a>',
            look.base,
            entry.id,
            title,
            states,
        )
    return found


def _clock(at: datetime, began_at: datetime | None) -> str:
    """Return the time of a line: the clock's, and how long after the attempt began."""
    local = timezone.localtime(at)
    title = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z} · {times.original(at)}"
    since = ""
    if began_at is not None:
        seconds = max(0, int((at - began_at).total_seconds()))
        since = f' data-since="+{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"'
    return f'<time datetime="{at.isoformat()}" title="{title}"{since}>{local:%H:%M:%S}</time>'
