"""The filters of lists, asked of a job as an event tells it: the table knows only what the job is like now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs.search_words import split
from jobs.selectors import DATE_FIELDS, JobFilter


def matches(wanted: JobFilter, shown: Mapping[str, Any]) -> bool:
    """Return whether ``wanted`` keeps a job.

    Args:
        wanted: As for a list.
        shown: The job as lists represent it. What is not known of it, as of one that is gone, keeps nothing away.
    """
    return (
        all(_is_one_of(name, codes, shown) for name, codes in wanted.values.items())
        and not any(_is_any_of(name, codes, shown) for name, codes in wanted.without.items())
        and all(_is_dated(name, moment, shown, after=True) for name, moment in wanted.after.items())
        and all(_is_dated(name, moment, shown, after=False) for name, moment in wanted.before.items())
        and all(_has_text(word, shown) for word in split(wanted.text))
    )


def _is_one_of(name: str, codes: tuple[str, ...], shown: Mapping[str, Any]) -> bool:
    if name == "nature":
        return "natures" not in shown or not set(codes).isdisjoint(shown["natures"])
    return name not in shown or shown[name] in codes


def _is_any_of(name: str, codes: tuple[str, ...], shown: Mapping[str, Any]) -> bool:
    """Return whether a job is known to have one of ``codes``, which keeps it away from who does not want them."""
    if name == "nature":
        return not set(codes).isdisjoint(shown.get("natures", ()))
    return shown.get(name) in codes


def _is_dated(name: str, moment: datetime, shown: Mapping[str, Any], *, after: bool) -> bool:
    field = DATE_FIELDS[name]
    if field not in shown:
        return True
    if shown[field] is None:
        return False
    dated = datetime.fromisoformat(shown[field])
    return dated >= moment if after else dated < moment


def _has_text(text: str, shown: Mapping[str, Any]) -> bool:
    if "revisions" not in shown:
        return True
    upper = text.upper()
    if upper in shown["name"].upper() or upper in shown["comment"].upper():
        return True
    if text.isdecimal() and len(text) < 19 and shown["id"] == int(text):
        return True
    begin = text.lower() if 7 <= len(text) <= 40 else None
    return any(
        revision["ref"] == text or (begin is not None and revision["sha"].startswith(begin))
        for revision in shown["revisions"]
    )
