"""Git repositories of projects: refs resolved to commits, contents checked out.

Git itself does the work, in a hardened environment.

Each machine keeps one bare mirror per repository under ``<home>/repositories``; a file lock keeps two
processes from fetching into it at
once, and a fetch that was killed is simply done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHA: Final = re.compile(r"[0-9a-f]{40}")
_SHORT_SHA: Final = re.compile(r"[0-9a-f]{7,39}")
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@#-]*")
_SPACES: Final = ("refs/tags/", "refs/heads/", "refs/")


class RepositoryError(Exception):
    """Git refused; the message is for people."""


class UnknownRef(RepositoryError):
    """The repository has no such tag, branch or commit."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and where its mirrors are kept.

    Attributes:
        address: Path or URL, as the project says.
        mirrors: Folder of all mirrors on this machine.
    """

    address: str
    mirrors: Path

    @property
    def mirror(self) -> Path:
        """Where this machine's mirror is, or will be."""
        return self.mirrors / hashlib.sha256(self.address.encode()).hexdigest()[:24]

    def resolve(self, ref: str, *, seconds: float) -> str:
        """Return the commit that ``ref`` (tag, branch or 40 hex digits) names now.

        Raises:
            UnknownRef: There is no such ref.
            RepositoryError: The repository cannot be read.
        """
        if _REF.fullmatch(ref) is None or ".." in ref:
            raise UnknownRef(f"{ref!r} is not the name of a tag, branch or commit.")
        if _SHA.fullmatch(ref):
            return self._resolve_commit(ref, seconds)
        patterns = [pattern for space in _SPACES for pattern in (space + ref, f"{space}{ref}^{{}}")]
        listing = _git(["ls-remote", "--", self.address, *patterns], seconds)
        found = {name: sha for sha, _, name in (line.partition("\t") for line in listing.splitlines())}
        for space in _SPACES:
            for name in (f"{space}{ref}^{{}}", space + ref):
                if name in found:
                    return found[name]
        if _SHORT_SHA.fullmatch(ref):
            return self._resolve_commit(ref, seconds)
        raise UnknownRef(f"There is no tag, branch or commit {ref!r} in {self.address}.")

    def _resolve_commit(self, sha: str, seconds: float) -> str:
        """Return the whole number of a commit that may be abbreviated; an ambiguous one is unknown."""
        with self._locked():
            found = self._commit(sha)
            if found is None:
                self._fetch(seconds)
                found = self._commit(sha)
        if found is None:
            raise UnknownRef(f"There is no tag, branch or commit {sha!r} in {self.address}.")
        return found

    def checkout(self, sha: str, directory: Path, *, seconds: float | None) -> None:
        """Make ``directory`` a working tree of ``sha``; a working tree that is there already is moved to it.

        Raises:
            RepositoryError: The commit is not there, or the directory holds something else.
        """
        with self._locked():
            if self._commit(sha) is None:
                self._fetch(seconds)
            if self._commit(sha) is None:
                raise UnknownRef(f"The commit {sha} is no longer in {self.address}.")
            self._clone(sha, directory, seconds)

    def _clone(self, sha: str, directory: Path, seconds: float | None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / ".git").exists():
            _git(["init", "--quiet", str(directory)], seconds)
            _git(["-C", str(directory), "remote", "add", "origin", self.address], seconds)
        _git(["-C", str(directory), "fetch", "--quiet", "--no-tags", str(self.mirror), sha], seconds)
        _git(["-C", str(directory), "checkout", "--quiet", "--force", "--detach", sha], seconds)

    def _commit(self, name: str) -> str | None:
        """Return the commit that the mirror knows under ``name``, ``None`` when there is none."""
        if not self.mirror.is_dir():
            return None
        done = _run(
            ["--git-dir", str(self.mirror), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], None
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def _fetch(self, seconds: float | None) -> None:
        if not (self.mirror / "HEAD").is_file():
            fresh = Path(tempfile.mkdtemp(dir=self.mirrors))
            _git(["init", "--quiet", "--bare", str(fresh)], seconds)
            _git(["--git-dir", str(fresh), "config", "uploadpack.allowAnySHA1InWant", "true"], seconds)
            shutil.rmtree(self.mirror, ignore_errors=True)
            fresh.rename(self.mirror)
        _git(
            [
                "--git-dir",
                str(self.mirror),
                "fetch",
                "--quiet",
                "--prune",
                "--force",
                "--",
                self.address,
                "+refs/*:refs/*",
            ],
            seconds,
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.mirrors.mkdir(parents=True, exist_ok=True)
        with self.mirror.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _environment() -> dict[str, str]:
    """Return an environment in which git asks nobody and reads no one's configuration but the repository's."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK") if name in os.environ
    }
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        # The mirror belongs to us even when the repository it copies belongs to somebody else.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def _run(arguments: list[str], seconds: float | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"git {arguments[0]} took longer than {seconds:.0f} seconds.") from error
    except FileNotFoundError as error:
        raise RepositoryError("git is not installed on the worker's machine.") from error


def _git(arguments: list[str], seconds: float | None) -> str:
    done = _run(arguments, seconds)
    if done.returncode != 0:
        raise RepositoryError(_complaint(done.stderr) or f"git ended with return code {done.returncode}.")
    return done.stdout


def _complaint(said: str) -> str:
    """Return the sentence in git's words that says what is wrong; the lines after it are general advice."""
    lines = said.strip().splitlines()
    for line in lines:
        for prefix in ("fatal: ", "error: ", "remote: "):
            if line.startswith(prefix):
                return line.removeprefix(prefix)
    return lines[-1] if lines else ""
