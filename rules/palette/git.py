"""The operation that brings the contents of the job's revision into its directory."""

from __future__ import annotations

from rules.engine.call import Call
from rules.engine.frames import timed_out
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _git(call: Call) -> dict[str, str]:
    name = (call.arguments or {}).get("directory", ".")
    directory = call.file(name)
    try:
        sha = call.host.checkout(directory, call.seconds_left())
    except OperationFailed as error:
        if call.deadline is not None and call.seconds_left() == 0:
            raise timed_out(call.deadline) from error
        raise
    call.log(f"Checked out {sha} into {name}.")
    return {"sha": sha, "directory": str(directory)}


registry.register(
    OperationType("git", schemas.GIT_SCHEMA, schemas.GIT_HELP, execute=_git, example=examples.GIT)
)
