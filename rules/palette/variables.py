"""Operations on what a job knows and says: variables, log lines, failures."""

from __future__ import annotations

from typing import Any

from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _set(call: Call) -> dict[str, Any]:
    return dict(call.arguments)


def _log(call: Call) -> None:
    if isinstance(call.arguments, str):
        call.log(call.arguments)
    else:
        call.log(call.arguments["text"], call.arguments.get("level", "info"))


def _fail(call: Call) -> None:
    raise OperationFailed(call.arguments, path=call.path)


registry.register(
    OperationType(
        "set",
        schemas.SET_SCHEMA,
        schemas.SET_HELP,
        execute=_set,
        pure=True,
        sets_variables=True,
        keeps_arguments=True,
        example=examples.SET,
    )
)
registry.register(
    OperationType("log", schemas.LOG_SCHEMA, schemas.LOG_HELP, execute=_log, pure=True, example=examples.LOG)
)
registry.register(
    OperationType(
        "fail", schemas.FAIL_SCHEMA, schemas.FAIL_HELP, execute=_fail, pure=True, example=examples.FAIL
    )
)
