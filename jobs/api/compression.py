"""Answers of the API in gzip, for those who take it."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

from jobs.api.weights import takes

ROOT: Final = "/api/"
_TYPES: Final = frozenset({"application/json", "application/problem+json"})


class CompressionMiddleware(GZipMiddleware):
    """Compresses what programs read, and nothing else.

    - Pages are left alone: they carry the token of their forms beside what a reader typed, whose compressed length would
      give the token away (BREACH).
    - So are answers to writing, where a new token stands once.
    - What is sent in pieces, events and downloads, would be held back, and compressing it would hold up all others.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress ``response`` when it is JSON that was read."""
        kind = response.get("Content-Type", "").partition(";")[0]
        if request.method != "GET" or response.streaming or kind not in _TYPES:
            return response
        if not request.path_info.startswith(ROOT):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if not takes(request.META.get("HTTP_ACCEPT_ENCODING", ""), "gzip"):
            return response
        # Django looks for the plain word and knows no weights.
        request.META["HTTP_ACCEPT_ENCODING"] = "gzip"
        return super().process_response(request, response)
