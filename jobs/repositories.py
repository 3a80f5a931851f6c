"""Git repositories of projects: refs resolved to commits, contents checked out.

Git itself does the work, in a hardened environment, as a command of the launcher: it ends with its worker, and with
its job when that is cancelled or taken over.

An address may hold a password. Git is told the address without it, and asks for it through its environment, so that
neither its messages nor its command lines nor what it stores can hold it.

Each machine keeps one bare mirror per repository under ``<home>/repositories``; a file lock keeps two processes from
fetching into it at once. Whoever gets the lock mends what a killed git left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from jobs.addresses import Account, public_address, public_text
from rules.processes.capturing import Captured, capture
from rules.processes.client import Command, CommandNotStarted, LauncherLost

__all__ = ["GitRunner", "GitStopped", "Repository", "RepositoryError", "UnknownRef", "public_address"]

_SHA: Final = re.compile(r"[0-9a-f]{40}")
_SHORT_SHA: Final = re.compile(r"[0-9a-f]{7,39}")
_REF: Final = re.compile(r"\w[\w./+@#-]*")
_SPACES: Final = ("refs/tags/", "refs/heads/", "refs/")
_LOCK_POLL_SECONDS: Final = 0.1
_ANSWER: Final = (
    '!f() { test "$1" = get || return 0; '
    'printf "username=%s\\npassword=%s\\n" "$CLARIVE_GIT_USER" "$CLARIVE_GIT_PASSWORD"; }; f'
)
"""A credential helper of git: the user and password are in the environment, which only their own user can read."""
_OPTIONS: Final = {
    # The mirror belongs to us even when the repository it copies belongs to somebody else.
    "safe.directory": "*",
    # Loose objects come one by one, so a killed fetch could leave a commit without its files; a pack comes whole.
    "fetch.unpackLimit": "1",
    # Whatever git leaves running behind itself would be ended with it, half done.
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
}


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

    def run(self, command: Command, deadline: float | None) -> Captured:
        """Run git; see ``capture``."""
        return capture(command, marker=self.marker, deadline=deadline, interrupted=self.interrupted)


@dataclass(frozen=True, slots=True)
class _Git:
    """Git for one use of a repository, which may take until ``deadline`` in all."""

    runner: GitRunner
    account: Account | None
    seconds: float | None
    deadline: float | None

    @classmethod
    def within(cls, seconds: float | None, runner: GitRunner, account: Account | None) -> _Git:
        """Return git that may take ``seconds`` from now."""
        return cls(runner, account, seconds, None if seconds is None else time.monotonic() + seconds)

    def __call__(self, *arguments: str) -> str:
        """Run git and return its answer.

        Raises:
            RepositoryError: It refused.
        """
        done = self.attempt(*arguments)
        if not done.is_whole:
            raise RepositoryError("The repository answers more than can be read.")
        if done.ended.returncode != 0:
            raise RepositoryError(self._public(_complaint(done.stderr)) or _end_of(done))
        return done.stdout

    def attempt(self, *arguments: str) -> Captured:
        """Run git and return how it ended, well or badly.

        Raises:
            GitStopped: It was stopped before.
            RepositoryError: It could not be run.
        """
        self.check()
        try:
            done = self.runner.run(
                Command(["git", *arguments], Path.cwd(), _environment(self.account)), self.deadline
            )
        except CommandNotStarted as error:
            raise RepositoryError(f"git could not be started on the worker's machine: {error}") from error
        except LauncherLost as error:
            raise GitStopped(str(error)) from error
        if done.ended.timed_out:
            raise self._too_late()
        if done.ended.interrupted:
            raise GitStopped("git was stopped.")
        return done

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
        if self.account is not None and self.account.password:
            text = text.replace(self.account.password, "***")
        return public_text(text)

    def _too_late(self) -> GitStopped:
        return GitStopped(f"git took longer than {self.seconds or 0.0:.0f} seconds.")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and where its mirrors are kept.

    Attributes:
        address: Path or URL, as the project says; it may hold a password.
        mirrors: Folder of all mirrors on this machine.
        runner: For whom git runs.
    """

    address: str
    mirrors: Path
    runner: GitRunner = field(default_factory=GitRunner)

    @property
    def mirror(self) -> Path:
        """Where this machine's mirror is, or will be."""
        return self.mirrors / hashlib.sha256(self.address.encode()).hexdigest()[:24]

    @property
    def public(self) -> str:
        """The address that people and git get."""
        return public_address(self.address)

    def resolve(self, ref: str, *, seconds: float) -> str:
        """Return the commit that ``ref`` (tag, branch or 40 hex digits) names now.

        Raises:
            UnknownRef: There is no such ref.
            RepositoryError: The repository cannot be read.
        """
        if _REF.fullmatch(ref) is None or ".." in ref:
            raise UnknownRef(f"{ref!r} is not the name of a tag, branch or commit.")
        git = self._git(seconds)
        if _SHA.fullmatch(ref):
            return self._resolve_commit(git, ref)
        whole = ref == "HEAD" or ref.startswith("refs/")
        # What an annotated tag points at comes before the tag itself.
        names = [
            name
            for full in ([ref] if whole else [space + ref for space in _SPACES])
            for name in (f"{full}^{{}}", full)
        ]
        listing = git("ls-remote", "--", self.public, *names)
        found = {name: sha for sha, _, name in (line.partition("\t") for line in listing.splitlines())}
        for name in names:
            if name in found:
                return found[name]
        if _SHORT_SHA.fullmatch(ref):
            return self._resolve_commit(git, ref)
        raise UnknownRef(f"There is no tag, branch or commit {ref!r} in {self.public}.")

    def _git(self, seconds: float | None) -> _Git:
        account = Account.of(self.address)
        if account is not None and not account.is_sayable():
            raise RepositoryError(
                "The user or the password in the repository's address holds a control character."
            )
        return _Git.within(seconds, self.runner, account)

    def _resolve_commit(self, git: _Git, sha: str) -> str:
        """Return the whole number of a commit that may be abbreviated; an ambiguous one is unknown."""
        with self._locked(git):
            found = self._commit(git, sha)
            if found is None:
                self._fetch(git)
                found = self._commit(git, sha)
        if found is None:
            raise UnknownRef(f"There is no tag, branch or commit {sha!r} in {self.public}.")
        return found

    def checkout(self, sha: str, directory: Path, *, seconds: float | None) -> None:
        """Make ``directory`` a working tree of ``sha``; a working tree that is there already is moved to it.

        Raises:
            GitStopped: The time was over, or the runner asked to stop.
            RepositoryError: The commit is not there, or the directory holds something else.
        """
        git = self._git(seconds)
        with self._locked(git):
            if self._commit(git, sha) is None:
                self._fetch(git)
            if self._commit(git, sha) is None:
                raise UnknownRef(f"The commit {sha} is no longer in {self.public}.")
            self._clone(git, sha, directory)

    def _clone(self, git: _Git, sha: str, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_locks(directory / ".git")
        git("init", "--quiet", str(directory))
        here = ("-C", str(directory))
        git(*here, "config", "remote.origin.url", self.public)
        fetch = (*here, "fetch", "--quiet", "--no-tags", str(self.mirror), sha)
        try:
            git(*fetch)
        except GitStopped:
            raise
        except RepositoryError:
            # What the mirror promised it does not hold: it was damaged, and is made anew.
            self._renew(git)
            git(*fetch)
        git(*here, "checkout", "--quiet", "--force", "--detach", sha)

    def _commit(self, git: _Git, name: str) -> str | None:
        """Return the commit that the mirror knows under ``name``, ``None`` when there is none."""
        if not (self.mirror / "HEAD").is_file():
            return None
        done = git.attempt(
            "--git-dir", str(self.mirror), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"
        )
        return done.stdout.strip() if done.ended.returncode == 0 else None

    def _fetch(self, git: _Git) -> None:
        """Bring the mirror up to date; one that cannot be, or is not there, is made anew."""
        if (self.mirror / "HEAD").is_file():
            _remove_locks(self.mirror)
            try:
                self._fetch_into(git, self.mirror)
            except GitStopped:
                raise
            except RepositoryError:
                self._renew(git)
        else:
            self._renew(git)

    def _renew(self, git: _Git) -> None:
        """Make the mirror anew beside the old one, which goes only when the new one is whole."""
        fresh = self.mirror.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        git("init", "--quiet", "--bare", str(fresh))
        git("--git-dir", str(fresh), "config", "uploadpack.allowAnySHA1InWant", "true")
        self._fetch_into(git, fresh)
        shutil.rmtree(self.mirror, ignore_errors=True)
        fresh.rename(self.mirror)

    def _fetch_into(self, git: _Git, mirror: Path) -> None:
        git(
            "--git-dir", str(mirror), "fetch", "--quiet", "--prune", "--force", "--no-write-fetch-head", "--",
            self.public, "+refs/*:refs/*",
        )  # fmt: skip

    @contextlib.contextmanager
    def _locked(self, git: _Git) -> Iterator[None]:
        self.mirrors.mkdir(parents=True, exist_ok=True)
        with self.mirror.with_suffix(".lock").open("w") as file:
            while not _lock(file):
                if git.is_late():
                    raise GitStopped(
                        "Another job is fetching from the repository, and there was no time left to wait."
                    )
                git.check()
                time.sleep(_LOCK_POLL_SECONDS)
            yield


def _lock(file: IO[str]) -> bool:
    """Take the lock on ``file`` until it is closed; return whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_locks(repository: Path) -> None:
    """Remove the locks of a git that was killed here; nobody else's can be there, as we hold ours."""
    for lock in repository.rglob("*.lock"):
        lock.unlink(missing_ok=True)


def _environment(account: Account | None) -> dict[str, str]:
    """Return an environment in which git asks nobody and reads no one's configuration but the repository's."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK") if name in os.environ
    }
    options = dict(_OPTIONS)
    if account is not None:
        # Only for this host: a server that sends git elsewhere does not learn it.
        options[f"credential.{account.place}.helper"] = _ANSWER
        kept |= {"CLARIVE_GIT_USER": account.user, "CLARIVE_GIT_PASSWORD": account.password}
    kept["GIT_CONFIG_COUNT"] = str(len(options))
    for number, (name, value) in enumerate(options.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    }


def _end_of(done: Captured) -> str:
    if done.ended.signal is not None:
        return f"git was ended by signal {done.ended.signal}."
    return f"git ended with return code {done.ended.returncode}."


def _complaint(said: str) -> str:
    """Return the sentence in git's words that says what is wrong; the lines after it are general advice."""
    lines = said.strip().splitlines()
    for line in lines:
        for prefix in ("fatal: ", "error: ", "remote: "):
            if line.startswith(prefix):
                return line.removeprefix(prefix)
    return lines[-1] if lines else ""
