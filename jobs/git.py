"""Git as a command of the launcher, in a hardened environment: it ends with its worker, in time, and asks nobody."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobs.addresses import Account, public_text
from jobs.lending import Credential, Key, Lent, lent
from rules.processes.capturing import Captured, capture
from rules.processes.client import Command, CommandNotStarted, LauncherLost

Sink = Callable[[bytes], object]
"""Takes an answer of any length, piece by piece."""

_OPTIONS: Final = {
    # The mirror belongs to us even when the repository it copies belongs to somebody else.
    "safe.directory": "*",
    # Loose objects come one by one, so a killed fetch could leave a commit without its files; a pack comes whole.
    "fetch.unpackLimit": "1",
    # Whatever git leaves running behind itself would be ended with it, half done.
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
}


_OF_SSH: Final = ("ssh: ", "Host key verification failed")
_DENIED: Final = ": Permission denied ("


class RepositoryError(Exception):
    """Git refused; the message is for people."""


class UnknownRef(RepositoryError):
    """The repository has no such tag, branch or commit."""


class GitStopped(RepositoryError):
    """Git did not come to its end: it was asked to stop, or its time was over."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class GitRunner:
    """For whom git runs: what marks its processes, and what ends them.

    Attributes:
        marker: Of the runner, for finding processes that outlived it.
        interrupted: Asked again and again; once it is true git is stopped.
    """

    marker: str = ""
    interrupted: Callable[[], bool] = _never

    def run(self, command: Command, deadline: float | None, sink: Sink | None = None) -> Captured:
        """Run git; see ``capture``."""
        return capture(
            command, marker=self.marker, deadline=deadline, interrupted=self.interrupted, sink=sink
        )


@dataclass(frozen=True, slots=True)
class Git:
    """Git for one use of a repository, which may take until ``deadline`` in all.

    Attributes:
        runner: For whom it runs.
        opens: What opens the repository, ``None`` for nothing.
        credential: Where that is from, when a project names it.
        lending: Folder of what is lent to git.
        seconds: How long it may take in all.
        deadline: On the clock of ``time.monotonic``.
    """

    runner: GitRunner
    opens: Account | Key | None
    credential: Credential | None
    lending: Path
    seconds: float | None
    deadline: float | None

    def abroad(self, *arguments: str, sink: Sink | None = None) -> str:
        """Run git where it goes to the repository itself, with what opens it; see ``__call__``.

        Raises:
            RepositoryError: It refused, or was refused.
        """
        if self.credential is not None and self.credential.problem:
            raise RepositoryError(self.credential.problem)
        return self._answer(self.attempt(*arguments, sink=sink, opens=self.opens))

    def __call__(self, *arguments: str, sink: Sink | None = None) -> str:
        """Run git and return its answer, or hand it to ``sink`` piece by piece.

        Raises:
            RepositoryError: It refused.
        """
        return self._answer(self.attempt(*arguments, sink=sink))

    def _answer(self, done: Captured) -> str:
        if not done.is_whole:
            raise RepositoryError("The repository answers more than can be read.")
        if done.ended.returncode != 0:
            complaint = self._public(_complaint(done.stderr)) or _end_of(done)
            if self.credential is not None:
                complaint = self.credential.refused(complaint, done.stderr)
            raise RepositoryError(complaint)
        return done.stdout

    def attempt(
        self, *arguments: str, sink: Sink | None = None, opens: Account | Key | None = None
    ) -> Captured:
        """Run git and return how it ended, well or badly.

        Args:
            arguments: Of git.
            sink: See ``__call__``.
            opens: What it gets to open a repository with.

        Raises:
            GitStopped: It was stopped before.
            RepositoryError: It could not be run.
        """
        self.check()
        try:
            with contextlib.ExitStack() as stack:
                what = self._lent(opens, stack)
                command = Command(["git", *arguments], Path.cwd(), _environment(what))
                done = self.runner.run(command, self.deadline, sink)
        except CommandNotStarted as error:
            raise RepositoryError(f"git could not be started on the worker's machine: {error}") from error
        except LauncherLost as error:
            raise GitStopped(str(error)) from error
        if done.ended.timed_out:
            raise self._too_late()
        if done.ended.interrupted:
            raise GitStopped("git was stopped.")
        return done

    def _lent(self, opens: Account | Key | None, stack: contextlib.ExitStack) -> Lent:
        """Return what git is lent until ``stack`` ends.

        Raises:
            RepositoryError: This machine cannot keep it, for example as its disk is full.
        """
        try:
            return stack.enter_context(lent(opens, self.lending))
        except OSError as error:
            raise RepositoryError(f"This machine cannot lend git what opens it: {error.strerror}.") from error

    def check(self) -> None:
        """Do nothing while there is time and nobody asked to stop.

        Raises:
            GitStopped: Otherwise.
        """
        if self.runner.interrupted():
            raise GitStopped("git was stopped.")
        if self.is_late():
            raise self._too_late()

    def is_late(self) -> bool:
        """Return whether the time is over."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _public(self, text: str) -> str:
        """Return what git said without what a server may have made it repeat."""
        if isinstance(self.opens, Account) and self.opens.password:
            for form in self.opens.forms():
                text = text.replace(form, "***")
        return public_text(text)

    def _too_late(self) -> GitStopped:
        return GitStopped(f"git took longer than {self.seconds or 0.0:.0f} seconds.")


def _environment(what: Lent) -> dict[str, str]:
    """Return an environment in which git asks nobody and reads no one's configuration but the repository's."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK") if name in os.environ
    }
    options = {**_OPTIONS, **what.options}
    kept["GIT_CONFIG_COUNT"] = str(len(options))
    for number, (name, value) in enumerate(options.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        # What refs/replace of somebody's repository says would be shown instead of what is there.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        **what.variables,
    }


def _end_of(done: Captured) -> str:
    if done.ended.signal is not None:
        return f"git was ended by signal {done.ended.signal}."
    return f"git ended with return code {done.ended.returncode}."


def _complaint(said: str) -> str:
    """Return the sentence in git's words that says what is wrong; the lines after it are general advice."""
    lines = said.strip().splitlines()
    if "fatal: Could not read from remote repository." in lines:
        # That is what git knows; ssh has said why.
        lines = [line for line in lines if line.startswith(_OF_SSH) or _DENIED in line] or lines
    for line in lines:
        for prefix in ("fatal: ", "error: ", "remote: "):
            if line.startswith(prefix):
                return line.removeprefix(prefix)
    return lines[-1] if lines else ""
