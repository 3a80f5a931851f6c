"""The operation that creates another job."""

from __future__ import annotations

from typing import Any

from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _create_job(call: Call) -> dict[str, Any]:
    asked = call.arguments
    wish = {
        "rule": asked["rule"],
        "environment": asked["environment"],
        "project": asked.get("project"),
        "revisions": [
            {"ref": revision} if isinstance(revision, str) else revision
            for revision in asked.get("revisions", ())
        ],
        "comment": asked.get("comment") or f"Created by {call.host.names['job']['name']}.",
        "variables": asked.get("variables", {}),
    }
    # When it began tells the tries apart, and is the same in another worker.
    made = call.host.create_job(wish, mark=f"{call.path} {call.started_at.isoformat()}")
    call.log(f"Created the job {made['name']}.")
    return dict(made)


registry.register(
    OperationType(
        "create_job",
        schemas.CREATE_JOB_SCHEMA,
        schemas.CREATE_JOB_HELP,
        execute=_create_job,
        not_in=schemas.CREATE_JOB_NOT_IN,
        keeps_arguments=True,
        example=examples.CREATE_JOB,
    )
)
