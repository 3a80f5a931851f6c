"""When a schedule comes, in the reader's words: ``At 02:00, Monday through Friday``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from cron_descriptor import ExpressionDescriptor, FormatException, Options
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import get_language, gettext, override

from jobs.recurrence import fields_of

_LOCALES: Final = {"es": "es_ES", "en": "en_US"}
_CORRECTIONS: Final = {
    "es": (
        (r"\bel último día de la semana del mes", "el último día laborable del mes"),
        (r"\bprimero (?=\w+ del mes)", "primer "),
        (r"\btercero (?=\w+ del mes)", "tercer "),
    )
}
"""What the library says wrongly."""


def in_words(cron: str, interval: timedelta | None) -> str:
    """Return when a schedule comes; an expression that cannot be described is returned as it is."""
    if interval is not None:
        return _every(interval)
    try:
        fields = fields_of(cron).split()
    except ValueError:
        return cron
    day, weekday = fields[2], fields[4]
    if day.startswith("*") or weekday.startswith("*"):
        return _described(fields)
    # Both are given: it comes on either, of which the library knows nothing.
    either = (_described([*fields[:4], "*"]), _described([*fields[:2], "*", *fields[3:]]))
    return gettext("%(one)s; also %(other)s") % {
        "one": either[0],
        "other": either[1][:1].lower() + either[1][1:],
    }


def _described(fields: list[str]) -> str:
    language = (get_language() or "en")[:2]
    options = Options()
    options.locale_code = _LOCALES.get(language, "en_US")
    options.use_24hour_time_format = True
    try:
        found = str(ExpressionDescriptor(" ".join(fields), options).get_full_description())
    except FormatException:
        return " ".join(fields)
    found = _english_names().sub(lambda name: _translated(name[0]), found)
    for wrong, right in _CORRECTIONS.get(language, ()):
        found = re.sub(wrong, right, found)
    return found


def _english_names() -> re.Pattern[str]:
    """Return what finds the names of days and months, which the library takes from the process's own language."""
    return re.compile(rf"\b({'|'.join(_names())})\b")


def _names() -> dict[str, int]:
    with override("en"):
        return {str(name): number for names in (WEEKDAYS, MONTHS) for number, name in names.items()}


def _translated(name: str) -> str:
    number = _names()[name]
    with override("en"):
        is_month = str(MONTHS.get(number, "")) == name
    return str((MONTHS if is_month else WEEKDAYS)[number])


def _every(interval: timedelta) -> str:
    minutes, seconds = divmod(int(interval.total_seconds()), 60)
    if seconds:
        return gettext("Every %(count)d seconds") % {"count": 60 * minutes + seconds}
    if minutes % 60:
        return (
            gettext("Every %(count)d minutes") % {"count": minutes}
            if minutes > 1
            else gettext("Every minute")
        )
    hours = minutes // 60
    if hours % 24:
        return gettext("Every %(count)d hours") % {"count": hours} if hours > 1 else gettext("Every hour")
    days = hours // 24
    return gettext("Every %(count)d days") % {"count": days} if days > 1 else gettext("Every day")
