"""Answers that need not be sent again: ``ETag``, ``If-None-Match``, and what may be kept where."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

READING: Final = frozenset({"GET", "HEAD"})
_OF_THE_BODY: Final = frozenset({"content-type", "content-length"})


def conditional(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return ``response`` with its tag, or 304 without a body when the asker has this very answer already.

    The tag is a digest of the body, so whatever changes in the answer changes the tag: also what depends on the clock,
    such as the time that is left in a trap, and on who asks, such as ``actions``. It saves sending, not reading.

    Args:
        request: Of the API.
        response: Its answer. One that is sent in pieces gets no tag.
    """
    reading = request.method in READING
    fine = reading and response.status_code < HTTPStatus.BAD_REQUEST
    response.headers.setdefault("Cache-Control", "private, no-cache" if fine else "no-store")
    if not reading:
        return response
    patch_vary_headers(response, ("Authorization", "Cookie"))
    if response.status_code != HTTPStatus.OK or not isinstance(response, HttpResponse):
        return response
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = tag
    return _unchanged(response) if _is_known(request, tag) else response


def _is_known(request: HttpRequest, tag: str) -> bool:
    """Return whether the asker has an answer with this tag; one that came compressed has it as a weak one."""
    known = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return known == ["*"] or tag in {each.removeprefix("W/") for each in known}


def _unchanged(response: HttpResponse) -> HttpResponse:
    answer = HttpResponseNotModified()
    for name, value in response.items():
        if name.lower() not in _OF_THE_BODY:
            answer[name] = value
    answer.cookies = response.cookies
    return answer
