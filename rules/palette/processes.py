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
from rules.palette import schemas
from rules.processes.client import Command, CommandNotStarted, Ended, LauncherLost, Stream, get_launcher

KEPT_BYTES: Final = 64 * 1024
"""How much of the output ``save_as`` keeps: its end."""

_HELD_BYTES: Final = 4 * KEPT_BYTES
"""More is held, so that a secret is not cut before it is hidden."""

_STREAMS: Final[dict[Stream, LogStream]] = {Stream.STDOUT: "stdout", Stream.STDERR: "stderr"}


class _Output:
    """Sends output to the log and keeps the end of it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._end = bytearray()
        self._is_cut = False

    def __call__(self, stream: Stream, data: bytes) -> None:
        self._call.host.output(self._call.path, self._call.node, _STREAMS[stream], data)
        self._end += data[-_HELD_BYTES:]
        if len(self._end) > 2 * _HELD_BYTES:
            del self._end[:-_HELD_BYTES]
            self._is_cut = True

    def kept(self) -> str:
        """Return the last 64 KiB as text without secrets; NUL cannot be stored and is shown as its symbol."""
        # Where it was cut may be the rest of a secret, which nothing recognizes.
        begin = self._end.find(b"\n") + 1 if self._is_cut else 0
        whole = str(self._call.host.mask(self._end[begin:].decode("utf-8", errors="replace")))
        return whole.encode()[-KEPT_BYTES:].decode("utf-8", errors="replace").replace("\0", "\u2400")


def _run(call: Call) -> dict[str, Any]:
    argv = ["/bin/sh", "-c", call.arguments] if isinstance(call.arguments, str) else list(call.arguments)
    if any("\0" in word for word in argv):
        raise OperationFailed("The command holds a NUL character.")
    call.host.directory.mkdir(parents=True, exist_ok=True)
    seconds = call.seconds_left()
    output = _Output(call)
    try:
        with get_launcher().start(
            Command(argv, call.host.directory, call.host.environ), marker=call.host.marker
        ) as running:
            ended = running.pump(
                output,
                deadline=None if seconds is None else time.monotonic() + seconds,
                interrupted=call.host.lost,
            )
    except (CommandNotStarted, LauncherLost) as error:
        raise OperationFailed(str(error)) from error
    _report_processes(call, ended)
    return _judge(call, ended, output.kept())


def _report_processes(call: Call, ended: Ended) -> None:
    for process in ended.processes:
        command = call.host.mask(process.command)  # by itself, since it may be cut within a secret
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


registry.register(OperationType("run", schemas.RUN_SCHEMA, schemas.RUN_HELP, execute=_run))
