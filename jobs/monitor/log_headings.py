"""The heading above the lines of an operation: its name, how it is, how long it took, and how to fold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.choices import OperationStatus
from jobs.log.places import Segment
from jobs.log.reader import LogEntry
from jobs.models import Job
from jobs.monitor import times
from jobs.monitor.log_place import Place

Row = LogEntry | Segment
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of an operation that wrote lines.

    Attributes:
        id: Of its record.
        name: For people, may be empty.
        status: Value of ``OperationStatus``.
        seconds: How long it took, or takes so far; ``None`` when it did not begin.
    """

    id: int
    name: str
    status: str
    seconds: float | None

    @property
    def markup(self) -> SafeString:
        """Its status and how long it took."""
        took = (
            format_html(' <span class="op-took">{}</span>', times.exact(self.seconds)) if self.seconds else ""
        )
        label = OperationStatus(self.status).label
        return format_html('<span class="op-is op-is-{}">{}</span>{}', self.status, label, took)


def runs_of(job: Job, attempt: int, paths: Iterable[str], now: datetime) -> dict[str, Run]:
    """Return the operations of an attempt by their paths, in one query."""
    wanted = sorted({path for path in paths if path})
    rows = job.operation_runs.filter(attempt=attempt, path__in=wanted).values_list(
        "path", "id", "name", "status", "started_at", "finished_at"
    )
    return {
        path: Run(key, name, status, _seconds(began, ended, status, now))
        for path, key, name, status, began, ended in rows
    }


def _seconds(began: datetime | None, ended: datetime | None, status: str, now: datetime) -> float | None:
    if began is None:
        return None
    if ended is not None:
        return (ended - began).total_seconds()
    return float(int(max(0.0, (now - began).total_seconds()))) if status == OperationStatus.RUNNING else None


def news(runs: Mapping[str, Run]) -> SafeString:
    """Return how operations are now, for the headings that stand on the page already."""
    parts = [
        format_html('<span hidden data-run-news="{}">{}</span>', run.id, run.markup) for run in runs.values()
    ]
    return mark_safe("".join(parts))


def heading(row: Row, place: Place | None, run: Run | None, base: str, attempt: int) -> str:
    """Return the heading above a line, or in the place of lines that are folded.

    Args:
        row: The first line below it, or what is folded.
        place: What the page shows, for the link that folds; ``None`` where nothing can be folded.
        run: What is known of the operation.
        base: Address of the log page; empty on that page itself.
        attempt: For links to the lines of one operation.
    """
    if not row.operation:
        return format_html('<div class="op"><b>{}</b></div>', row.step)
    query = urlencode({"attempt": attempt, "operation": row.operation})
    name = (run.name if run else "") or row.operation
    link = format_html('<a class="op-link" href="{}?{}">{}</a>', base, query, name[:_LONGEST_NAME])
    told = format_html(' <span data-run="{}">{}</span>', run.id, run.markup) if run else ""
    if place is None:
        return format_html('<div class="op"><b>{}</b> {}{}</div>', row.step, link, told)
    is_folded = isinstance(row, Segment)
    last = format_html(' data-last="{}"', row.last) if isinstance(row, Segment) else ""
    return format_html(
        '<div class="op{}" id="op-{}" data-path="{} {}"{}>{}<b>{}</b> {}{}{}</div>',
        " is-folded" if is_folded else "", row.id, row.step, row.path, last,
        _fold(row, place, name, is_folded=is_folded), row.step, link, told, _count(row, place),
    )  # fmt: skip


def _fold(row: Row, place: Place, name: str, *, is_folded: bool) -> str:
    address = place.query_with(place.folds.toggled(row.operation), near=row.id)
    label = (_("Unfold %(operation)s") if is_folded else _("Fold %(operation)s")) % {
        "operation": name[:_LONGEST_NAME]
    }
    return format_html(
        '<a class="fold" href="{}#op-{}" aria-expanded="{}" aria-label="{}" title="{}">{}</a>',
        address, row.id, "false" if is_folded else "true", label, label, "▸" if is_folded else "▾",
    )  # fmt: skip


def _count(row: Row, place: Place) -> str:
    if not isinstance(row, Segment):
        return ""
    count = ngettext("%(n)s line", "%(n)s lines", row.lines) % {
        "n": number_format(row.lines, force_grouping=True)
    }
    errors = (
        format_html(' <span class="op-is op-is-failed">{}</span>', _("with errors")) if row.has_errors else ""
    )
    # With a filter, how many of them it keeps is known only when they are read.
    return format_html('{} <span class="op-lines">{}</span>', errors, "" if place.is_broken else count)
