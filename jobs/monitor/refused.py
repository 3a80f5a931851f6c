"""The monitor at an address that cannot be read: what is wrong with it, and no job.

All jobs instead of those that were meant would be taken for these, acted on and exported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from jobs import filters
from jobs.monitor import listing, saved_views, search
from jobs.monitor.gate import is_htmx, reader
from jobs.monitor.view_query import VIEW_PARAMETERS, Query, pairs
from jobs.wording import translated

_KEPT: Final = (*VIEW_PARAMETERS, "fold", "view")
"""What else the address says stays, so that the list is as it was once its filter is mended."""


def messages_of(errors: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Return a sentence for each part of the address that cannot be used."""
    for name, texts in errors.items():
        yield f"{listing.label_of(name)}: {' '.join(translated(text) for text in texts)}"


def answer(request: HttpRequest, said: Iterable[str], wrong: Collection[str] = ()) -> HttpResponse:
    """Say what cannot be read; what was typed stays in its box.

    Args:
        request: Of the reader.
        said: What is wrong, a sentence each.
        wrong: Parameters that cannot be used; those that are no filters can be left out by a click.
    """
    if is_htmx(request):
        return HttpResponse(status=400)
    for message in said:
        messages.error(request, message)
    kept = pairs(request.GET, without=wrong, only=_KEPT)
    typed = " ".join(request.GET.getlist(search.PARAMETER))
    is_filter = bool(typed) or any(name in filters.PARAMETERS for name in wrong)
    context = {
        "section": "monitor",
        "is_refused": True,
        "typed": typed or search.written(request.GET),
        "kept": [(name, value) for name, value in kept if name not in filters.PARAMETERS],
        "without": "" if is_filter else f"?{urlencode(kept)}",
        "views": saved_views.state(reader(request), QueryDict(), Query()),
    }
    return render(request, "monitor/list.html", context, status=400)
