"""Running a command for its answer: its output is kept, within bounds, instead of being handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rules.processes.client import Command, Ended, Stream, get_launcher

MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Captured:
    """What a command said and how it ended.

    Attributes:
        ended: How it ended.
        stdout: Its answer, at most ``MOST_BYTES`` from the beginning.
        stderr: Its complaints, the last ``MOST_BYTES`` of them.
        is_whole: Whether ``stdout`` is all of it.
    """

    ended: Ended
    stdout: str
    stderr: str
    is_whole: bool


def capture(
    command: Command,
    *,
    marker: str = "",
    deadline: float | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    sink: Callable[[bytes], object] | None = None,
) -> Captured:
    """Run a command to its end and return what it said.

    Args:
        command: What to run.
        marker: Put into its environment, for ``reap_strays``.
        deadline: On the clock of ``time.monotonic``; past it the command is stopped.
        interrupted: Asked again and again; once it is true the command is stopped.
        sink: Gets the answer piece by piece, of any length; then ``stdout`` stays empty.

    Raises:
        CommandNotStarted: The program or the directory is missing, or may not be used.
        LauncherLost: What watches over the command died; the command was ended.
    """
    answer, complaints = bytearray(), bytearray()
    is_whole = True

    def keep(stream: Stream, data: bytes) -> None:
        nonlocal is_whole
        if stream is Stream.STDERR:
            complaints.extend(data)
            del complaints[:-MOST_BYTES]
            return
        if sink is not None:
            sink(data)
            return
        room = MOST_BYTES - len(answer)
        is_whole = is_whole and len(data) <= room
        answer.extend(data[:room])

    with get_launcher().start(command, marker=marker) as running:
        ended = running.pump(keep, deadline=deadline, interrupted=interrupted, poll_seconds=0.1)
    return Captured(ended, answer.decode(errors="replace"), complaints.decode(errors="replace"), is_whole)
