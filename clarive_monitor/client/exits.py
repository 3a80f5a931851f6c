"""How the client ends: numbers that a pipeline can branch on. They are part of the contract and never change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    JOB_ERROR = 1
    USAGE = 2
    REFUSED = 3
    NOT_FOUND = 4
    NOT_SIGNED_IN = 5
    UNREACHABLE = 6
    TIMED_OUT = 7
    JOB_STOPPED = 8
    INTERRUPTED = 130


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.OK: "Done; of a job that was waited for: it finished.",
    Exit.JOB_ERROR: "The job that was waited for ended in error.",
    Exit.USAGE: "The command, a file or a value is not usable (also what the server answers with 400).",
    Exit.REFUSED: "The server refused: not allowed (403), not now (409), the rule's CHECK failed (422).",
    Exit.NOT_FOUND: "There is no such job, rule or address, or you may not see it (404).",
    Exit.NOT_SIGNED_IN: "Not signed in, or the token is not valid any more (401).",
    Exit.UNREACHABLE: "The server cannot be reached, fails (5xx), has no worker, or is no Clarive server.",
    Exit.TIMED_OUT: "What was waited for did not come in time; the job goes on.",
    Exit.JOB_STOPPED: "The job was cancelled, rejected or expired, or its worker died (abend).",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C; what was asked for goes on at the server.",
}

ENDED: Final[Mapping[str, Exit]] = {
    "finished": Exit.OK,
    "error": Exit.JOB_ERROR,
    "rejected": Exit.JOB_STOPPED,
    "expired": Exit.JOB_STOPPED,
    "abend": Exit.JOB_STOPPED,
    "cancelled": Exit.JOB_STOPPED,
}
"""Statuses in which a job stands still, and how a command that waited for it ends."""

ACTIVE: Final = ("ready", "running", "pending_approval", "trapped", "trap_paused", "rollback")
STATUSES: Final = (*ACTIVE, *ENDED)


def has_ended(job: Mapping[str, Any]) -> bool:
    """Return whether a job, as the API shows it, stands still."""
    return job["status"] in ENDED


def exit_of(job: Mapping[str, Any]) -> Exit:
    """Return how a command ends that waited for this job to end."""
    return ENDED[job["status"]]


def exit_for_status(status: int) -> Exit:
    """Return how a command ends that was answered with this status of HTTP, 400 or more."""
    if status >= 500 or status == 429:
        return Exit.UNREACHABLE
    return {400: Exit.USAGE, 401: Exit.NOT_SIGNED_IN, 404: Exit.NOT_FOUND}.get(status, Exit.REFUSED)
