"""``jobs/bulk/``: an action on several jobs, named by their numbers or by what the list is filtered by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import bulk, filters, selectors
from jobs.actions.base import MOST_COMMENT, Seen, every_action
from jobs.api.actions import (
    ADDRESSES,
    TRAP_ANSWERS,
    CommentedSerializer,
)
from jobs.api.errors import refusal_members
from jobs.api.parsing import Choice, Flag, Moment, StrictSerializer, Text, unknown_name
from jobs.api.serializers import ActionSerializer, Attempt, SeenSerializer
from jobs.api.views import actor_of, user_of
from jobs.bulk import Order, Outcome
from jobs.exceptions import InvalidInput, JobNotFound, TooMany
from jobs.lifecycle import RERUN_STEPS
from jobs.lifecycle import Outcome as Result
from jobs.log.codec import Level
from jobs.models import Job
from permissions.models import User

MOST_JOBS: Final = 1000
ACTIONS: Final = tuple(sorted(every_action()))
_OWN: Final = ("action", "ids", "filter", "seen", "limit", "dry_run")


class Numbers(serializers.Field[list[int], Any, list[int], Any]):
    """Numbers of jobs, each once."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Send a list of numbers of jobs.",
        "length": f"Send 1 to {MOST_JOBS} numbers.",
        "twice": "The number {number} stands here twice.",
    }

    def to_internal_value(self, data: Any) -> list[int]:
        """Return ``data`` when it is such a list."""
        if not isinstance(data, list) or any(type(each) is not int or each < 0 for each in data):
            self.fail("invalid")
        if not 1 <= len(data) <= MOST_JOBS:
            self.fail("length")
        if len(set(data)) < len(data):
            self.fail("twice", number=next(each for each in data if data.count(each) > 1))
        return data


class SeenJobs(serializers.Field[dict[int, Seen], Any, dict[str, Any], Any]):
    """How jobs were seen, by their numbers: ``{"7": {"attempt": 2, "status": "error"}}``."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Send an object of what was seen, by the numbers of jobs."
    }

    def to_internal_value(self, data: Any) -> dict[int, Seen]:
        """Return what was seen by number."""
        if not isinstance(data, dict):
            self.fail("invalid")
        found: dict[int, Seen] = {}
        errors: dict[str, Any] = {}
        for number, each in data.items():
            body = SeenSerializer(data=each)
            if not (number.isascii() and number.isdecimal() and len(number) < 20):
                errors[number[:50]] = ["This is not the number of a job."]
            elif not body.is_valid():
                errors[number] = body.errors
            else:
                found[int(number)] = Seen(**body.validated_data)
        if errors:
            raise ValidationError(errors)
        return found


class Filter(serializers.Field[selectors.JobFilter, Any, dict[str, Any], Any]):
    """What the list of jobs is filtered by: each name with one text or a list of texts."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Send an object with filters of the list of jobs."
    }

    def to_internal_value(self, data: Any) -> selectors.JobFilter:
        """Return the filter. One that says nothing is refused: it would mean all jobs there are."""
        if not isinstance(data, dict):
            self.fail("invalid")
        errors: dict[str, Any] = {}
        texts: dict[str, list[str]] = {}
        for name, value in data.items():
            given = value if isinstance(value, list) else [value]
            if name not in filters.PARAMETERS:
                errors[name] = [unknown_name("filter", name, filters.PARAMETERS)]
            elif not given or not all(isinstance(each, str) and each.strip() for each in given):
                errors[name] = ["Send a text, or a list of texts, none of them empty."]
            else:
                texts[name] = given
        if not data:
            raise ValidationError("Say at least one filter.")
        try:
            found = filters.parse_filter(texts)
        except InvalidInput as error:
            errors = {**error.errors, **errors}
        if errors:
            raise ValidationError(errors)
        return found


