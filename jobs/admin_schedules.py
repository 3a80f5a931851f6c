"""Administration of schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Field, ForeignKey, OuterRef, QuerySet, Subquery
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from jobs import selectors
from jobs.actions.schedules import run_now
from jobs.admin_base import VisibleEnvironmentFilter
from jobs.audit import Actor
from jobs.cron_words import in_words
from jobs.models import AuditRecord, Job, Schedule, ScheduleRun
from jobs.monitor import times
from jobs.recurrence import next_runs
from jobs.schedule_form import ScheduleForm
from jobs.wording import translated
from permissions import policy
from permissions.admin_shown import KeepsWhatOthersChanged
from permissions.catalog import Right
from permissions.models import User

RUNS_SHOWN: Final = 100
PREVIEW: Final = "_preview"
_WHAT: Final = (
    "rule", "environment", "project", "type", "revisions", "urgent", "comment", "variables", "delay"
)  # fmt: skip
_WHEN: Final = ("cron", "interval", "time_zone", "starts_at", "ends_at", "overlap", "catch_up")


def register(site: admin.AdminSite) -> None:
    """Show schedules."""
    site.register(Schedule, ScheduleAdmin)


class ScheduleAdmin(KeepsWhatOthersChanged[Schedule]):
    """Schedules of the environments that the administrator may see; those where they may create jobs can be changed."""

    form = ScheduleForm
    change_form_template = "admin/jobs/schedule/change_form.html"
    list_display = ("name", "enabled", "environment", "comes", "next_run", "last_run", "what")
    list_filter = ("enabled", VisibleEnvironmentFilter)
    list_select_related = ("rule", "environment", "project")
    search_fields = ("name", "comment", "rule__slug")
    show_full_result_count = False
    actions = ("enable", "disable", "run_by_hand")

    class Media:
        css: ClassVar = {"all": ("monitor/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Leave out environments that the administrator may not see; add what the list says of the last run."""
        newest = ScheduleRun.objects.filter(schedule=OuterRef("pk")).order_by("-id")
        found: QuerySet[Schedule] = super().get_queryset(request)
        places = policy.environments_for(request.user)
        # Its job may lie where the schedule was before.
        there = Job.objects.filter(pk=OuterRef("run_job"), environment__in=places)
        return (
            found.filter(environment__in=places)
            .annotate(
                run_result=Subquery(newest.values("result")[:1]), run_job=Subquery(newest.values("job")[:1])
            )
            .annotate(run_job_name=Subquery(there.values("name")[:1]))
        )

    # --- Who may do what ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say yes when there is an environment where the administrator may create jobs: the form names rules and projects."""
        if not super().has_add_permission(request):
            return False
        return request.user.is_superuser or policy.environments_for(request.user, Right.CREATE).exists()

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Say yes where the administrator may create jobs."""
        return super().has_change_permission(request, obj) and _may_create(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Say yes in the same places."""
        return super().has_delete_permission(request, obj) and _may_create(request, obj)

    def get_deleted_objects(
        self, objs: QuerySet[Schedule] | Sequence[Schedule], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Count the runs that go with a schedule; how its jobs were asked for is of no interest to anybody."""
        _names, _counts, missing, protected = super().get_deleted_objects(objs, request)
        chosen = list(objs)
        found = dict(
            ScheduleRun.objects.filter(schedule__in=chosen)
            .order_by("schedule")
            .values_list("schedule")
            .annotate(Count("pk"))
        )
        names: list[Any] = []
        for schedule in chosen:
            names.append(f"{capfirst(self.opts.verbose_name)}: {schedule}")
            if count := found.get(schedule.pk, 0):
                said = ngettext("%(count)d run in its history", "%(count)d runs in its history", count)
                names.append([said % {"count": count}])
        counts = {str(self.opts.verbose_name_plural): len(chosen)}
        if found:
            counts[str(ScheduleRun._meta.verbose_name_plural)] = sum(found.values())
        return names, counts, missing, protected

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Offer what the administrator may use and know of."""
        if db_field.name == "environment":
            kwargs["queryset"] = policy.environments_for(request.user, Right.CREATE)
        elif db_field.name == "project":
            kwargs["queryset"] = selectors.visible_projects(request.user)
        elif db_field.name == "owner":
            kwargs["queryset"] = User.objects.filter(is_active=True).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Leave out the buttons that would change what is only to be chosen here."""
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None and isinstance(found.widget, RelatedFieldWidgetWrapper):
            found.widget = found.widget.widget
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> tuple[str, ...]:
        """Let superusers alone choose in whose name jobs are created."""
        return () if request.user.is_superuser else ("owner",)

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        """Group the fields by what they say."""
        note = "" if request.user.is_superuser else _("Whoever saves a schedule becomes its owner.")
        first = ("name", "enabled", "owner") if obj or request.user.is_superuser else ("name", "enabled")
        return (
            (None, {"fields": first, "description": note}),
            (_("Job"), {"fields": _WHAT}),
            (_("When"), {"fields": _WHEN}),
        )

    def get_form(
        self, request: HttpRequest, obj: Schedule | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Schedule]]:
        """Tell the form who fills it in."""
        found = super().get_form(request, obj, change, **kwargs)
        return type("ScheduleForm", (found,), {"user": request.user})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the administrator as the owner."""
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    # --- The form and its preview ---

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show and keep a schedule, or show what was typed together with when it would come."""
        if request.method == "POST" and PREVIEW in request.POST:
            return self._preview(request, object_id, form_url)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _preview(self, request: HttpRequest, object_id: str | None, form_url: str) -> HttpResponse:
        schedule = None if object_id is None else self.get_object(request, unquote(object_id))
        if object_id is not None and schedule is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        add = schedule is None
        if not (self.has_add_permission(request) if add else self.has_change_permission(request, schedule)):
            raise PermissionDenied
        form = self.get_form(request, schedule, change=not add)(request.POST, instance=schedule or Schedule())
        form.is_valid()
        fields = helpers.AdminForm(
            form,
            list(self.get_fieldsets(request, schedule)),
            {},
            self.get_readonly_fields(request, schedule),
            model_admin=self,
        )
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Preview"),
            "subtitle": str(schedule) if schedule else None,
            "adminform": fields,
            "object_id": object_id,
            "original": schedule,
            "is_popup": False,
            "media": self.media + fields.media,
            "inline_admin_formsets": [],
            "errors": helpers.AdminErrorList(form, []),
        }
        return self.render_change_form(
            request, context, add=add, change=not add, obj=schedule, form_url=form_url
        )

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Schedule | None = None,
    ) -> HttpResponse:
        """Add when the schedule comes, by what stands in the form, and what came of the times before."""
        form = context["adminform"].form
        timing = form.timing() if form.is_bound else getattr(obj, "timing", None)
        if timing is not None:
            zone = ZoneInfo(timing.zone)
            context["comes"] = in_words(timing.cron, timing.interval)
            context["coming"] = [
                (_moment(moment, zone), _moment(moment, timezone.get_current_timezone()))
                for moment in next_runs(timing, timezone.now())
            ]
            context["zones"] = (timing.zone, timezone.get_current_timezone_name())
        if obj is not None and obj.pk:
            runs = list(obj.runs.select_related("job", "asked_by")[:RUNS_SHOWN])
            places = set(policy.environments_for(request.user).values_list("pk", flat=True))
            for run in runs:
                if run.job is not None and run.job.environment_id not in places:
                    run.job = None
            context["runs"] = [(run, _lines(run.message)) for run in runs]
        return super().render_change_form(
            request, context, add=add, change=change, form_url=form_url, obj=obj
        )

    # --- The list ---

    @admin.display(description=_("what"), ordering="rule__slug")
    def what(self, schedule: Schedule) -> SafeString | str:
        """Name the rule, and the project with its revisions."""
        of = " ".join([schedule.project.code if schedule.project else "", *map(str, schedule.revisions)])
        return format_html("{}<br>{}", schedule.rule.slug, of) if of else schedule.rule.slug

    @admin.display(description=_("comes"))
    def comes(self, schedule: Schedule) -> SafeString:
        """Say when it comes, in words and as it is written."""
        written = schedule.cron or ""
        return format_html(
            "{}<br><code>{}</code> {}",
            in_words(schedule.cron, schedule.interval),
            written,
            schedule.time_zone,
        )

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_run(self, schedule: Schedule) -> SafeString | str:
        """Show the next run in the reader's zone, and in the schedule's where that is another one."""
        if schedule.next_run_at is None:
            return "–"
        here = timezone.localtime(schedule.next_run_at)
        there = timezone.localtime(schedule.next_run_at, ZoneInfo(schedule.time_zone))
        shown = [f"{times.short(schedule.next_run_at, timezone.now())} {here:%Z}"]
        if there.utcoffset() != here.utcoffset():
            shown.append(f"{there:%Y-%m-%d %H:%M %Z}")
        return format_html_join(SafeString("<br>"), "{}", ((each,) for each in shown))

    @admin.display(description=_("last run"))
    def last_run(self, schedule: Schedule) -> SafeString | str:
        """Say what came of the newest run, with a link to its job."""
        result = getattr(schedule, "run_result", None)
        if result is None:
            return "–"
        label, job = ScheduleRun.Result(result).label, getattr(schedule, "run_job", None)
        name = getattr(schedule, "run_job_name", None)
        if job is None or name is None:
            return str(label)
        address = reverse("monitor:job", args=[job])
        return format_html('{}: <a href="{}">{}</a>', label, address, name)

    # --- What is done with several ---

    @admin.action(description=_("Enable the selected schedules"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Let them come from now on."""
        done = self._each(request, queryset, lambda schedule: self._switch(request, schedule, True))
        text = ngettext("%(count)d schedule was enabled.", "%(count)d schedules were enabled.", done)
        messages.success(request, text % {"count": done})

    @admin.action(description=_("Disable the selected schedules"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Let them come no more."""
        done = self._each(request, queryset, lambda schedule: self._switch(request, schedule, False))
        text = ngettext("%(count)d schedule was disabled.", "%(count)d schedules were disabled.", done)
        messages.success(request, text % {"count": done})

    @admin.action(description=_("Run the selected schedules now"), permissions=["change"])
    def run_by_hand(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Let them come now, in the name of who asks."""
        assert isinstance(request.user, User)
        actor = Actor(request.user, AuditRecord.Source.ADMIN.value, request.META.get("REMOTE_ADDR", ""))
        done = self._each(
            request, queryset, lambda schedule: run_now(schedule, actor=actor, now=timezone.now())
        )
        text = ngettext(
            "%(count)d run was asked for; what comes of it is shown on the schedule's page.",
            "%(count)d runs were asked for; what comes of them is shown on the schedules' pages.",
            done,
        )
        messages.success(request, text % {"count": done})

    def _switch(self, request: HttpRequest, schedule: Schedule, enabled: bool) -> None:
        if schedule.enabled != enabled:
            schedule.enabled = enabled
            fields = ["enabled"]
            if enabled and isinstance(request.user, User) and not policy.administers(request.user):
                # Jobs come in the owner's name, so that whoever lets them come does so in their own.
                schedule.owner = request.user
                fields.append("owner")
            schedule.save()
            self.log_change(request, schedule, [{"changed": {"fields": fields}}])

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Schedule], act: Callable[[Schedule], Any]
    ) -> int:
        """Do it to each schedule that the administrator may change, name the others, and return how many were done."""
        done, refused = 0, []
        with transaction.atomic():
            for schedule in queryset:
                if self.has_change_permission(request, schedule):
                    act(schedule)
                    done += 1
                else:
                    refused.append(schedule.name)
        if refused:
            text = gettext("You may not create jobs where these run: %(names)s.")
            messages.error(request, text % {"names": ", ".join(refused)})
        return done


def _may_create(request: HttpRequest, schedule: Schedule | None) -> bool:
    return schedule is None or policy.can(request.user, Right.CREATE, schedule.environment)


def _moment(moment: datetime, zone: Any) -> str:
    local = timezone.localtime(moment, zone)
    day = date_format(local, "D j M Y")
    # Only English writes days and months with a capital letter.
    day = day if (get_language() or "").startswith("en") else day.lower()
    return f"{day}, {local:%H:%M} {local:%Z}"


def _lines(message: str) -> list[str]:
    """Return a run's message in the reader's language; a mistake may stand behind the name of its field."""
    found = []
    for line in message.splitlines():
        known = translated(line)
        field, colon, rest = line.partition(": ")
        found.append(f"{field}{colon}{translated(rest)}" if known == line and colon else known)
    return found
