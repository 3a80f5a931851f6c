"""Operations on files in the job's directory."""

from __future__ import annotations

from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _write(call: Call) -> dict[str, int | str]:
    path = call.file(call.arguments["path"])
    content = call.arguments["content"].encode()
    if path.exists() and not path.is_file():
        # A pipe would wait for a reader that may never come.
        raise OperationFailed(f"{call.arguments['path']} is there already and is no regular file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    call.log(f"Wrote {len(content)} bytes to {call.arguments['path']}.")
    return {"path": str(path), "bytes": len(content)}


registry.register(
    OperationType("write", schemas.WRITE_SCHEMA, schemas.WRITE_HELP, execute=_write, example=examples.WRITE)
)
