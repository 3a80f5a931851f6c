"""Turns every request to its reader's language and time zone."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from permissions.models import User

ZONE_COOKIE: Final = "clarive_zone"
"""Written by the pages' script: the zone of the browser, for readers who chose none."""


class PreferencesMiddleware:
    """The user's language and zone, else the browser's, else the installation's. Stands after authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer ``request`` in the language and zone of who asks."""
        language = language_of(request)
        with translation.override(language), timezone.override(zone_of(request)):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
        # LocaleMiddleware, further out, only fills the header in where it is missing.
        response.headers.setdefault("Content-Language", language)
        return response


def language_of(request: HttpRequest) -> str:
    """Return the code of the language to answer in."""
    user = request.user
    if isinstance(user, User) and user.language in dict(settings.LANGUAGES):
        return user.language
    return translation.get_language() or settings.LANGUAGE_CODE


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """Return the zone to show times in; a name nobody knows, such as one of a forged cookie, counts as none."""
    user = request.user
    chosen = user.time_zone if isinstance(user, User) else ""
    for name in (chosen, request.COOKIES.get(ZONE_COOKIE, "")):
        if name in known_zones():
            return zoneinfo.ZoneInfo(name)
    return zoneinfo.ZoneInfo(settings.TIME_ZONE)


@functools.cache
def known_zones() -> frozenset[str]:
    """Return the names of all zones. Finding them reads hundreds of files, so it is done once."""
    return frozenset(zoneinfo.available_timezones())
