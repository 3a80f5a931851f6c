"""The monitor: the list of jobs, as a page and as the fragment that the page asks for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import filters, keyset, selectors
from jobs.exceptions import InvalidInput
from jobs.models import Job
from jobs.monitor import counts, listing, polling
from jobs.monitor.gate import is_htmx, reader, signed_in
from permissions import policy

ROWS: Final = 50
MOST_PROJECTS: Final = 500


@dataclass(frozen=True, slots=True)
class Query:
    """What an address asks for: which jobs, in which order, from where on."""

    wanted: selectors.JobFilter = field(default_factory=selectors.JobFilter)
    ordering: keyset.Ordering = filters.NEWEST_FIRST
    cursor: keyset.Cursor | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves any job out."""
        return self.wanted != selectors.JobFilter()

    def without_status(self) -> selectors.JobFilter:
        """Return the filter for the counts per status."""
        values = {name: values for name, values in self.wanted.values.items() if name != "status"}
        return replace(self.wanted, values=values)


@signed_in
@require_safe
def monitor(request: HttpRequest) -> HttpResponse:
    """Show the jobs of the reader's environments, fifty at a time; a poll gets 204 while nothing has changed."""
    now, status = timezone.now(), 200
    try:
        query = read_query(request.GET)
    except InvalidInput as error:
        if is_htmx(request):
            return HttpResponse(status=400)
        for name, texts in error.errors.items():
            messages.error(request, f"{listing.FIELD_LABELS.get(name, name)}: {' '.join(texts)}")
        request.GET, query, status = QueryDict(), Query(), 400
    user = reader(request)
    page = keyset.page(selectors.listed_jobs(user, query.wanted), query.ordering, query.cursor, ROWS)
    numbers = counts.by_status(selectors.visible_jobs(user).filter(query.without_status().condition()))
    version = listing.version(page.rows, numbers, now)
    if is_htmx(request) and polling.is_known(request, version):
        return polling.nothing_new(version)
    context = {
        **_context(request, query, page),
        "version": version,
        "is_live": status == 200,
        "chips": listing.status_chips(request.GET, numbers),
    }
    if is_htmx(request):
        return render(request, "monitor/_jobs.html", context)
    context["projects"] = list(
        selectors.visible_projects(user).values_list("code", flat=True)[:MOST_PROJECTS]
    )
    return render(request, "monitor/list.html", context, status=status)


def _context(request: HttpRequest, query: Query, page: keyset.Page[Job]) -> dict[str, Any]:
    in_groups = query.ordering == filters.NEWEST_FIRST
    return {
        "section": "monitor",
        "groups": listing.grouped(page.rows, timezone.now()) if in_groups else listing.ungrouped(page.rows),
        "columns": listing.columns(request.GET, query.ordering),
        "applied": listing.applied_filters(request.GET),
        "is_filtered": query.is_filtered,
        "next": _place(request.GET, query.ordering, page.next),
        "previous": _place(request.GET, query.ordering, page.previous),
        "selected": query.wanted.values,
        "text": query.wanted.text,
        "ordering": request.GET.get("ordering", ""),
        "environments": cache(lambda: _environments(request)),
    }


def _environments(request: HttpRequest) -> list[str]:
    """Return the codes of the environments that the reader may see; a fragment with rows never asks for them."""
    return list(policy.environments_for(reader(request)).values_list("code", flat=True))


def read_query(query: QueryDict) -> Query:
    """Return what the address asks for.

    Raises:
        InvalidInput: A filter, the ordering or the place of the page is not usable.
    """
    given = {name: [value for value in values if value] for name, values in query.lists()}
    wanted = filters.parse_filter(given, zone=timezone.get_current_timezone())
    ordering = filters.parse_ordering(given.get("ordering", []))
    place = "".join(given.get("cursor", []))
    try:
        return Query(wanted, ordering, keyset.Cursor.decode(place, ordering) if place else None)
    except keyset.BadCursor:
        raise InvalidInput({"cursor": [_("This is no place in the list.")]}) from None


def _place(query: QueryDict, ordering: keyset.Ordering, cursor: keyset.Cursor | None) -> str:
    if cursor is None:
        return ""
    pairs = [
        (name, value) for name, values in query.lists() for value in values if value and name != "cursor"
    ]
    return "?" + urlencode([*pairs, ("cursor", cursor.encode(ordering))])
