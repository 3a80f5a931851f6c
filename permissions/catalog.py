"""The six rights: short names of the API, the user's keys, codenames in Django, and labels."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Right(StrEnum):
    """What one may do with the jobs of an environment. The value is the name in the API and in grants."""

    VIEW_MONITOR = "view_monitor"
    APPROVE_ALL = "approve_all"
    RESTART = "restart"
    CANCEL = "cancel"
    DELETE = "delete"
    CREATE = "create"

    @property
    def codename(self) -> str:
        """The user's key, which is also Django's codename: ``action.job.restart``."""
        return f"action.job.{self.value}"

    @property
    def permission(self) -> str:
        """The permission as Django and guardian name it."""
        return f"permissions.{self.codename}"


LABELS: Final[dict[Right, StrPromise]] = {
    Right.VIEW_MONITOR: _("See the jobs in the monitor for the authorised environments"),
    Right.APPROVE_ALL: _("Approve any job, even when not in the approval list"),
    Right.RESTART: _("Restart a job"),
    Right.CANCEL: _("Cancel a job"),
    Right.DELETE: _("Delete a job from the monitor"),
    Right.CREATE: _("Create a job"),
}

SHORT_LABELS: Final[dict[Right, StrPromise]] = {
    Right.VIEW_MONITOR: _("See"),
    Right.APPROVE_ALL: _("Approve"),
    Right.RESTART: _("Restart"),
    Right.CANCEL: _("Cancel"),
    Right.DELETE: _("Delete"),
    Right.CREATE: _("Create"),
}
"""Heads of narrow columns; ``LABELS`` says what is meant."""

RIGHT_OF_ACTION: Final[dict[str, Right]] = {
    "view": Right.VIEW_MONITOR,
    "comment": Right.VIEW_MONITOR,
    "create": Right.CREATE,
    "approve": Right.APPROVE_ALL,
    "reject": Right.APPROVE_ALL,
    "rerun": Right.RESTART,
    "reschedule": Right.RESTART,
    "run_now": Right.RESTART,
    "rollback": Right.RESTART,
    "retry": Right.RESTART,
    "skip": Right.RESTART,
    "abort": Right.RESTART,
    "pause": Right.RESTART,
    "resume": Right.RESTART,
    "cancel": Right.CANCEL,
    "delete": Right.DELETE,
    "hold": Right.DELETE,
    "release": Right.DELETE,
}
"""The right that each action on a job needs, for explanations; the contract's section 5. A test compares it with the actions."""

SIGNING: Final = frozenset({"approve", "reject"})
"""Actions that a named approver may do without the right."""

BY_CODENAME: Final = {right.codename: right for right in Right}
EVERYWHERE: Final = "*"
"""The environment of a grant that covers all environments, also those created later."""
