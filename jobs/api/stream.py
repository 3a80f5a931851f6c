"""What happens, as it happens: the stream of events, and waiting for one job."""

from __future__ import annotations

import functools
import time
from typing import Any, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import filters, selectors
from jobs.api import pagination
from jobs.api.views import detail, query_of, user_of
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput
from jobs.log.as_json import represent_entry
from jobs.models.job import ENDED_VALUES
from jobs.representation import represent_job
from jobs.stream.frames import JOB, LOG, Represent
from jobs.stream.handler import WAITER
from jobs.stream.hints import HintSubscriber, tell_hints
from jobs.stream.hub import Hub
from jobs.stream.position import Position
from jobs.stream.subscriber import Subscriber
from jobs.stream.telling import tell, tell_backlog
from jobs.stream.waiter import Waiter
from permissions.standing import standing_of

CONTENT_TYPE: Final = "text/event-stream"
KINDS: Final = (JOB, LOG)
ENDED: Final = "ended"
UNTIL: Final = (ENDED, *StatusChoice.values)
USUAL_TIMEOUT: Final = 60
LONGEST_TIMEOUT: Final = 300
LAST_EVENT_ID: Final = "Last-Event-ID"
REPRESENT: Final = Represent(represent_job, represent_entry)


@functools.cache
def hub() -> Hub:
    """Return the hub of this process; first called within its event loop."""
    return Hub(REPRESENT)


class EventStreamRenderer(BaseRenderer):
    """Stands for server-sent events when the answer's form is chosen."""

    media_type = CONTENT_TYPE
    format = "events"
    charset = "utf-8"


class StreamView(APIView):
    """``stream/``."""

    query_parameters = (*filters.PARAMETERS, "job", "events", "hints", "last_event_id")
    renderer_classes = (EventStreamRenderer,)

    def get(self, request: Request) -> HttpResponseBase:
        """Return what happens to the jobs that the asker may see, from now or the last event on, as server-sent events."""
        standing = standing_of(request._request, user_of(request))
        wanted, kinds = filters.parse_filter(query_of(request)), _kinds_of(request)
        job_id, position = _job_of(request), _position_of(request)
        lasts = isinstance(request._request, ASGIRequest)
        body: Any
        if _is_for_hints(request):
            if not lasts:
                # Without an event loop there is nothing to hint at later; browsers take this for "do not come back".
                return HttpResponse(status=204, content_type=CONTENT_TYPE)
            body = tell_hints(hub(), HintSubscriber(standing, wanted, kinds, job_id))
        else:
            subscriber = Subscriber(standing, wanted, kinds, position, job_id)
            body = tell(hub(), subscriber) if lasts else tell_backlog(subscriber, REPRESENT)
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return HttpResponse(content_type=CONTENT_TYPE, headers=headers)
        return StreamingHttpResponse(body, content_type=CONTENT_TYPE, headers=headers)


class WaitView(APIView):
    """``jobs/{id}/wait/``."""

    query_parameters = ("until", "timeout")

    def get(self, request: Request, job_id: int) -> Response:
        """Return the job when it has ended or is in a status (200), or when the time is over (202)."""
        until = pagination.single(request, "until") or ENDED
        if until not in UNTIL:
            raise InvalidInput({"until": [filters.unknown(until, UNTIL)]})
        seconds = pagination.integer_of(request, "timeout", least=0, most=LONGEST_TIMEOUT)
        statuses = frozenset(ENDED_VALUES if until == ENDED else (until,))
        user = user_of(request)
        job = selectors.visible_job(user, job_id)
        waiter: Waiter | None = getattr(request._request, WAITER, None)
        if job.status in statuses or (waiter is not None and waiter.reached):
            return Response(detail(job, user))
        allowed = USUAL_TIMEOUT if seconds is None else seconds
        deadline = waiter.deadline if waiter is not None else time.monotonic() + allowed
        waiter = Waiter(standing_of(request._request, user), job_id, statuses, deadline)
        response = Response(detail(job, user), status=202)
        if waiter.seconds_left:
            # The server's handler takes it from here, without a thread; where there is none, this is the answer.
            setattr(response, WAITER, waiter)
        return response


def _kinds_of(request: Request) -> frozenset[str]:
    """Return which events are wanted, ``events=job,log``; both when nothing is said."""
    text = pagination.single(request, "events")
    if not text:
        return frozenset(KINDS)
    kinds = [kind.strip() for kind in text.split(",")]
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise InvalidInput({"events": [filters.unknown(wrong[0], KINDS)]})
    return frozenset(kinds)


def _job_of(request: Request) -> int | None:
    """Return the job that ``job`` narrows to.

    Raises:
        JobNotFound: There is none, or it is not to be seen.
    """
    job_id = pagination.integer_of(request, "job", least=0, most=selectors.LARGEST_ID)
    return None if job_id is None else selectors.visible_job(user_of(request), job_id).pk


def _is_for_hints(request: Request) -> bool:
    """Return whether hints are asked for; they have no ids to go on from.

    Raises:
        InvalidInput: It is neither true nor false, or an id is given.
    """
    text = pagination.single(request, "hints") or "false"
    if text not in ("true", "false"):
        raise InvalidInput({"hints": ["Write true or false."]})
    if text == "true" and pagination.single(request, "last_event_id"):
        raise InvalidInput({"last_event_id": ["Hints have no ids to go on from."]})
    return text == "true"


def _position_of(request: Request) -> Position | None:
    """Return where to go on; the header, which a browser sends when it comes back, is newer than the address."""
    text = request.headers.get(LAST_EVENT_ID) or pagination.single(request, "last_event_id")
    if not text:
        return None
    try:
        return Position.read(text)
    except ValueError:
        name = LAST_EVENT_ID if request.headers.get(LAST_EVENT_ID) else "last_event_id"
        raise InvalidInput({name: ["This is not the id of an event of this stream."]}) from None
