"""Shapes of the answers about people, rights, schedules, subscriptions and what is deployed where."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from jobs.api.schedule_bodies import CATCH_UP
from jobs.api.schema.answers import CommitAnswer, RevisionAnswer
from jobs.api.schema.fields import Word
from jobs.choices import JobType
from jobs.models import Schedule
from permissions.catalog import Right

RIGHTS = [right.value for right in Right]


def _texts(text: str = "") -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), help_text=text)


class GrantAnswer(serializers.Serializer[Any]):
    """Rights of a group or user on an environment."""

    id = serializers.CharField()
    principal = serializers.CharField(help_text="group:ops or user:ana.")
    environment = serializers.CharField(help_text="Code of the environment, `*` for all of them.")
    rights = serializers.ListField(child=Word(RIGHTS, component="Right"))


class UserAnswer(serializers.Serializer[Any]):
    """Somebody who signs in. Groups are told to those who may look at them."""

    username = serializers.CharField()
    email = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    groups = _texts()
    is_active = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    is_staff = serializers.BooleanField()
    language = serializers.CharField()
    time_zone = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_login = serializers.DateTimeField(allow_null=True)


class GroupAnswer(serializers.Serializer[Any]):
    """A group with all its members."""

    name = serializers.CharField()
    members = _texts()


class TokenAnswer(serializers.Serializer[Any]):
    """What there is to say of a token; the token itself is not known any more."""

    id = serializers.IntegerField(min_value=1)
    user = serializers.CharField()
    name = serializers.CharField()
    hint = serializers.CharField(help_text="Its beginning.")
    rights = serializers.ListField(
        child=Word(RIGHTS, component="Right"),
        allow_null=True,
        help_text="What it is limited to; null for nothing.",
    )
    environments = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Where it is limited to; null for nowhere."
    )
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewTokenAnswer(TokenAnswer):
    """A token that was made just now."""

    token = serializers.CharField(help_text="It, this once.")


class AskedRevisionAnswer(serializers.Serializer[Any]):
    """What is asked for."""

    ref = serializers.CharField()


class ScheduleRunAnswer(serializers.Serializer[Any]):
    """One time at which a schedule came, and what came of it."""

    due_at = serializers.DateTimeField()
    by_hand = serializers.BooleanField()
    result = serializers.CharField()
    message = serializers.CharField()
    job = serializers.IntegerField(allow_null=True, help_text="Number of the job, when the asker may see it.")
    job_name = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True, help_text="When that was known.")


class ScheduleAnswer(serializers.Serializer[Any]):
    """A job that comes again and again; durations in seconds."""

    name = serializers.CharField()
    enabled = serializers.BooleanField()
    owner = serializers.CharField()
    rule = serializers.CharField()
    environment = serializers.CharField()
    project = serializers.CharField(allow_null=True)
    type = Word(JobType.values, component="JobType")
    revisions = AskedRevisionAnswer(many=True)
    urgent = serializers.BooleanField()
    comment = serializers.CharField()
    variables = serializers.DictField()
    delay = serializers.IntegerField(allow_null=True, help_text="Between its coming and RUN.")
    cron = serializers.CharField(allow_null=True)
    every = serializers.IntegerField(allow_null=True)
    time_zone = serializers.CharField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    overlap = Word(Schedule.Overlap.values)
    catch_up = Word(Schedule.CatchUp.values, help_text=CATCH_UP)
    created_at = serializers.DateTimeField()
    next_run_at = serializers.DateTimeField(allow_null=True)
    last_run = ScheduleRunAnswer(allow_null=True)


class ScheduleDetailAnswer(ScheduleAnswer):
    """A schedule, and when it comes next."""

    next_runs = serializers.ListField(child=serializers.DateTimeField())


class PlaceAnswer(serializers.Serializer[Any]):
    """What a project has in an environment."""

    environment = serializers.CharField()
    project = serializers.CharField()
    revision = RevisionAnswer()
    revisions = RevisionAnswer(many=True)
    job = serializers.IntegerField(
        min_value=1, help_text="Number of the job that brought it, also when it was deleted since."
    )
    job_name = serializers.CharField()
    since = serializers.DateTimeField()


class DeploymentAnswer(PlaceAnswer):
    """What a project has in an environment, and where something newer is."""

    newer_in = serializers.CharField(
        allow_null=True,
        help_text="Code of the environment, of those that the asker may see, that has something newer.",
    )


class CommitsAnswer(serializers.Serializer[Any]):
    """Commits that one environment has and another one lacks."""

    commits = CommitAnswer(many=True, help_text="The newest first, at most 1,000.")
    commits_count = serializers.IntegerField(min_value=0, help_text="How many there are.")


class DriftAnswer(serializers.Serializer[Any]):
    """How far two environments are apart in one project."""

    project = serializers.CharField()
    same = serializers.BooleanField(help_text="Both have the same commits, or nothing.")
    ahead = CommitsAnswer(
        allow_null=True,
        help_text="What `from` has and `to` lacks; null when that is not known, and `problem` says why.",
    )
    behind = CommitsAnswer(allow_null=True, help_text="What `to` has and `from` lacks; null likewise.")
    problem = serializers.CharField(
        help_text="Why the commits are not known, or perhaps not all, in sentences; empty when all is well."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; ``from`` is no name that a class could give."""
        places = {
            name: PlaceAnswer(allow_null=True, help_text="Null when nothing of it is deployed there.")
            for name in ("from", "to")
        }
        own = super().get_fields()
        return {"project": own.pop("project"), **places, **own}


class WebhookAnswer(serializers.Serializer[Any]):
    """Where notices are sent to."""

    url = serializers.CharField()
    secret = serializers.CharField(allow_null=True, help_text="Only where it was made just now.")
    secret_set_at = serializers.DateTimeField(allow_null=True)
    old_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the one before signs too."
    )


class SubscriptionAnswer(serializers.Serializer[Any]):
    """Who is told what; an empty list of events, environments, projects or statuses stands for all."""

    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    events = _texts()
    environments = _texts()
    projects = _texts()
    statuses = _texts()
    users = _texts()
    groups = _texts()
    addresses = _texts()
    webhook = WebhookAnswer(allow_null=True)


class DeliveryAttemptAnswer(serializers.Serializer[Any]):
    """One try to deliver."""

    at = serializers.DateTimeField()
    milliseconds = serializers.IntegerField(allow_null=True)
    response_status = serializers.IntegerField(allow_null=True)
    response_body = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)


class DeliveryAnswer(serializers.Serializer[Any]):
    """One notice on its way to one receiver, with every attempt."""

    id = serializers.IntegerField(min_value=1)
    notice = serializers.IntegerField(min_value=1)
    event = serializers.CharField()
    job = serializers.IntegerField(allow_null=True)
    channel = serializers.CharField()
    address = serializers.CharField()
    user = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    next_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    attempts = DeliveryAttemptAnswer(many=True)


class DeliveriesAnswer(serializers.Serializer[Any]):
    """Deliveries that were begun."""

    deliveries = DeliveryAnswer(many=True)


class AppliedAnswer(serializers.Serializer[Any]):
    """What documents changed."""

    dry_run = serializers.BooleanField()
    changes = _texts("A line for each thing that changed.")
    notes = _texts()
