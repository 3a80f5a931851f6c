"""Jobs: list, create, read, and what belongs to one job."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import at_once, blockers, filters, list_rows, lists, selectors, timeline, waits
from jobs.actions.base import Seen, actions, available
from jobs.api import pagination
from jobs.api.serializers import (
    ActionSerializer,
    NewJobSerializer,
    represent_audit,
    represent_blocker,
    represent_operation,
    represent_trap,
)
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.keyset import Ordering
from jobs.models import AuditRecord, Job
from jobs.representation import represent_approval, represent_job
from permissions.models import User

LARGEST_ATTEMPT = 2**31 - 1


def user_of(request: Request) -> User:
    """Return who asks; the door let nobody in who is not signed in."""
    assert isinstance(request.user, User)
    return request.user


def actor_of(request: Request) -> Actor:
    """Return who acts through the API, and from where."""
    return Actor(user_of(request), AuditRecord.Source.API.value, request.META.get("REMOTE_ADDR", ""))


def query_of(request: Request) -> dict[str, list[str]]:
    """Return the query parameters with all their values."""
    return {name: list(values) for name, values in request.query_params.lists()}


def detail(job: Job, user: User) -> dict[str, Any]:
    """Return all that is to say of ``job`` to ``user``."""
    now = timezone.now()
    parts = {
        "actions": available(job, user, now=now),
        "trap": represent_trap(waits.open_trap(job), now),
        "approval": represent_approval(waits.open_approval(job)),
        "blockers": [represent_blocker(blocker) for blocker in blockers.blockers(job, now)],
    }
    return {**represent_job(job), **parts}


def attempt_of(request: Request, job: Job) -> int:
    """Return the attempt asked for, the current one when none is."""
    asked = pagination.integer_of(request, "attempt", least=1, most=LARGEST_ATTEMPT) or job.attempt
    if asked > job.attempt:
        raise InvalidInput({"attempt": [f"The job is at attempt {job.attempt}."]})
    return asked


class JobsView(APIView):
    """``jobs/``."""

    body = NewJobSerializer
    query_parameters = (*filters.PARAMETERS, "ordering", *pagination.PARAMETERS)

    def get(self, request: Request) -> Response:
        """Return a page of the jobs that the asker may see."""
        query = query_of(request)
        ordering = filters.parse_ordering(query.get("ordering", []))
        wanted = lists.Wanted(selectors.seen_environments(user_of(request)), filters.parse_filter(query))
        cursor, limit = pagination.cursor_of(request, ordering), pagination.limit_of(request)
        page = lists.page(wanted, ordering, cursor, limit)
        numbers = [place.number for place in page.rows]
        return pagination.envelope(request, page, ordering, list_rows.represented(numbers))

    def post(self, request: Request) -> Response:
        """Create a job; the answer comes when INIT is over."""
        body = NewJobSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        job = at_once.create_job(body.wish(), actor=actor_of(request), now=timezone.now())
        address = request.build_absolute_uri(reverse("api:job", kwargs={"job_id": job.pk}))
        return Response(detail(job, user_of(request)), status=201, headers={"Location": address})

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still see the job that an earlier answer is about."""
        selectors.require_visible(user_of(request), answer["id"])


class SummaryView(APIView):
    """``jobs/summary/``."""

    query_parameters = filters.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return how many jobs there are per status, under the filters of the list."""
        seen = selectors.seen_environments(user_of(request))
        counts = lists.counts_by_status(lists.Wanted(seen, filters.parse_filter(query_of(request))))
        return Response({"total": sum(counts.values()), "by_status": counts})


class JobView(APIView):
    """``jobs/{id}/``."""

    bodies: ClassVar = {"delete": ActionSerializer}

    def get(self, request: Request, job_id: int) -> Response:
        """Return one job."""
        user = user_of(request)
        return Response(detail(selectors.visible_job(user, job_id), user))

    def delete(self, request: Request, job_id: int) -> Response:
        """Take the job out of the monitor."""
        body = ActionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        seen = body.validated_data["seen"]
        actions()["delete"].execute(
            job_id, actor=actor_of(request), now=timezone.now(), seen=Seen(**seen) if seen else None
        )
        return Response(status=204)


class OperationsView(APIView):
    """``jobs/{id}/operations/``."""

    query_parameters = ("attempt", *pagination.PARAMETERS)

    def get(self, request: Request, job_id: int) -> Response:
        """Return the operations of one attempt in the order of the rule: those that ran and those still to come."""
        job = selectors.visible_job(user_of(request), job_id)
        attempt = attempt_of(request, job)
        places = timeline.places(job, attempt)

        def represent(rows: range) -> list[Any]:
            found = timeline.described(job, attempt, [places[index] for index in rows])
            return [represent_operation(operation) for operation in found]

        return pagination.sliced(request, [place.path for place in places], represent)


class AuditView(APIView):
    """``jobs/{id}/audit/``."""

    query_parameters = pagination.PARAMETERS
    ordering = Ordering("id", "id")

    def get(self, request: Request, job_id: int) -> Response:
        """Return who decided what about the job, in the order it happened."""
        job = selectors.visible_job(user_of(request), job_id)
        return pagination.paged(request, selectors.audit_of(job), self.ordering, represent_audit)
