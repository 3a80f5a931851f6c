"""What can go wrong with running a command."""

from __future__ import annotations

from rules.exceptions import RuleError


class ProcessError(RuleError):
    """Root of the errors of this package."""

    code = "process_error"


class CommandNotStarted(ProcessError):
    """The command could not be started at all; the message says why in words for the job's log."""

    code = "command_not_started"


class LauncherLost(ProcessError):
    """The launcher or the keeper of the command died. Its processes were ended; its result is not known."""

    code = "launcher_lost"
