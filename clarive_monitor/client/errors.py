"""What goes wrong, each with how the client ends then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clarive_monitor.client.exits import Exit, exit_for_status


class ClientError(Exception):
    """Ends the command. The message is for people; ``problem`` is for ``--json``."""

    exit = Exit.USAGE

    @property
    def problem(self) -> Mapping[str, Any]:
        """What programs are told instead of the message."""
        return {"code": type(self).__name__, "detail": str(self), "exit": int(self.exit)}


class BadUsage(ClientError):
    """The command cannot be understood, or a file not be read."""


class NotSignedIn(ClientError):
    """Nobody said where the server is, or who asks."""

    exit = Exit.NOT_SIGNED_IN


class NotFound(ClientError):
    """There is no such thing."""

    exit = Exit.NOT_FOUND


class Unreachable(ClientError):
    """No usable answer came. ``not_clarive`` says that something else is there: asking again is of no use."""

    exit = Exit.UNREACHABLE

    def __init__(self, message: str, *, not_clarive: bool = False) -> None:
        """Keep the message."""
        super().__init__(message)
        self.not_clarive = not_clarive


class TimedOut(ClientError):
    """What was waited for did not come in time."""

    exit = Exit.TIMED_OUT


class Refused(ClientError):
    """The server answered with problem details."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep both.

        Args:
            status: Of HTTP, 400 or more.
            problem: The body, as RFC 9457 has it.
        """
        super().__init__("\n".join(_lines(status, problem)))
        self.status = status
        self.exit = exit_for_status(status)
        self._problem = problem

    @property
    def code(self) -> str:
        """The stable name of the kind of problem."""
        return str(self._problem.get("code", ""))

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem details as the server sent them."""
        return self._problem


def _lines(status: int, problem: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sentence of a problem, and a line for each mistake that it names."""
    yield str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
    for error in problem.get("errors") or ():
        yield f"  {_place(error)}: {error.get('message', '')} {error.get('hint') or ''}".rstrip()
    for job in problem.get("jobs") or ():
        yield f"  {job.get('name')} (job {job.get('id')})"
    if isinstance(job := problem.get("job"), Mapping):
        yield f"  It is {job.get('name')} (job {job.get('id')})."
    if status == 401:
        yield "Sign in with: clarive login URL"


def _place(error: Mapping[str, Any]) -> str:
    """Return where a mistake is: the line of a document, or the name of a field."""
    if (line := error.get("line")) is None:
        return str(error.get("field", "body"))
    column = f":{error['column']}" if error.get("column") else ""
    return f"{error.get('document') or 'line '}{':' if error.get('document') else ''}{line}{column}"
