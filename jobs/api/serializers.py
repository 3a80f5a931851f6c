"""Jobs and what belongs to them as JSON, and the body of a new job.

Answers are made by plain functions: a list of fifty jobs costs what its query costs, and every name is in sight.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

from jobs import waits
from jobs.actions.base import MOST_COMMENT
from jobs.actions.lookup import MOST_REVISIONS
from jobs.addresses import shown_address
from jobs.api.parsing import Choice, Flag, Moment, PlainObject, StrictSerializer, Text
from jobs.blockers import Blocker
from jobs.choices import JobType, StatusChoice
from jobs.models import AuditRecord, Nature, Project, Trap
from jobs.representation import instant
from jobs.timeline import Operation
from jobs.wishes import Wish
from permissions.models import Environment

LARGEST_ATTEMPT: Final = 2**31 - 1


def represent_trap(trap: Trap | None, now: datetime) -> dict[str, Any] | None:
    """Return the trap that a job is in; of a paused one the clock stands, so it has no deadline."""
    if trap is None:
        return None
    return {
        "operation": trap.operation,
        "name": trap.name,
        "error": trap.error,
        "trapped_at": instant(trap.began_at),
        "deadline": instant(trap.deadline),
        "remaining_seconds": round(waits.remaining(trap, now).total_seconds()),
        "on_timeout": trap.on_timeout,
        "retries": trap.retries,
        "max_retries": trap.max_retries,
    }


def represent_blocker(blocker: Blocker) -> dict[str, Any]:
    """Return one reason why a job waits."""
    return {
        "kind": blocker.kind,
        "detail": blocker.detail,
        "since": instant(blocker.since),
        "until": instant(blocker.until),
        "who": list(blocker.who),
    }


def represent_operation(operation: Operation) -> dict[str, Any]:
    """Return one operation of an attempt."""
    return {
        "path": operation.path,
        "id": operation.identifier,
        "name": operation.name,
        "key": operation.key,
        "step": operation.step,
        "status": operation.status,
        "started_at": instant(operation.started_at),
        "finished_at": instant(operation.finished_at),
        "seconds": operation.seconds,
        "usual_seconds": operation.usual_seconds,
    }


def represent_audit(record: AuditRecord) -> dict[str, Any]:
    """Return one decision."""
    return {
        "id": record.pk,
        "at": instant(record.at),
        "user": record.user or None,
        "action": record.action,
        "from_status": record.from_status or None,
        "to_status": record.to_status or None,
        "step": record.step or None,
        "attempt": record.attempt,
        "comment": record.comment,
        "source": record.source,
        "address": record.address,
    }


def represent_environment(environment: Environment) -> dict[str, Any]:
    """Return an environment; durations in seconds."""
    return {
        "code": environment.code,
        "name": environment.name,
        "order": environment.position,
        "colour": environment.colour,
        "expiry": round(environment.expiry.total_seconds()),
        "expiry_urgent": round(environment.expiry_urgent.total_seconds()),
        "variables": environment.variables,
    }


def represent_project(project: Project, environments: dict[int, str]) -> dict[str, Any]:
    """Return a project; of its environments those whose codes are given."""
    return {
        "code": project.code,
        "name": project.name,
        "repository": shown_address(project.repository),
        "credential": project.credential,
        "username": project.username,
        "variables": project.variables,
        "environments": {
            environments[each.environment_id]: {"variables": each.variables}
            for each in project.environments.all()
            if each.environment_id in environments
        },
    }


def represent_nature(nature: Nature) -> dict[str, Any]:
    """Return a nature."""
    return {
        "code": nature.code,
        "name": nature.name,
        "include": nature.include,
        "exclude": nature.exclude,
    }


class RevisionSerializer(StrictSerializer):
    """What is asked to be deployed."""

    ref = Text(max_length=255)


class NewJobSerializer(StrictSerializer):
    """The body of ``POST jobs/``."""

    rule = Text(max_length=100)
    environment = Text(max_length=50)
    project = Text(max_length=50, required=False, allow_null=True, default=None)
    type = Choice(JobType.values, required=False, default=JobType.PROMOTE.value)
    revisions = serializers.ListField(
        child=RevisionSerializer(), required=False, default=list, max_length=MOST_REVISIONS
    )
    scheduled_at = Moment(required=False, allow_null=True, default=None)
    max_start_at = Moment(required=False, allow_null=True, default=None)
    urgent = Flag(required=False, default=False)
    comment = Text(
        required=False, default="", allow_blank=True, trim_whitespace=False, max_length=MOST_COMMENT
    )
    variables = PlainObject(required=False, default=dict)

    def wish(self) -> Wish:
        """Return the valid body as what ``create_job`` takes."""
        values = dict(self.validated_data)
        refs = tuple(revision["ref"] for revision in values.pop("revisions"))
        return Wish(revisions=refs, **values)


class Attempt(serializers.IntegerField):
    """A whole number; texts are none."""

    def to_internal_value(self, data: Any) -> int:
        """Return ``data`` when it is a whole number."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class SeenSerializer(StrictSerializer):
    """What the asker saw of the job."""

    attempt = Attempt(min_value=1, max_value=LARGEST_ATTEMPT)
    status = Choice(StatusChoice.values)


class ActionSerializer(StrictSerializer):
    """What every action may say."""

    seen = SeenSerializer(required=False, allow_null=True, default=None)
