"""Schedules: read by those who may see their environment, written as in the administration.

Administrators write, and staff with Django's permission where they may create jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import filters, selectors
from jobs.actions import schedules
from jobs.api import pagination
from jobs.api.parsing import NothingSerializer
from jobs.api.schedule_bodies import (
    ScheduleSerializer,
    by_field,
    coming,
    represent_run,
    represent_schedule,
)
from jobs.api.views import actor_of, user_of
from jobs.exceptions import InvalidInput
from jobs.keyset import Ordering
from jobs.models import Schedule, ScheduleRun
from permissions import policy
from permissions.models import User

BY_NAME: Final = Ordering("name", "name", "str", tie="name")
_VERBS: Final = {"POST": "add", "PATCH": "change", "DELETE": "delete"}


class ReadOrSchedule(BasePermission):
    """Everybody who is signed in reads; administrators write, and staff with Django's permission."""

    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may go on."""
        user, method = request.user, str(request.method)
        if not isinstance(user, User):
            return False
        if method not in _VERBS or not hasattr(view, method.lower()) or policy.administers(user):
            return True
        verb = getattr(view, "verb", _VERBS[method])
        return user.is_staff and user.has_perm(f"jobs.{verb}_schedule")


class SchedulesView(APIView):
    """``schedules/``."""

    permission_classes = (ReadOrSchedule,)
    query_parameters = ("environment", "project", "rule", *pagination.PARAMETERS)
    body = ScheduleSerializer

    def get(self, request: Request) -> Response:
        """Return the schedules of the environments that the asker may see, by name."""
        found = _visible(user_of(request))
        columns = {"environment": "environment__code", "project": "project__code", "rule": "rule__slug"}
        for name, text in pagination.words(request, *columns).items():
            found = found.filter(**{columns[name]: text})
        places = _places(user_of(request))

        def represent(rows: Sequence[Schedule]) -> list[Any]:
            runs = _newest_runs(rows)
            return [represent_schedule(row, runs.get(row.pk), places) for row in rows]

        return pagination.paged_together(request, found, BY_NAME, represent)

    def post(self, request: Request) -> Response:
        """Make a schedule; who makes it owns it, unless an administrator names another owner."""
        asker = user_of(request)
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = _resolved(body.values(), asker)
        values.setdefault("owner", asker)
        try:
            made = schedules.create(Schedule(**values), actor_of(request), now=timezone.now())
        except InvalidInput as error:
            raise InvalidInput(by_field(error.errors)) from error
        address = request.build_absolute_uri(reverse("api:schedule", kwargs={"name": made.name}))
        return Response(_detail(made.name, asker), status=201, headers={"Location": address})

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still see the schedule that an earlier answer is about."""
        _found(answer["name"], user_of(request))


class ScheduleView(APIView):
    """``schedules/{name}/``."""

    permission_classes = (ReadOrSchedule,)
    body = ScheduleSerializer

    def get(self, request: Request, name: str) -> Response:
        """Return one schedule, and when it comes next."""
        return Response(_detail(name, user_of(request)))

    def patch(self, request: Request, name: str) -> Response:
        """Change what the body names; who is no administrator owns what they change or enable, but not what they disable."""
        asker = user_of(request)
        schedule = _found(name, asker)
        body = self.body(schedule, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        values = body.values()
        values.pop("name", None)
        values = _resolved(values, asker)
        # Jobs come in the owner's name, so that whoever lets them come does so in their own.
        if (set(values) - {"enabled"} or values.get("enabled")) and not policy.administers(asker):
            values["owner"] = asker
        try:
            schedules.change(schedule, values, actor_of(request), now=timezone.now())
        except InvalidInput as error:
            raise InvalidInput(by_field(error.errors)) from error
        return Response(_detail(name, asker))

    def delete(self, request: Request, name: str) -> Response:
        """Delete it with the history of its runs; their jobs stay."""
        schedules.delete(_found(name, user_of(request)), actor_of(request))
        return Response(status=204)


class RunScheduleView(APIView):
    """``schedules/{name}/run_now/``."""

    permission_classes = (ReadOrSchedule,)
    body = NothingSerializer
    verb = "change"

    def post(self, request: Request, name: str) -> Response:
        """Let the schedule come now, in the name of who asks; its ``last_run`` says later what came of it."""
        asker = user_of(request)
        schedule = _found(name, asker)
        self.body(data=request.data).is_valid(raise_exception=True)
        run = schedules.run_now(schedule, actor=actor_of(request), now=timezone.now())
        return Response(represent_run(run, _places(asker)), status=202)

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still see the schedule that an earlier answer is about."""
        _found(self.kwargs["name"], user_of(request))


def _visible(asker: User) -> QuerySet[Schedule]:
    rows = Schedule.objects.select_related("owner", "rule", "environment", "project")
    return rows.filter(environment__in=policy.environments_for(asker))


def _found(name: str, asker: User) -> Schedule:
    return get_object_or_404(_visible(asker), name=name)


def _places(asker: User) -> frozenset[int]:
    return frozenset(policy.environments_for(asker).values_list("pk", flat=True))


def _newest_runs(rows: Sequence[Schedule]) -> dict[int, ScheduleRun]:
    """Return the newest run of each schedule that has one."""
    runs = (
        ScheduleRun.objects.filter(schedule__in=rows)
        .select_related("job")
        .defer("job__stash", "job__rule_pins")
    )
    return {run.schedule_id: run for run in runs.order_by("schedule_id", "-id").distinct("schedule_id")}


def _detail(name: str, asker: User) -> dict[str, Any]:
    schedule = _found(name, asker)
    run = _newest_runs([schedule]).get(schedule.pk)
    found = represent_schedule(schedule, run, _places(asker))
    return {**found, "next_runs": coming(schedule, timezone.now())}


def _resolved(values: dict[str, Any], asker: User) -> dict[str, Any]:
    """Return the columns of a body with the rows that its names stand for.

    Raises:
        InvalidInput: A name stands for nothing that the asker may use.
    """
    users = User.objects.filter(is_active=True)
    rows: dict[str, tuple[QuerySet[Any], str]] = {
        "owner": (users if policy.administers(asker) else users.filter(pk=asker.pk), "username"),
        "rule": (selectors.visible_rules(asker), "slug"),
        "environment": (policy.environments_for(asker), "code"),
        "project": (selectors.visible_projects(asker), "code"),
    }
    found, errors = dict(values), {}
    for name, (queryset, column) in rows.items():
        if (text := values.get(name)) is None:
            continue
        found[name] = queryset.filter(**{column: text}).first()
        if found[name] is None:
            known = queryset.values_list(column, flat=True)[:1000]
            errors[name] = [filters.unknown(text, known, name)]
    if errors:
        raise InvalidInput(errors)
    return found
