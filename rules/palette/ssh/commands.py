"""Running a command on another host."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncssh

from rules.engine.call import Call
from rules.engine.host import Stream
from rules.engine.outcomes import OperationFailed
from rules.palette import interruptible
from rules.palette.interruptible import Pipe
from rules.palette.output import Output
from rules.palette.ssh.connecting import connected
from rules.palette.ssh.targets import Target

LOST: Final = "The connection was lost; whether the command goes on there is not known."
CLOSED: Final = "The connection was closed; whether the command goes on there is not known."
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the command ended: its return code, or a signal, or neither when the connection was lost."""

    returncode: int | None = None
    signal: str = ""


def run_command(call: Call) -> dict[str, Any]:
    """Run the command that ``call`` asks for, its output going to the log.

    Raises:
        OperationFailed: There is no connection, it was lost, or the command ended with another return code than 0.
    """
    target, command = Target.of(call.arguments), call.arguments["run"]
    if "\0" in command:
        raise OperationFailed("The command holds a NUL character.")
    known_hosts, output = call.host.known_hosts(), Output(call)
    ended = interruptible.run(
        call,
        lambda pipe: _run(target, known_hosts, command, pipe),
        output=output,
        cut=lambda: call.log(CLOSED, "warning"),
    )
    value = {"returncode": ended.returncode, "output": output.kept()}
    if ended.signal:
        raise OperationFailed(f"The command on {target} was ended by SIG{ended.signal}.", value=value)
    if ended.returncode is None:
        raise OperationFailed(LOST, value=value)
    if ended.returncode != 0:
        raise OperationFailed(
            f"The command on {target} ended with return code {ended.returncode}.", value=value
        )
    return value


async def _run(target: Target, known_hosts: Path, command: str, pipe: Pipe) -> _Ended:
    async with connected(target, known_hosts) as connection:
        try:
            process = await connection.create_process(command, stdin=asyncssh.DEVNULL, encoding=None)
            await asyncio.gather(
                _pass_on("stdout", process.stdout, pipe), _pass_on("stderr", process.stderr, pipe)
            )
            await process.wait_closed()
        except asyncssh.ChannelOpenError as error:
            if connection.is_closed():
                return _Ended()
            raise OperationFailed(f"{target} refuses to run a command: {error.reason}.") from error
        except (asyncssh.Error, OSError):
            return _Ended()
        if process.exit_signal is not None:
            return _Ended(signal=process.exit_signal[0])
        return _Ended(process.exit_status)


async def _pass_on(stream: Stream, reader: asyncssh.SSHReader[bytes], pipe: Pipe) -> None:
    while piece := await reader.read(_PIECE):
        await pipe.put(stream, piece)
