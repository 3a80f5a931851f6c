"""What an action takes when it is done to several jobs: the fields of its own form, without what only one job can say."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from jobs.bulk import proposed_step
from jobs.lifecycle import RERUN_STEPS, Step
from jobs.models import Job
from jobs.monitor.dialogs import DIALOGS
from jobs.monitor.forms import mark_invalid
from permissions.echoes import EchoesLittle

_OF_ONE_JOB: Final = ("seen_attempt", "seen_status", "from_operation")


class BulkForm(EchoesLittle, forms.Form):
    """What the action takes, the same for all jobs."""

    def __init__(self, key: str, data: QueryDict | None = None) -> None:
        """Take the fields over from the action's own form."""
        super().__init__(data)
        self.key = key
        form = DIALOGS[key].form
        fields = {
            name: deepcopy(field) for name, field in form.base_fields.items() if name not in _OF_ONE_JOB
        }
        self.fields.update(fields)
        self.order_fields(form.field_order)
        self._adapt()
        if self.is_bound:
            mark_invalid(self)

    def _adapt(self) -> None:
        """Say of the fields what differs from one job."""
        if self.key == "rerun":
            steps = [(step.value, step.value) for step in Step if step in RERUN_STEPS]
            where_it_stands = _("Where each job stands, or the last one that deployed")
            self.fields["step"] = forms.ChoiceField(
                label=self.fields["step"].label, required=False, choices=[("", where_it_stands), *steps]
            )
            self.order_fields(DIALOGS[self.key].form.field_order)
        elif self.key == "reschedule":
            text = _(
                "Past it, a job expires. Empty: as long after the scheduled date as it was for each job."
            )
            self.fields["max_start_at"].help_text = text
        elif self.key == "rollback":
            self.fields["comment"].help_text = _("Forcing a rollback needs one.")
        elif self.key == "reject":
            self.fields["comment"].error_messages["required"] = _("Say why: a rejection needs a comment.")
        elif self.key == "comment":
            self.fields["text"].error_messages["required"] = _("Write something.")

    def clean(self) -> dict[str, Any]:
        """Say once what each job would refuse."""
        found = self.cleaned_data
        if found.get("force") and not found.get("comment", "").strip():
            self.add_error("comment", _("Say why: forcing a rollback needs a comment."))
        return found

    def params(self, job: Job) -> dict[str, Any]:
        """Return what the action takes for one job; what belongs to another step than its own is left out."""
        found = {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in self.cleaned_data.items()
        }
        if self.key == "rerun":
            step = found["step"] or proposed_step(job)
            found["step"] = step
            found["run_now"] = found["run_now"] and step == Step.RUN
            found["outcome"] = (found["outcome"] or None) if step == Step.POST else None
        return found
