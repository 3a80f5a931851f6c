"""Operations on other hosts, by SSH."""

from __future__ import annotations

from typing import Any

from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _ssh(call: Call) -> dict[str, Any]:
    # The library takes a second to load: processes that never connect do not wait for it.
    from rules.palette.ssh.commands import run_command

    return run_command(call)


def _copy(call: Call) -> dict[str, int]:
    from rules.palette.ssh.copying import copy

    return copy(call)


registry.register(
    OperationType("ssh", schemas.SSH_SCHEMA, schemas.SSH_HELP, execute=_ssh, example=examples.SSH)
)
registry.register(
    OperationType("copy", schemas.COPY_SCHEMA, schemas.COPY_HELP, execute=_copy, example=examples.COPY)
)
