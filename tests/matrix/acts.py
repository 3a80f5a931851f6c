"""What people do, and who may: section 5, the table of actions. A new action is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from permissions.catalog import Right
from tests.matrix.access import SEES, SIGNS, Access, needs


@dataclass(frozen=True, slots=True)
class Act:
    """An action: who may do it, the job at which it is possible, and what it is told."""

    access: Access
    job: str
    data: Mapping[str, Any] = field(default_factory=dict)
    success: int = 200


_RESTART: Final = needs(Right.RESTART)

ACTIONS: Final[Mapping[str, Act]] = {
    "rerun": Act(_RESTART, "finished", {"step": "PRE"}),
    "reschedule": Act(_RESTART, "planned", {"scheduled_at": "2030-01-01T10:00:00Z"}),
    "run_now": Act(_RESTART, "planned"),
    "cancel": Act(needs(Right.CANCEL), "planned"),
    "rollback": Act(_RESTART, "finished"),
    "approve": Act(SIGNS, "pending"),
    "reject": Act(SIGNS, "pending", {"comment": "No."}),
    "retry": Act(_RESTART, "trapped"),
    "skip": Act(_RESTART, "trapped"),
    "abort": Act(_RESTART, "trapped"),
    "pause": Act(_RESTART, "trapped"),
    "resume": Act(_RESTART, "paused"),
    "delete": Act(needs(Right.DELETE), "finished", success=204),
    "hold": Act(needs(Right.DELETE), "finished", {"comment": "An audit."}),
    "release": Act(needs(Right.DELETE), "held"),
    "comment": Act(SEES, "finished", {"text": "Seen.", "level": "comment"}),
}
"""Section 5, the table of what people do."""


def on_page(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an action is told as forms of pages say it: dates without a zone."""
    return {
        name: value.removesuffix(":00Z") if name.endswith("_at") else value for name, value in data.items()
    }
