"""The operation that brings the contents of the job's revision into its directory."""

from __future__ import annotations

from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from rules.palette import schemas


def _git(call: Call) -> dict[str, str]:
    name = (call.arguments or {}).get("directory", ".")
    directory = call.file(name)
    sha = call.host.checkout(directory, call.seconds_left())
    call.log(f"Checked out {sha} into {name}.")
    return {"sha": sha, "directory": str(directory)}


registry.register(OperationType("git", schemas.GIT_SCHEMA, schemas.GIT_HELP, execute=_git))
