"""The operation at which people decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from rules.engine.call import Call
from rules.engine.outcomes import Suspended, Waiting
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _approval(call: Call) -> NoReturn:
    """Make the job wait; the record gets its answer from whoever signs."""
    written: Mapping[str, Any] = call.arguments or {}
    approvers = [":".join(map(str.strip, name.split(":", 1))) for name in written.get("approvers", [])]
    details = {
        "approvers": list(dict.fromkeys(approvers)),
        "min": written.get("min", 1),
        "exclude_creator": written.get("exclude_creator", False),
    }
    if approvers:
        call.log(f"Waits for approval by {', '.join(details['approvers'])}.")
    else:
        call.log("Waits for approval by whoever may approve everything here.")
    raise Suspended(Waiting("approval", call.path, details))


registry.register(
    OperationType(
        "approval",
        schemas.APPROVAL_SCHEMA,
        schemas.APPROVAL_HELP,
        execute=_approval,
        may_wait=True,
        pure=True,
        keeps_arguments=True,
        example=examples.APPROVAL,
    )
)
