"""Every action of a job as its page knows it: the form it takes, what it will do, and what is said when it was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.monitor import action_forms as forms
from jobs.monitor import consequences
from jobs.monitor.consequences import Consequences
from jobs.monitor.situation import Situation
from jobs.wording import ACTION_LABELS


@dataclass(frozen=True, slots=True)
class Dialog:
    """The page of one action.

    Attributes:
        key: Of the action.
        consequences: What it will do to a job.
        done: What is said afterwards.
        form: What it takes.
        is_grave: Whether it ends or takes away something.
        submit: What its button says, when its name could be taken for something else.
    """

    key: str
    consequences: Callable[[Situation], Consequences]
    done: Promise | str
    form: type[forms.ActionForm] = forms.CommentedForm
    is_grave: bool = False
    submit: Promise | str = ""

    @property
    def label(self) -> Promise | str:
        """Its name."""
        return ACTION_LABELS[self.key]


DIALOGS: Final[Mapping[str, Dialog]] = {
    dialog.key: dialog
    for dialog in (
        Dialog("rerun", consequences.rerun, _("The job begins again."), forms.RerunForm),
        Dialog("reschedule", consequences.reschedule, _("The job has its new dates."), forms.RescheduleForm),
        Dialog("run_now", consequences.run_now, _("RUN no longer waits for a date."), forms.ActionForm),
        Dialog(
            "cancel",
            consequences.cancel,
            _("The job is cancelled."),
            is_grave=True,
            submit=_("Cancel the job"),
        ),
        Dialog("approve", consequences.approve, _("Your signature is noted.")),
        Dialog("reject", consequences.reject, _("The job is rejected."), forms.RejectForm, is_grave=True),
        Dialog("retry", consequences.retry, _("The operation is tried again.")),
        Dialog("skip", consequences.skip, _("The operation is skipped, and the job goes on.")),
        Dialog("abort", consequences.abort, _("The trap is aborted: the step fails."), is_grave=True),
        Dialog("pause", consequences.pause, _("The clock of the trap stands still.")),
        Dialog("resume", consequences.resume, _("The clock of the trap goes on.")),
        Dialog(
            "rollback", consequences.roll_back, _("The rollback begins."), forms.RollbackForm, is_grave=True
        ),
        Dialog(
            "delete",
            consequences.delete,
            _("The job is deleted."),
            forms.ActionForm,
            is_grave=True,
            submit=_("Delete the job"),
        ),
        Dialog("hold", consequences.hold, _("The job is on hold.")),
        Dialog("release", consequences.release, _("The job is no longer on hold.")),
        Dialog("comment", consequences.comment, _("Your comment is in the log."), forms.CommentForm),
    )
}
"""By the key of the action."""
