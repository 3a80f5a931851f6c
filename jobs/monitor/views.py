"""The monitor: the list of jobs, as a page, as the fragment that the page asks for, and as a file."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs import filters, keyset, list_rows, lists, selectors
from jobs.exceptions import InvalidInput
from jobs.list_rows import Listed
from jobs.monitor import cells, counts, export, groups, listing, panels, polling, refused, saved_views, search
from jobs.monitor.gate import is_htmx, reader, signed_in
from jobs.monitor.view_query import KNOWN, Query, page_address, pairs, read_query
from jobs.monitor.ways_out import ways_out
from jobs.monitor.wrong_values import unknown_names
from permissions import policy

ROWS: Final = 50


@signed_in
@require_safe
def monitor(request: HttpRequest) -> HttpResponseBase:
    """Show the jobs of the reader's environments, fifty at a time; a poll gets 204 while nothing has changed.

    A saved view is opened by its address; the usual one by the address without parameters. ``search``, and what the panel of
    columns sends, are redirected to the address that says the same, so that Back, loading again and copying the address work;
    ``format`` makes a file of the view. A parameter that means nothing is refused: it was meant to say something.
    """
    if unknown := unknown_names(request.GET, KNOWN):
        return refused.answer(request, refused.messages_of(unknown), wrong=unknown)
    opened = "" if is_htmx(request) else saved_views.opening(request)
    if opened:
        return redirect(opened)
    if search.PARAMETER in request.GET:
        reading = search.read(reader(request), request.GET)
        if not reading.messages:
            return redirect(request.path + reading.address)
        return refused.answer(request, reading.messages)
    if panels.is_chosen(request.GET):
        return redirect(request.path + panels.address_of(request.GET))
    try:
        query = read_query(request.GET)
        kind = panels.format_of(request.GET)
        panels.opened(request.GET)
    except InvalidInput as error:
        return refused.answer(request, refused.messages_of(error.errors), wrong=error.errors)
    if kind:
        return export.answer(request, reader(request), query, kind)
    return _list(request, query)


def _list(request: HttpRequest, query: Query) -> HttpResponse:
    now, user = timezone.now(), reader(request)
    seen = selectors.seen_environments(user)
    rows, page = _rows(request, query, seen)
    numbers = counts.by_status(lists.jobs_of(lists.Wanted(seen, query.without_status())))
    version = listing.version(rows, numbers, now, request.get_full_path())
    if is_htmx(request) and polling.is_known(request, version):
        return polling.nothing_new(version)
    writer = cells.Writer(query.columns, now)
    context = {
        "section": "monitor",
        "version": version,
        "groups": [(group, writer.rows(group.jobs)) for group in rows],
        "headings": listing.headings(request.GET, query),
        "chips": listing.status_chips(request.GET, numbers),
        "applied": listing.applied_filters(request.GET),
        "is_filtered": query.is_filtered,
        "newest_first": query.ordering == filters.NEWEST_FIRST,
        "next": page_address(request.GET, query.ordering, page.next),
        "previous": page_address(request.GET, query.ordering, page.previous),
        "ways_out": cache(lambda: ways_out(user, request.GET)),
        "may_create": cache(lambda: selectors.may_create(policy.rights_of(user))),
        "environments": cache(lambda: list(policy.environments_for(user).values_list("code", flat=True))),
    }
    if is_htmx(request):
        return render(request, "monitor/_jobs.html", context)
    context |= _around(request, query)
    return render(request, "monitor/list.html", context)


def _rows(
    request: HttpRequest, query: Query, seen: list[int] | None
) -> tuple[list[groups.Group], keyset.Page[Listed]]:
    """Return the rows in their groups, and the page that they are.

    Args:
        request: Of the reader.
        query: What it asks for.
        seen: Keys of the environments that the reader sees, ``None`` for all.
    """
    if query.group in groups.VALUES:
        return groups.by_value(reader(request), query, request.GET), keyset.Page([], None, None)
    wanted = lists.Wanted(seen, query.wanted)
    if not groups.is_by_time(query):
        page = _page(wanted, query)
        return groups.ungrouped(page.rows), page
    by_time = groups.TimeGroups(query, request.GET, timezone.now())
    page = _page(replace(wanted, but=by_time.unfolded()), query)
    return by_time.groups(page, lists.jobs_of(wanted)), page


def _page(wanted: lists.Wanted, query: Query) -> keyset.Page[Listed]:
    places = lists.page(wanted, query.ordering, query.cursor, ROWS)
    # One may be gone by now.
    return keyset.Page(
        list_rows.listed([place.number for place in places.rows]), places.next, places.previous
    )


def _around(request: HttpRequest, query: Query) -> dict[str, Any]:
    """Return what only the whole page has: the search box and the panels."""
    opened = request.GET.get("panel", "")
    found: dict[str, Any] = {
        "typed": search.written(request.GET),
        "kept": pairs(request.GET, without=filters.PARAMETERS),
        "panels": panels.links(request.GET),
        "views": saved_views.state(reader(request), request.GET, query),
        "group_links": panels.group_links(request.GET, query),
        "exports": panels.export_links(request.GET),
    }
    if opened == "filters":
        found["fields"] = panels.fields(reader(request), request.GET)
        found["kept_by_fields"] = pairs(request.GET, without=(*filters.MULTIPLE, *filters.DATES))
    elif opened == "columns":
        found["column_choices"] = panels.choices(query)
        found["kept_by_columns"] = pairs(request.GET, without=("columns",))
    return found
