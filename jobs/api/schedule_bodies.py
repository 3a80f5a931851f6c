"""The body that makes or changes a schedule, and a schedule as JSON."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from jobs.actions.base import MOST_COMMENT
from jobs.actions.lookup import MOST_REVISIONS
from jobs.api.catalogue_bodies import Duration
from jobs.api.parsing import Choice, Flag, Moment, PlainObject, StrictSerializer, Text
from jobs.api.serializers import RevisionSerializer
from jobs.choices import JobType
from jobs.models import Schedule, ScheduleRun
from jobs.recurrence import next_runs
from jobs.representation import instant
from permissions.models import code_validator

CATCH_UP: Final = (
    "all makes a job of each missed run only with overlap allow; otherwise the job of the first is active when the others come,"
    " and they are skipped."
)
FIELD_OF: Final = {"interval": "every"}
"""Columns that the API calls otherwise."""


class ScheduleSerializer(StrictSerializer):
    """A schedule; a body for one that is there already (``instance``) may leave everything out."""

    name = Text(max_length=50, trim_whitespace=False, validators=[code_validator])
    enabled = Flag(required=False)
    owner = Text(max_length=150, required=False)
    rule = Text(max_length=100)
    environment = Text(max_length=50)
    project = Text(max_length=50, required=False, allow_null=True)
    type = Choice(JobType.values, required=False)
    revisions = serializers.ListField(child=RevisionSerializer(), required=False, max_length=MOST_REVISIONS)
    urgent = Flag(required=False)
    comment = Text(required=False, allow_blank=True, trim_whitespace=False, max_length=MOST_COMMENT)
    variables = PlainObject(required=False)
    delay = Duration(required=False, allow_null=True)
    cron = Text(max_length=100, required=False, allow_null=True, allow_blank=True)
    every = Duration(required=False, allow_null=True)
    time_zone = Choice(sorted(zoneinfo.available_timezones()), required=False)
    starts_at = Moment(required=False, allow_null=True)
    ends_at = Moment(required=False, allow_null=True)
    overlap = Choice(Schedule.Overlap.values, required=False)
    catch_up = Choice(Schedule.CatchUp.values, required=False, help_text=CATCH_UP)

    def validate_name(self, name: str) -> str:
        """Let a name be given again as it is, and never be another."""
        if self.instance is not None and name != self.instance.name:
            raise ValidationError("The name of a schedule cannot be changed.")
        return name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two answers to the question when it comes."""
        if attrs.get("cron") and attrs.get("every"):
            raise ValidationError({"every": "Give cron or every, not both."})
        return attrs

    def values(self) -> dict[str, Any]:
        """Return the columns of the valid body; ``owner``, ``rule``, ``environment`` and ``project`` are still names."""
        found = dict(self.validated_data)
        if "revisions" in found:
            found["revisions"] = [each["ref"] for each in found["revisions"]]
        if "every" in found:
            found["interval"] = found.pop("every")
        if "cron" in found:
            found["cron"] = " ".join((found["cron"] or "").split())
        # Writing one of the two takes the other's place.
        if found.get("cron"):
            found["interval"] = None
        elif found.get("interval"):
            found["cron"] = ""
        return found


def by_field(errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return mistakes by column as mistakes by field of the body."""
    return {FIELD_OF.get(name, name): texts for name, texts in errors.items()}


def represent_schedule(
    schedule: Schedule, run: ScheduleRun | None, environments: Collection[int]
) -> dict[str, Any]:
    """Return a schedule with what came of it last.

    Args:
        schedule: With what it refers to read already.
        run: The newest one.
        environments: Keys of those that the asker may see; a job of another one is not named.
    """
    return {
        "name": schedule.name,
        "enabled": schedule.enabled,
        "owner": schedule.owner.get_username(),
        "rule": schedule.rule.slug,
        "environment": schedule.environment.code,
        "project": schedule.project.code if schedule.project else None,
        "type": schedule.type,
        "revisions": [{"ref": ref} for ref in schedule.revisions],
        "urgent": schedule.urgent,
        "comment": schedule.comment,
        "variables": schedule.variables,
        "delay": _seconds(schedule.delay),
        "cron": schedule.cron or None,
        "every": _seconds(schedule.interval),
        "time_zone": schedule.time_zone,
        "starts_at": instant(schedule.starts_at),
        "ends_at": instant(schedule.ends_at),
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "created_at": instant(schedule.created_at),
        "next_run_at": instant(schedule.next_run_at),
        "last_run": None if run is None else represent_run(run, environments),
    }


def represent_run(run: ScheduleRun, environments: Collection[int]) -> dict[str, Any]:
    """Return one time at which a schedule came, and what came of it."""
    job = run.job if run.job is not None and run.job.environment_id in environments else None
    return {
        "due_at": instant(run.due_at),
        "by_hand": run.by_hand,
        "result": run.result,
        "message": run.message,
        "job": job.pk if job else None,
        "job_name": job.name if job else None,
        "at": instant(run.at),
    }


def coming(schedule: Schedule, now: datetime) -> list[str | None]:
    """Return the next times at which a schedule comes, none while it is not enabled."""
    return [instant(moment) for moment in next_runs(schedule.timing, now)] if schedule.enabled else []


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration.total_seconds())
