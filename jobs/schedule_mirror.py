"""Shows each schedule to django-celery-beat as a periodic task of its own, whose message is a hint to look.

The task follows its schedule through every door, by signals. It decides nothing: see decision 40.
"""

from __future__ import annotations

from typing import Any, Final

from celery.schedules import ParseException, crontab
from django.db.models.signals import post_delete, post_save
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs import dispatch
from jobs.models import Schedule
from jobs.recurrence import fields_of

_NAMES: Final = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def connect() -> None:
    """Follow all schedules from now on."""
    post_save.connect(_follow, Schedule, dispatch_uid="schedule_mirror")
    post_delete.connect(_forget, Schedule, dispatch_uid="schedule_mirror")


def name_of(schedule: Schedule) -> str:
    """Return the name of its periodic task, which tells nothing of environments."""
    return f"jobs.schedule.{schedule.pk}"


def _follow(instance: Schedule, raw: bool = False, **_: Any) -> None:
    if raw:
        return
    when = _when(instance)
    if when is None:
        _forget(instance)
        return
    PeriodicTask.objects.update_or_create(
        name=name_of(instance),
        defaults={
            "crontab": None,
            "interval": None,
            **when,
            "task": dispatch.RUN_SCHEDULES,
            "queue": dispatch.CREATE_QUEUE,
            "expire_seconds": dispatch.SCHEDULES_HINT_SECONDS,
            "enabled": instance.enabled,
        },
    )


def _forget(instance: Schedule, **_: Any) -> None:
    PeriodicTask.objects.filter(name=name_of(instance)).delete()


def _when(schedule: Schedule) -> dict[str, Any] | None:
    """Return when Celery is to send the hint; ``None`` for what its crontab cannot say, such as the last day of a month."""
    if schedule.interval is not None:
        seconds = int(schedule.interval.total_seconds())
        every = IntervalSchedule.objects.filter(every=seconds, period=IntervalSchedule.SECONDS).first()
        every = every or IntervalSchedule.objects.create(every=seconds, period=IntervalSchedule.SECONDS)
        return {"interval": every}
    fields = dict(zip(_NAMES, fields_of(schedule.cron).lower().split(), strict=True))
    try:
        crontab(**fields)
    except (ParseException, ValueError):
        return None
    wanted = {**fields, "timezone": schedule.time_zone}
    found = CrontabSchedule.objects.filter(**wanted).first() or CrontabSchedule.objects.create(**wanted)
    return {"crontab": found}
