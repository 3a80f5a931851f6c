"""Where a request comes from: the connection's other end, or what the proxies in front say about it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

FORWARDED: Final = "HTTP_X_FORWARDED_FOR"


class ClientAddressMiddleware:
    """Makes ``REMOTE_ADDR`` the address of who asks, so that the audit and the count of failures name the same one.

    Each of the ``CLARIVE_PROXIES`` proxies in front adds to ``X-Forwarded-For`` whom it was asked by; what stands before
    that was written by the asker and is worth nothing. Without proxies the header is not looked at.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Put the address in its place."""
        forwarded = request.META.get(FORWARDED, "") if settings.CLARIVE_PROXIES else ""
        if forwarded:
            hops = forwarded.split(",")
            found = _address(hops[max(0, len(hops) - settings.CLARIVE_PROXIES)])
            if found:
                request.META["REMOTE_ADDR"] = found
        return self.get_response(request)


def client_address(request: HttpRequest) -> str | None:
    """Return the address of who asks; ``None`` where there is none, as behind a Unix socket or in a command."""
    return _address(request.META.get("REMOTE_ADDR", "")) or None


def _address(text: str) -> str:
    """Return an address as it is kept; empty when it is none. Some proxies add a port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
