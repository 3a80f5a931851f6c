"""Small pieces that several pages show: moments, durations, badges."""

from __future__ import annotations

import json
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import record_words
from jobs.choices import BADGES, StatusChoice
from jobs.lifecycle import Status
from jobs.models import AuditRecord, Job
from jobs.monitor import remaining, times
from jobs.wording import translated

register = template.Library()


@register.simple_tag
def moment(value: datetime | None, style: str = "short") -> SafeString | str:
    """Return a ``<time>``: ``short``, ``full``, ``ago`` or ``clock``; the stored UTC is in its title."""
    if value is None:
        return format_html('<span class="none" aria-hidden="true">{}</span>', "–")
    now = timezone.now()
    text = {
        "short": lambda: times.short(value, now),
        "full": lambda: times.full(value),
        "ago": lambda: times.distance(value, now),
        "clock": lambda: f"{timezone.localtime(value):%H:%M:%S}",
    }[style]()
    title = times.original(value) if style == "full" else f"{times.full(value)} · {times.original(value)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), title, text)


@register.simple_tag
def zone() -> str:
    """Return the zone that moments are written in, with its present distance from UTC."""
    return times.zone(timezone.now())


@register.filter
def duration(seconds: float | None) -> str:
    """Return a duration in seconds for people, an empty text when there is none."""
    return "" if seconds is None else times.exact(seconds)


@register.filter
def percent(part: float) -> str:
    """Return a share as whole percents: ``92 %``."""
    return f"{round(part * 100)} %"


@register.filter
def difference(seconds: float | None) -> str:
    """Return how much longer or shorter something took, with its sign; an empty text when that is not known."""
    if seconds is None:
        return ""
    text = times.exact(abs(seconds))
    return text if text == times.exact(0) else f"{'+' if seconds > 0 else '-'}{text}"


@register.filter
def clock(value: datetime) -> str:
    """Return the time of day of a moment, to the second, in the reader's zone."""
    return f"{timezone.localtime(value):%H:%M:%S}"


@register.filter
def work_left(job: Job) -> str:
    """Return the range of a job's remaining work, an empty text when nothing is known of it."""
    return remaining.span(job, timezone.now())


@register.filter
def as_json(value: object) -> str:
    """Return plain data as one would write it in a rule or a form; a text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def in_words(message: str) -> str:
    """Return a message of the engine in the reader's language."""
    return translated(message)


@register.filter
def comment_of(record: AuditRecord) -> str:
    """Return what a record of the audit says, in the reader's language; what people wrote stays as it is."""
    return record_words.said(record) if record.user else translated(record.comment)


@register.simple_tag
def badge(status: str) -> SafeString:
    """Return the badge of a job's status: its label, with the colour of its family."""
    return format_html(
        '<span class="badge badge-{}" data-status="{}">{}</span>',
        BADGES[Status(status)],
        status,
        StatusChoice(status).label,
    )