class BulkSerializer(StrictSerializer):
    """The body of ``jobs/bulk/``: what is done, to which jobs, and what the action takes."""

    action = Choice(ACTIONS)
    ids = Numbers(required=False)
    filter = Filter(required=False)
    seen = SeenJobs(required=False, default=dict)
    limit = Attempt(min_value=1, max_value=MOST_JOBS, required=False, default=MOST_JOBS)
    dry_run = Flag(required=False, default=False)
    step = Choice(RERUN_STEPS, required=False)
    run_now = Flag(required=False)
    outcome = Choice(list(Result), required=False, allow_null=True)
    from_operation = Text(required=False, allow_null=True, max_length=500)
    scheduled_at = Moment(required=False)
    max_start_at = Moment(required=False, allow_null=True)
    force = Flag(required=False)
    text = Text(required=False, max_length=MOST_COMMENT, trim_whitespace=False)
    level = Choice([level.code for level in Level], required=False)
    comment = Text(required=False, allow_blank=True, trim_whitespace=False, max_length=MOST_COMMENT)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """Compare what is given with what the action takes, and say which jobs are meant."""
        errors: dict[str, list[str]] = {}
        if ("ids" in values) == ("filter" in values):
            errors["ids"] = ["Send either ids or filter."]
        elif others := [str(number) for number in values["seen"] if number not in values.get("ids", ())]:
            errors["seen"] = [f"Not among ids: {', '.join(others[:5])}."]
        takes = parameters(values["action"])
        given = [name for name in self.initial_data if name not in _OWN]
        for name in given:
            if name not in takes:
                errors[name] = [f"The action {values['action']} does not take this."]
        for name, field in takes.items():
            if field.required and name not in given and (values["action"], name) != ("rerun", "step"):
                errors[name] = ["This field is required."]
        if errors:
            raise ValidationError(errors)
        return values


def parameters(key: str) -> Mapping[str, serializers.Field[Any, Any, Any, Any]]:
    """Return what the action takes, by name: the same as at its own address."""
    if key in TRAP_ANSWERS:
        body: type[StrictSerializer] = CommentedSerializer
    elif key == "delete":
        body = ActionSerializer
    else:
        body = ADDRESSES[key].body
    return {name: field for name, field in body().get_fields().items() if name != "seen"}


def represent_done(outcome: Outcome, job: Job) -> dict[str, Any]:
    """Return a job to which it was done; ``attempt`` and ``status`` are what ``seen`` asks for."""
    return {"id": outcome.job_id, "name": outcome.name, "status": job.status, "attempt": job.attempt}


def represent_refused(outcome: Outcome, error: Exception) -> dict[str, Any]:
    """Return a job to which it was not done, and why: ``code``, ``detail`` and the other members of the problem."""
    name = None if isinstance(error, JobNotFound) else outcome.name
    return {"id": outcome.job_id, "name": name, **refusal_members(error)}


class BulkView(APIView):
    """``jobs/bulk/``: does it job by job and says of each whether it was done."""

    body = BulkSerializer

    def post(self, request: Request) -> Response:
        """Do one action to several jobs; each is done or refused for itself."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        key = values["action"]
        given = {name: values[name] for name in parameters(key) if name in values}
        order = Order(key, actor_of(request), _params(key, given), values["seen"], values["dry_run"])
        done, refused = [], []
        for outcome in bulk.carry_out(order, _meant(user_of(request), values)):
            if outcome.error is not None:
                refused.append(represent_refused(outcome, outcome.error))
            elif outcome.job is not None:
                done.append(represent_done(outcome, outcome.job))
        return Response({"action": key, "dry_run": order.dry_run, "done": done, "refused": refused})

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still see the jobs that an earlier answer names, as far as they are there."""
        named = [row["id"] for row in (*answer["done"], *answer["refused"]) if row["name"]]
        visible = selectors.visible_jobs(user_of(request)).filter(pk__in=named)
        hidden = Job.objects.filter(pk__in=named).exclude(pk__in=visible.values("pk")).first()
        if hidden is not None:
            raise JobNotFound(hidden.pk)


def _params(key: str, given: Mapping[str, Any]) -> bulk.Params:
    if key == "rerun" and "step" not in given:
        return lambda job: {**given, "step": bulk.proposed_step(job)}
    return lambda job: given


def _meant(user: User, values: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the jobs that are meant, the oldest first when a filter says which.

    Raises:
        TooMany: The filter finds more than the limit; nothing is done to any.
    """
    if "ids" in values:
        return list(values["ids"])
    most = values["limit"]
    matching = selectors.visible_jobs(user).filter(values["filter"].condition())
    found = list(matching.order_by("id").values_list("pk", flat=True)[: most + 1])
    if len(found) > most:
        raise TooMany(matching.count(), most)
    return found
