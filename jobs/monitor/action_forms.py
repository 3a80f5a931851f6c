"""Forms of the actions: what each one takes, and what its asker saw of the job."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from jobs.actions.base import MOST_COMMENT, Seen
from jobs.choices import OperationStatus, OutcomeChoice, StatusChoice
from jobs.lifecycle import RERUN_STEPS, Step
from jobs.models import OperationRun
from jobs.monitor import times
from jobs.monitor.forms import MINUTES, mark_invalid
from jobs.monitor.log_lines import LEVELS
from jobs.monitor.situation import MOST_OFFERED, Situation

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

_LARGEST_ATTEMPT: Final = 2**31 - 1


def _comment(*, required: bool = False, label: StrPromise | str = "") -> forms.CharField:
    return forms.CharField(
        label=label or gettext_lazy("Comment"),
        required=required,
        max_length=MOST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ActionForm(forms.Form):
    """What every action says: how the job was when its page was made.

    Attributes:
        linked: Names of the fields that a link to the form may fill in.
    """

    linked: ClassVar[frozenset[str]] = frozenset()
    seen_attempt = forms.IntegerField(
        min_value=1, max_value=_LARGEST_ATTEMPT, widget=forms.HiddenInput(attrs={"id": "seen_attempt"})
    )
    seen_status = forms.ChoiceField(
        choices=StatusChoice.choices, widget=forms.HiddenInput(attrs={"id": "seen_status"})
    )

    def __init__(self, situation: Situation, data: QueryDict | None = None) -> None:
        """Fill in what the reader sees, and let each action offer what there is."""
        self.situation = situation
        job = situation.job
        initial = {"seen_attempt": job.attempt, "seen_status": job.status, **self.suggested(situation)}
        super().__init__(data, initial=initial)
        self.prepare()
        if self.is_bound:
            mark_invalid(self)

    def suggested(self, situation: Situation) -> dict[str, Any]:
        """Return what the fields hold at first."""
        return {}

    def prepare(self) -> None:
        """Change the fields as the job needs it."""

    def propose(self, query: QueryDict) -> None:
        """Begin with what a link says, where the form offers it; whatever else it says is left alone."""
        for name in self.linked & self.fields.keys():
            field, value = self.fields[name], query.get(name, "")
            if isinstance(field, forms.ChoiceField) and value and field.valid_value(value):
                self.initial[name] = value

    def seen(self) -> Seen | None:
        """Return what the asker saw, ``None`` when the form does not say it."""
        found = self.cleaned_data
        if "seen_attempt" in found and "seen_status" in found:
            return Seen(found["seen_attempt"], found["seen_status"])
        return None

    def params(self) -> dict[str, Any]:
        """Return what the action takes."""
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in self.cleaned_data.items()
            if name not in {"seen_attempt", "seen_status"}
        }

    def clean(self) -> dict[str, Any]:
        """Say in a sentence that hidden fields are missing: there is no place for it beside them."""
        if {"seen_attempt", "seen_status"} & self.errors.keys():
            message = _("The form does not say how you saw the job. Load the page again.")
            self.add_error(None, message)
        return self.cleaned_data

    def refuse(self, errors: dict[str, list[str]]) -> None:
        """Show what the action refused beside the fields it is about."""
        for name, texts in errors.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)
        mark_invalid(self)


class CommentedForm(ActionForm):
    """An action that takes a reason."""

    comment = _comment()


class RejectForm(ActionForm):
    """An action that needs a reason."""

    comment = _comment(required=True, label=gettext_lazy("Why"))

    def prepare(self) -> None:
        """Say what is missing as the action says it."""
        self.fields["comment"].error_messages["required"] = _("Say why: a rejection needs a comment.")


class RerunForm(CommentedForm):
    """Where to begin again, and how."""

    step = forms.ChoiceField(
        label=gettext_lazy("Step"),
        choices=[(step.value, step.value) for step in Step if step in RERUN_STEPS],
        widget=forms.RadioSelect,
    )
    from_operation = forms.ChoiceField(
        label=gettext_lazy("From the operation"),
        required=False,
        help_text=gettext_lazy("Of the chosen step. What was done before it is not done again."),
    )
    run_now = forms.BooleanField(
        label=gettext_lazy("Run now: do not wait for the scheduled date (RUN only)"), required=False
    )
    outcome = forms.ChoiceField(
        label=gettext_lazy("Outcome that POST goes by (POST only)"),
        required=False,
        choices=[("", pgettext_lazy("outcome", "As it was")), *OutcomeChoice.choices],
    )
    linked = frozenset({"step", "from_operation"})
    field_order = ("step", "from_operation", "run_now", "outcome", "comment")

    def suggested(self, situation: Situation) -> dict[str, Any]:
        """Propose the step where the job stands, or the last one that deployed."""
        job = situation.job
        here = job.step in [step.value for step in RERUN_STEPS]
        return {"step": job.step if here else job.last_ran or Step.PRE.value}

    def prepare(self) -> None:
        """Offer the operations that were reached, under their steps."""
        field, steps = self.fields["from_operation"], [step.value for step in RERUN_STEPS]
        assert isinstance(field, forms.ChoiceField)
        reached = [run for run in self.situation.reached if run.step in steps]
        offered = [
            (step, [(run.path, _named(run)) for run in runs])
            for step, runs in groupby(
                sorted(reached, key=lambda run: steps_order(run.step)), lambda run: run.step
            )
        ]
        field.choices = [("", _("The first one")), *offered]
        if len(self.situation.reached) == MOST_OFFERED:
            field.help_text = f"{field.help_text} " + _("Only the first %(n)d are offered.") % {
                "n": MOST_OFFERED
            }

    def clean(self) -> dict[str, Any]:
        """Tell apart what belongs to another step than the chosen one."""
        found = super().clean()
        step, start = found.get("step"), found.get("from_operation", "")
        other = start.partition("/")[0]
        if step and start and other != step:
            message = _("It is an operation of %(other)s. Choose that step, or an operation of %(step)s.")
            self.add_error("from_operation", ValidationError(message, params={"other": other, "step": step}))
        return found

    def params(self) -> dict[str, Any]:
        """Return what the action takes; nothing chosen is nothing said."""
        found = super().params()
        return {
            **found,
            "outcome": found["outcome"] or None,
            "from_operation": found["from_operation"] or None,
        }


def steps_order(step: str) -> int:
    """Return the place of a step among all."""
    return list(Step).index(Step(step))


def _named(run: OperationRun) -> str:
    name = run.name or run.key
    return f"{name} · {OperationStatus(run.status).label} ({run.path})"


class RescheduleForm(CommentedForm):
    """New dates, in the reader's zone."""

    scheduled_at = forms.DateTimeField(
        label=gettext_lazy("scheduled date"),
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=gettext_lazy("When RUN may begin."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    max_start_at = forms.DateTimeField(
        label=gettext_lazy("max start date"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    field_order = ("scheduled_at", "max_start_at", "comment")

    def suggested(self, situation: Situation) -> dict[str, Any]:
        """Begin with the date that the job has."""
        return {"scheduled_at": situation.job.scheduled_at}

    def prepare(self) -> None:
        """Say what the other date becomes when it is left empty."""
        job = self.situation.job
        span = times.rough((job.max_start_at - job.scheduled_at).total_seconds())
        text = _("Past it, the job expires. Empty: %(span)s after the scheduled date, as before.")
        self.fields["max_start_at"].help_text = text % {"span": span}


class RollbackForm(CommentedForm):
    """A rollback; while later jobs stand on the job it has to be forced."""

    force = forms.BooleanField(label=gettext_lazy("Undo it all the same"), required=False)
    field_order = ("force", "comment")

    def prepare(self) -> None:
        """Ask for force only where it is needed."""
        if not self.situation.later_jobs:
            del self.fields["force"]
        else:
            self.fields["comment"].help_text = _("Forcing a rollback needs one.")


class CommentForm(ActionForm):
    """A line for the log."""

    text = _comment(required=True, label=gettext_lazy("Text"))
    level = forms.ChoiceField(label=gettext_lazy("Level"), choices=list(LEVELS.items()), initial="comment")

    def prepare(self) -> None:
        """Say what is missing as the action says it."""
        self.fields["text"].error_messages["required"] = _("Write something.")
