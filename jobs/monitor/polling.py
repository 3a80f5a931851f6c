"""Polling the address of a page: nothing new is 204."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse


def version_of(*parts: object) -> str:
    """Return a short text that differs whenever one of ``parts`` prints differently."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def is_known(request: HttpRequest, version: str) -> bool:
    """Return whether the page that asks shows ``version`` already. It says so in If-None-Match, as caches do."""
    return request.headers.get("If-None-Match") == f'"{version}"'


def nothing_new(version: str) -> HttpResponse:
    """Return the answer that leaves the page as it is. Not 304, which the browser would fill from its cache."""
    return HttpResponse(status=204, headers={"ETag": f'"{version}"'})
