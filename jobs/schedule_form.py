"""The form of a schedule in the admin: typed as on the page that creates a job, and checked as a job is."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from jobs.actions import schedules
from jobs.models import Schedule
from jobs.monitor.forms import read_variables
from jobs.recurrence import NotACron, Timing, fields_of
from jobs.wording import translated
from permissions.models import User
from rules import durations

_SAYS_WHEN: Final = ("cron", "interval", "time_zone", "starts_at", "ends_at")


class TypedField(forms.CharField):
    """A text that stands for something else, which the model keeps."""

    def __init__(self, read: Callable[[str], Any], write: Callable[[Any], str], **kwargs: Any) -> None:
        """Keep how it is read and written."""
        super().__init__(required=False, **kwargs)
        self._read, self._write = read, write

    def clean(self, value: Any) -> Any:
        """Return what the text stands for."""
        return self._read(str(super().clean(value)))

    def prepare_value(self, value: Any) -> Any:
        """Return the text to show; what was typed stays as it was."""
        return value if isinstance(value, str) else self._write(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare texts."""
        return super().has_changed(self.prepare_value(initial), data)


def _read_duration(text: str) -> timedelta | None:
    if not text:
        return None
    try:
        return durations.parse(text)
    except durations.NotADuration as error:
        raise ValidationError(translated(str(error))) from error


def _write_duration(value: timedelta | None) -> str:
    return "" if value is None else durations.text(value)


def _duration(label: Promise | str, help_text: Promise | str) -> TypedField:
    return TypedField(_read_duration, _write_duration, label=label, max_length=20, help_text=help_text)


class ScheduleForm(forms.ModelForm[Schedule]):
    """A schedule. ``user`` is who fills it in, and its owner unless the form lets one be chosen."""

    user: User

    revisions = TypedField(
        lambda text: list(dict.fromkeys(text.split())),
        lambda value: " ".join(map(str, value or [])),
        label=_("revisions"),
        max_length=1000,
        help_text=_(
            "Tags, branches or commits with a space between them; what they name is looked up at each run."
        ),
    )
    variables = TypedField(
        read_variables,
        lambda value: json.dumps(value, ensure_ascii=False, indent=2) if value else "",
        label=_("variables"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60, "spellcheck": "false"}),
        help_text=_("One name=value a line, or a JSON object."),
    )
    delay = _duration(_("delay"), _("How long after the run RUN may begin: 15m, 2h, 1d. Empty: at once."))
    interval = _duration(
        _("interval"), _("In place of cron: 15m, 2h, 1d. Counted from “not before”, or else from now.")
    )
    time_zone = forms.ChoiceField(label=_("time zone"), help_text=_("The zone that cron speaks of."))

    class Meta:
        model = Schedule
        fields = (
            "name", "enabled", "owner", "rule", "environment", "project", "type", "revisions", "urgent",
            "comment", "variables", "delay", "cron", "interval", "time_zone", "starts_at", "ends_at",
            "overlap", "catch_up",
        )  # fmt: skip
        widgets: ClassVar = {"comment": forms.Textarea(attrs={"rows": 2, "cols": 60})}
        help_texts: ClassVar = {
            "cron": _(
                "Minute, hour, day of the month, month, day of the week: 30 2 * * 1-5; or @daily and its like."
            ),
            "starts_at": _("In your own time zone."),
            "ends_at": _("In your own time zone."),
            "overlap": _("Looked at when the run comes; one that is skipped is not made up for."),
            "catch_up": _(
                "Each of several missed runs makes a job only together with “Create another job”: the job of the first is active"
                " when the others come, so that they are skipped otherwise."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer every zone of the tz database, and write labels as those of the model."""
        super().__init__(*args, **kwargs)
        for each in self.fields.values():
            each.label = capfirst(each.label)
            if isinstance(each.widget, forms.MultiWidget):
                # The admin writes the words beside the fields and ties them to nothing.
                for part, word in zip(each.widget.widgets, (_("date"), _("time")), strict=True):
                    part.attrs["aria-label"] = f"{each.label}: {word}"
        zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone or zone == "UTC")
        field = self.fields.get("time_zone")
        if isinstance(field, forms.ChoiceField):
            present = self.instance.time_zone
            field.choices = [(zone, zone) for zone in sorted({*zones, present})]
            # A declared field knows nothing of the model's default.
            field.initial = present

    def clean_cron(self) -> str:
        """Refuse what cannot be read, in the reader's language."""
        written = " ".join(str(self.cleaned_data["cron"]).split())
        if written:
            try:
                fields_of(written)
            except NotACron as error:
                raise ValidationError(translated(str(error))) from error
        return written

    def timing(self) -> Timing | None:
        """Return when the schedule comes by what was typed; ``None`` while that has mistakes."""
        filled = bool(self.instance.cron) != (self.instance.interval is not None)
        return self.instance.timing if filled and not set(self.errors) & set(_SAYS_WHEN) else None

    def _post_clean(self) -> None:
        """Check what was typed as the schedule it makes, and that as the job it asks for."""
        if "owner" not in self.fields:
            self.instance.owner = self.user
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            self._check_job()

    def _update_errors(self, errors: ValidationError) -> None:
        """Take the model's mistakes, but not that one of cron and interval is missing when it is only not to be read."""
        found = dict(errors.error_dict) if hasattr(errors, "error_dict") else None
        if found is not None and {"cron", "interval"} & set(self.errors):
            found.pop("cron", None)
            errors = ValidationError(found)
        super()._update_errors(errors)  # type: ignore[misc]

    def _check_job(self) -> None:
        for name, texts in schedules.mistakes(self.instance, now=timezone.now()).items():
            field = name.split(".")[0].split("[")[0]
            if field == "owner" and field not in self.fields:
                field = "environment"
            for text in texts:
                self.add_error(field if field in self.fields else None, translated(text))
