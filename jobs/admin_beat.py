"""What of django-celery-beat is to be seen in the administration: its tasks, which follow our schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

# Registers its models, so that they can be taken away below.
import django_celery_beat.admin  # noqa: F401
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from jobs.admin_base import ReadOnlyAdmin
from rules import durations


def register(site: admin.AdminSite) -> None:
    """Show of beat's own tables only the tasks, to read.

    Whoever edited them could stop the tick, on which everything hangs, or believe that a schedule was changed there.
    """
    site.unregister([PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule])
    site.register(PeriodicTask, PeriodicTaskAdmin)


class PeriodicTaskAdmin(ReadOnlyAdmin):
    """What beat sends when. For superusers: the tasks of schedules are of all environments."""

    list_display = ("name", "sends", "enabled", "every", "crontab", "ran_last", "ran")
    list_select_related = ("interval", "crontab")
    ordering = ("name",)
    fields = readonly_fields = (
        "name", "sends", "enabled", "every", "crontab", "arguments", "queue", "ran_last", "ran", "description",
    )  # fmt: skip

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let superusers look."""
        return request.user.is_active and request.user.is_superuser

    # Beat's own words for these come in two languages at once.

    @admin.display(description=_("sends"), ordering="task")
    def sends(self, task: PeriodicTask) -> str:
        """Show which task it sends."""
        return str(task.task)

    @admin.display(description=_("every"))
    def every(self, task: PeriodicTask) -> str:
        """Show the interval, as schedules write it."""
        interval = task.interval
        if interval is None:
            return "–"
        return durations.text(timedelta(**{interval.period: interval.every}))

    @admin.display(description=_("arguments"))
    def arguments(self, task: PeriodicTask) -> str:
        """Show what it sends along."""
        return " ".join(text for text in (task.args, task.kwargs) if text not in {"[]", "{}"}) or "–"

    @admin.display(description=_("last sent"), ordering="last_run_at")
    def ran_last(self, task: PeriodicTask) -> datetime | None:
        """Show when beat sent it last."""
        return cast("datetime | None", task.last_run_at)

    @admin.display(description=_("times sent"), ordering="total_run_count")
    def ran(self, task: PeriodicTask) -> int:
        """Show how often beat sent it."""
        return int(task.total_run_count)
