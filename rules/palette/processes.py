"""The operation that runs a command on the worker's machine."""

from __future__ import annotations

import time
from signal import Signals
from typing import Any, Final

from rules.engine.call import Call
from rules.engine.frames import timed_out
from rules.engine.host import Stream as LogStream
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas
from rules.palette.output import Output
from rules.processes.client import Command, CommandNotStarted, Ended, LauncherLost, Stream, get_launcher

_STREAMS: Final[dict[Stream, LogStream]] = {Stream.STDOUT: "stdout", Stream.STDERR: "stderr"}


def _run(call: Call) -> dict[str, Any]:
    argv = ["/bin/sh", "-c", call.arguments] if isinstance(call.arguments, str) else list(call.arguments)
    if any("\0" in word for word in argv):
        raise OperationFailed("The command holds a NUL character.")
    call.host.directory.mkdir(parents=True, exist_ok=True)
    seconds = call.seconds_left()
    output = Output(call)
    try:
        with get_launcher().start(
            Command(argv, call.host.directory, call.host.environ), marker=call.host.marker
        ) as running:
            ended = running.pump(
                lambda stream, data: output(_STREAMS[stream], data),
                deadline=None if seconds is None else time.monotonic() + seconds,
                interrupted=call.host.lost,
            )
    except (CommandNotStarted, LauncherLost) as error:
        raise OperationFailed(str(error)) from error
    _report_processes(call, ended)
    return _judge(call, ended, output.kept())


def _report_processes(call: Call, ended: Ended) -> None:
    for process in ended.processes:
        # Masked by itself, since it may be cut within a secret; on one line, since a script may have many.
        command = " ".join(call.host.mask(process.command).split())
        call.log(f"Ended process {process.pid} ({command}): {process.how}", "warning")


def _judge(call: Call, ended: Ended, output: str) -> dict[str, Any]:
    """Return what ``save_as`` holds, or fail with it."""
    value = {"returncode": ended.returncode, "output": output}
    if ended.interrupted:
        call.host.check()
    if ended.timed_out and call.deadline is not None:
        raise timed_out(call.deadline)
    if ended.signal is not None:
        raise OperationFailed(f"The command was ended by {Signals(ended.signal).name}.", value=value)
    if ended.returncode != 0:
        raise OperationFailed(f"The command ended with return code {ended.returncode}.", value=value)
    return value


registry.register(
    OperationType("run", schemas.RUN_SCHEMA, schemas.RUN_HELP, execute=_run, example=examples.RUN)
)
