"""Tells what is written during a request who asked for it, so that the audit can say so; who reads sees one state of rights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from jobs import settings_audit
from jobs.acting import Author, acting_as
from jobs.audit import together
from jobs.models import AuditRecord
from permissions.policy import read_once

ADMIN: Final = "/admin/"
API: Final = "/api/"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class ActingMiddleware:
    """Says who acts: the signed-in user, by the door that the address belongs to. Stands after authentication.

    What reads sees one state of rights, from whatever part of it asks; a stream or a wait asks anew, as each begins after this.

    What a form of the administration changes in the configuration is one decision: all of it is kept, with its records,
    or none of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer ``request`` on behalf of who asks."""
        reads = read_once() if request.method in _READING else nullcontext()
        with acting_as(author_of(request)), reads:
            return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        arguments: Sequence[Any],
        named: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Run a writing view of the configuration's pages in one transaction; many of Django's run in none.

        Pages of jobs and workers are left alone: their actions lock one job after the other, each in its own transaction.
        """
        match = request.resolver_match
        if request.method in _READING or match is None or match.app_name != "admin":
            return None
        if not str(match.url_name).startswith(settings_audit.addresses()):
            return None
        with transaction.atomic(), together():
            return view(request, *arguments, **named)


def author_of(request: HttpRequest) -> Author:
    """Return who asks; nobody signed in has no name. The API names the user of a token later, once it knows it."""
    if request.path_info.startswith(ADMIN):
        source = AuditRecord.Source.ADMIN
    elif request.path_info.startswith(API):
        source = AuditRecord.Source.API
    else:
        source = AuditRecord.Source.PAGE
    return Author(request.user.get_username(), source.value, request.META.get("REMOTE_ADDR", ""))
