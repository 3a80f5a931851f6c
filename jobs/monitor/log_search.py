"""Looking for a text in the log of a job from its page: the next and the previous line, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.log import places, search
from jobs.log.search import Count, Found
from jobs.models import Job
from jobs.monitor.log_place import Place, number

FIND_SECONDS: Final = 1.5
COUNT_SECONDS: Final = 0.1
"""How long one answer looks; the page goes on by itself, and by a link where there are no scripts."""

BACKWARD: Final = "previous"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a search led to no line.

    Attributes:
        text: For the reader.
        resume: Address at which it goes on, empty when it is over.
    """

    text: str
    resume: str = ""


def is_asked(query: QueryDict, place: Place) -> bool:
    """Return whether a line is to be found: by a link to the next one, or by a text without a place."""
    return bool(place.text) and ("find" in query or place.is_tail)


def look(query: QueryDict, job: Job, place: Place) -> HttpResponse | Outcome:
    """Return the way to the line that was found, or why there is none."""
    is_backward = query.get("find") == BACKWARD
    start = number(query, "from")
    found = _find(job, place, start, is_backward=is_backward)
    if found.is_over and not found.line and start and "around" not in query:
        # Behind the last one comes the first.
        start = None
        found = _find(job, place, start, is_backward=is_backward)
    if found.line:
        return HttpResponseRedirect(f"{place.query(hit=found.line)}#L{found.line}")
    if found.is_over:
        return Outcome(_("No line matches."))
    count = number_format(found.looked_at, force_grouping=True)
    text = (
        _("Nothing up to line %(line)s so far.")
        if not is_backward
        else _("Nothing down to line %(line)s so far.")
    )
    resume = place.query(
        find=BACKWARD if is_backward else "next",
        **{"from": found.looked_at},
        around=1 if start is None else query.get("around"),
    )
    return Outcome(text % {"line": count}, resume)


def _find(job: Job, place: Place, start: int | None, *, is_backward: bool) -> Found:
    if start is None:
        first, last = places.bounds(job.pk, place.attempt)
        start = last + 1 if is_backward else max(first - 1, 0)
    return search.find(job.pk, place.sought, start, seconds=FIND_SECONDS, is_backward=is_backward)


def counted(query: QueryDict, job: Job, place: Place) -> dict[str, Any]:
    """Return what the page says about the number of matching lines, and where counting goes on.

    Args:
        query: May hold ``counted``: how far an earlier answer came.
        job: Whose log.
        place: What is looked for, and the present line.
    """
    count = search.count(
        job.pk, place.sought, place.hit or 0, _before(query.get("counted", "")), seconds=COUNT_SECONDS
    )
    total = number_format(count.total, force_grouping=True)
    is_more = count.is_capped or not count.is_over
    text = ngettext("%(n)s matching line", "%(n)s matching lines", count.total) % {
        "n": f"{total}{'+' if is_more else ''}"
    }
    if (
        place.hit is not None
        and count.looked_at >= place.hit
        and count.position
        and not _is_behind(count, place)
    ):
        here = number_format(count.position, force_grouping=True)
        text = _("%(position)s of %(lines)s") % {"position": here, "lines": text}
    goes_on = not count.is_over and not count.is_capped
    so_far = f"{count.total}-{count.position}-{count.looked_at}"
    return {
        "count_text": text,
        "count_more": place.query(hit=place.hit, counted=so_far) if goes_on else "",
    }


def _is_behind(count: Count, place: Place) -> bool:
    """Return whether counting stopped before the present line, so that its number is not known."""
    return count.is_capped and place.hit is not None and count.position == count.total


def _before(text: str) -> Count:
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts):
        return Count()
    total, position, looked_at = map(int, parts)
    return Count(min(total, search.MOST_COUNTED), min(position, total), looked_at)
