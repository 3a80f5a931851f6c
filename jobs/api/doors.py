"""The door that every API view goes through, whichever app it is from: strict, in English, in keyset pages.

Views of ``rules`` and ``permissions`` know nothing of ``jobs``. They say what they take by plain attributes, and the
addresses here put the door in front of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.exceptions import AuthenticationFailed, NotAcceptable, NotFound, UnsupportedMediaType
from rest_framework.filters import BaseFilterBackend
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import selectors
from jobs.acting import acting
from jobs.api import rates
from jobs.api.conditional import READING, conditional
from jobs.api.idempotency import once
from jobs.api.pagination import PARAMETERS, KeysetPagination
from jobs.api.parsing import NothingSerializer, StrictJSONParser, refuse_unknown_parameters
from jobs.api.weights import weighed
from jobs.exceptions import InvalidInput
from jobs.stream.handler import WAITER

CONDITIONS: Final = ("If-Match", "If-Unmodified-Since")


class SeesAnythingFilter(BaseFilterBackend):
    """Empties lists for those who see no environment at all, unless the view is ``for_everybody``."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Return what the asker may know of."""
        if getattr(view, "for_everybody", False) or selectors.sees_anything(request.user):
            return queryset
        return queryset.none()


class ByAccept(DefaultContentNegotiation):
    """Chooses the form of an answer by ``Accept`` and its weights alone: no parameter is set apart for it, or read."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the form that the asker likes best, and what it is called; of several the one that is named most exactly.

        Raises:
            NotAcceptable: There is none that they take.
        """
        wanted = weighed(request.META.get("HTTP_ACCEPT", "")) or [("*/*", 1.0)]
        refused = {name for name, weight in wanted if not weight}
        known = list(renderers)
        left = [each for each in known if each.media_type not in refused]
        for best in sorted({weight for _name, weight in wanted if weight}, reverse=True):
            names = {name for name, weight in wanted if weight == best}
            for written in (str, _any_of_its_kind, _anything):
                for each in left:
                    if written(each.media_type) in names:
                        return each, each.media_type
        raise NotAcceptable(available_renderers=known)


def _any_of_its_kind(media_type: str) -> str:
    return f"{media_type.partition('/')[0]}/*"


def _anything(media_type: str) -> str:
    return "*/*"


class Door(APIView):
    """Mixed in before each view.

    Query parameters are those in the view's ``query_parameters``, and those of pages when it says ``keyset``.
    """

    parser_classes = (StrictJSONParser,)
    content_negotiation_class = ByAccept
    pagination_class = KeysetPagination
    filter_backends = (SeesAnythingFilter,)
    _spent: rates.Spent | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in English, the language of programs, whatever the reader's pages are in."""
        with translation.override("en"):
            return conditional(request, super().dispatch(request, *args, **kwargs))

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks, and count it; a token that opens nothing counts against its address."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            self._spend(request, None)
            raise
        self._spend(request, request.user)

    def _spend(self, request: Request, user: Any) -> None:
        if hasattr(request._request, WAITER):
            # Counted when it came: who waits is asked again by the handler, not by its sender.
            return
        try:
            self._spent = rates.spend(request._request, user)
        except rates.TooOften as error:
            self._spent = error.spent
            raise

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Say how much is left of the rate."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self._spent.headers().items() if self._spent else ():
            answer[name] = value
        return answer

    # A plain response: the view's own renderers may know no JSON.
    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """Say which methods there are, in the header ``Allow``."""
        answer = HttpResponse(status=204)
        del answer["Content-Type"]
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse unknown query parameters, after the asker is known and before anything is done.

        Nothing that was sent is judged before it is known who asks: whoever may not ask learns that alone. So this is the
        framework's own beginning in another order, without its versions and its counting, of which there are none here.
        """
        self.format_kwarg = None
        self.perform_authentication(request)
        self.check_permissions(request)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        _refuse_other_codings(request)
        _refuse_conditions(request)
        if (author := acting.get()) is not None:
            # Only now the user of a token is known.
            acting.set(replace(author, name=request.user.get_username()))
        reading = request.method in READING
        known: tuple[str, ...] = getattr(self, "query_parameters", ()) if reading else ()
        paged = PARAMETERS if reading and hasattr(self, "keyset") else ()
        refuse_unknown_parameters(request.query_params, (*known, *paged))
        if request.method == "DELETE" and "delete" not in getattr(self, "bodies", {}):
            NothingSerializer(data=request.data).is_valid(raise_exception=True)


def _refuse_conditions(request: Request) -> None:
    """Refuse to write under a condition that nobody would look at.

    Raises:
        InvalidInput: Names the headers.
    """
    if request.method in READING:
        return
    said = "Conditions on writing are not looked at; send seen where the body takes it."
    if errors := {name: [said] for name in CONDITIONS if name in request.headers}:
        raise InvalidInput(errors)


def _refuse_other_codings(request: Request) -> None:
    """Refuse what would be read as something that it is not.

    Raises:
        UnsupportedMediaType: The body comes compressed.
        InvalidInput: The query is not UTF-8; its wrong bytes would be looked for as other letters.
    """
    coding = request.META.get("HTTP_CONTENT_ENCODING", "identity")
    if coding.lower() not in {"", "identity"}:
        raise UnsupportedMediaType(
            coding, detail=f"Send the body as it is, without the coding {coding[:50]}."
        )
    try:
        unquote_to_bytes(request.META.get("QUERY_STRING", "")).decode()
    except UnicodeDecodeError:
        raise InvalidInput({"query": ["The query is not UTF-8."]}) from None


def door(view: type[APIView]) -> Callable[..., HttpResponseBase]:
    """Return ``view`` behind the door, as a function for an address."""
    members: dict[str, Any] = {"__doc__": view.__doc__, "__module__": view.__module__}
    if post := getattr(view, "post", None):
        members["post"] = once(post)
    behind: type[APIView] = type(view.__name__, (Door, view), members)
    return behind.as_view()


class NothingHere(APIView):
    """Whatever address of the API is left over."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    # No address that the description of the API should name.
    schema = None

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Name no methods: none is allowed where nothing is."""
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse before anything else is looked at."""
        slash = "" if request.path.endswith("/") else " Addresses end with a slash."
        raise NotFound(f"There is nothing at {request.path}.{slash}")
