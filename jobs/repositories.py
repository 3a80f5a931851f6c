"""Git repositories of projects: refs resolved to commits, contents checked out.

Git itself does the work, in a hardened environment, as a command of the launcher: it ends with its worker, and with
its job when that is cancelled or taken over.

An address may hold a password, or the project names a secret. Git is told the address without it, and is lent it for the
commands that go there (``jobs.lending``), so that neither its messages nor its command lines nor what it stores can hold it.

Each machine keeps one bare mirror per repository under ``<home>/repositories``; a file lock keeps two processes from
fetching into it at once. Whoever gets the lock mends what a killed git left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jobs.addresses import Account, public_address
from jobs.git import Git, GitRunner, GitStopped, RepositoryError, Sink, UnknownRef
from jobs.lending import Credential
from jobs.mirror_files import lock, remove_left, unusable

__all__ = ["GitRunner", "GitStopped", "Held", "Repository", "RepositoryError", "UnknownRef", "public_address"]

_SHA: Final = re.compile(r"[0-9a-f]{40}")
_SHORT_SHA: Final = re.compile(r"[0-9a-f]{7,39}")
_REF: Final = re.compile(r"\w[\w./+@#-]*")
_SPACES: Final = ("refs/tags/", "refs/heads/", "refs/")
_LOCK_POLL_SECONDS: Final = 0.1
REFRESH_SECONDS: Final = 30.0
"""How long a repository may take to say what is new, for somebody who can do without."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and where its mirrors are kept.

    Attributes:
        address: Path or URL, as the project says; it may hold a password.
        mirrors: Folder of all mirrors on this machine.
        runner: For whom git runs.
        credential: What opens it, when the project names a secret.
    """

    address: str
    mirrors: Path
    runner: GitRunner = field(default_factory=GitRunner)
    credential: Credential | None = None

    @property
    def mirror(self) -> Path:
        """Where this machine's mirror is, or will be: what one project's secret opened is no other project's."""
        told = self.address if self.credential is None else f"{self.address}\0{self.credential.identity}"
        return self.mirrors / hashlib.sha256(told.encode()).hexdigest()[:24]

    @property
    def _fresh(self) -> Path:
        """Where a new one is made."""
        return self.mirror.with_suffix(".new")

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
        listing = git.abroad("ls-remote", "--", self.public, *names)
        found = {name: sha for sha, _, name in (line.partition("\t") for line in listing.splitlines())}
        for name in names:
            if name in found:
                return found[name]
        if _SHORT_SHA.fullmatch(ref):
            return self._resolve_commit(git, ref)
        raise UnknownRef(f"There is no tag, branch or commit {ref!r} in {self.public}.")

    def listing(self, *, seconds: float, most_bytes: int) -> tuple[dict[str, str], bool]:
        """Return what ``HEAD`` and each branch and tag name now, by whole name, and whether those are all; of a tag its commit.

        Args:
            seconds: How long it may take.
            most_bytes: So much of the repository's answer is read, and no more.

        Raises:
            RepositoryError: The repository cannot be read.
        """
        answer = bytearray()
        is_whole = True

        def keep(data: bytes) -> None:
            nonlocal is_whole
            room = most_bytes - len(answer)
            is_whole = is_whole and len(data) <= room
            answer.extend(data[:room])

        wanted = ("HEAD", "refs/heads/*", "refs/tags/*")
        self._git(seconds).abroad("ls-remote", "--", self.public, *wanted, sink=keep)
        lines = answer.decode(errors="replace").split("\n")[:-1]
        found = dict(line.partition("\t")[::-2] for line in lines)
        spaces = ("refs/heads/", "refs/tags/")
        names = [name for name in found if name == "HEAD" or name.startswith(spaces)]
        return {
            name: found.get(f"{name}^{{}}", found[name]) for name in names if not name.endswith("^{}")
        }, is_whole

    @contextlib.contextmanager
    def held(self, commits: Collection[str], *, seconds: float, current: bool = False) -> Iterator[Held]:
        """Hold this machine's mirror while it is read, brought up to date when one of ``commits`` is not in it.

        Args:
            commits: What is going to be read.
            seconds: How long all of it may take.
            current: Bring it up to date in any case, if that can be done: ``Held.outdated`` says why not.

        Raises:
            GitStopped: The time was over, or the runner asked to stop.
            RepositoryError: The repository cannot be read.
        """
        git = self._git(seconds)
        with self._locked(git):
            known, outdated = self._known(git, commits), ""
            if known != set(commits):
                self._fetch(git)
                known = self._known(git, commits)
            elif current:
                outdated = self._refresh(seconds)
            yield Held(self, git, known, outdated)

    def _refresh(self, seconds: float) -> str:
        """Bring a mirror that holds all that is needed up to date, and return why that cannot be done, if so.

        Raises:
            GitStopped: The runner asked to stop.
        """
        git = self._git(min(seconds, REFRESH_SECONDS))
        try:
            remove_left(self.mirror)
            self._fetch_into(git, self.mirror)
        except RepositoryError as error:
            if self.runner.interrupted():
                raise
            return str(error)
        except OSError as error:
            return str(unusable(error))
        return ""

    def _known(self, git: Git, commits: Collection[str]) -> frozenset[str]:
        """Return which of ``commits`` (whole numbers) are in the mirror."""
        if not (self.mirror / "HEAD").is_file():
            return frozenset()
        done = git.attempt(
            "--git-dir", str(self.mirror), "rev-list", "--no-walk", "--ignore-missing", *commits, "--"
        )
        return frozenset(done.stdout.split() if done.ended.returncode == 0 else ())

    def _git(self, seconds: float | None) -> Git:
        opens = self.credential.opens if self.credential else Account.of(self.address)
        if isinstance(opens, Account) and not opens.is_sayable():
            raise RepositoryError(
                "The user or the password in the repository's address holds a control character."
            )
        deadline = None if seconds is None else time.monotonic() + seconds
        lending = self.mirrors.with_name("lent")
        return Git(self.runner, opens, self.credential, lending, seconds, deadline)

    def _resolve_commit(self, git: Git, sha: str) -> str:
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

    def _clone(self, git: Git, sha: str, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            remove_left(directory / ".git")
        except OSError as error:
            raise RepositoryError(f"{directory} cannot be written: {error.strerror}.") from error
        git("init", "--quiet", str(directory))
        here = ("-C", str(directory))
        git(*here, "config", "remote.origin.url", self.public)
        fetch = (*here, "fetch", "--quiet", "--no-tags", "--update-shallow", str(self.mirror), sha)
        try:
            git(*fetch)
        except GitStopped:
            raise
        except RepositoryError:
            # What the mirror promised it does not hold: it was damaged, and is made anew.
            self._renew(git)
            git(*fetch)
        git(*here, "checkout", "--quiet", "--force", "--detach", sha)

    def _commit(self, git: Git, name: str) -> str | None:
        """Return the commit that the mirror knows under ``name``, ``None`` when there is none."""
        if not (self.mirror / "HEAD").is_file():
            return None
        done = git.attempt(
            "--git-dir", str(self.mirror), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"
        )
        return done.stdout.strip() if done.ended.returncode == 0 else None

    def _fetch(self, git: Git) -> None:
        """Bring the mirror up to date; one that cannot be, or is not there, is made anew."""
        # Half of a new one, as a git that was killed or cut leaves it.
        shutil.rmtree(self._fresh, ignore_errors=True)
        if (self.mirror / "HEAD").is_file():
            try:
                remove_left(self.mirror)
            except OSError as error:
                raise unusable(error) from error
            try:
                self._fetch_into(git, self.mirror)
            except GitStopped:
                raise
            except RepositoryError:
                self._renew(git)
        else:
            self._renew(git)

    def _renew(self, git: Git) -> None:
        """Make the mirror anew beside the old one, which goes only when the new one is whole."""
        fresh = self._fresh
        shutil.rmtree(fresh, ignore_errors=True)
        git("init", "--quiet", "--bare", str(fresh))
        git("--git-dir", str(fresh), "config", "uploadpack.allowAnySHA1InWant", "true")
        self._fetch_into(git, fresh)
        shutil.rmtree(self.mirror, ignore_errors=True)
        try:
            fresh.rename(self.mirror)
        except OSError as error:
            raise unusable(error) from error

    def _fetch_into(self, git: Git, mirror: Path) -> None:
        git.abroad(
            "--git-dir", str(mirror), "fetch", "--quiet", "--prune", "--force", "--update-shallow",
            "--no-write-fetch-head", "--", self.public, "+refs/*:refs/*",
        )  # fmt: skip

    @contextlib.contextmanager
    def _locked(self, git: Git) -> Iterator[None]:
        """Hold the lock of the mirror.

        Raises:
            GitStopped: There was no time left to wait for it.
            RepositoryError: This machine cannot keep the mirror, for example as its disk is full.
        """
        try:
            self.mirrors.mkdir(parents=True, exist_ok=True)
            file = self.mirror.with_suffix(".lock").open("w")
        except OSError as error:
            raise unusable(error) from error
        with file:
            while not lock(file):
                if git.is_late():
                    raise GitStopped(
                        "Another job is fetching from the repository, and there was no time left to wait."
                    )
                git.check()
                time.sleep(_LOCK_POLL_SECONDS)
            yield


@dataclass(frozen=True, slots=True)
class Held:
    """A mirror that nobody else changes, read by git; made by ``Repository.held``.

    Attributes:
        repository: Whose it is.
        git: For this use of it.
        known: Which of the commits that were asked for are in it.
        outdated: Why it could not be brought up to date, empty when it could or nobody asked for that.
    """

    repository: Repository
    git: Git
    known: frozenset[str]
    outdated: str = ""

    def __call__(self, *arguments: str, sink: Sink | None = None) -> str:
        """Run git in the mirror and return its answer, or hand it to ``sink`` piece by piece.

        Raises:
            RepositoryError: It refused.
        """
        return self.git("--git-dir", str(self.repository.mirror), *arguments, sink=sink)

    def commit(self, name: str) -> str | None:
        """Return the commit that the mirror knows under ``name``, which may be abbreviated; ``None`` when there is none."""
        return self.repository._commit(self.git, name)

    def refs(self, names: Collection[str]) -> dict[str, str]:
        """Return what those of ``names`` (whole ones, ``refs/…``) that the mirror has name; of a tag its commit.

        Raises:
            RepositoryError: The mirror cannot be read.
        """
        wanted = set(names)
        listing = self("for-each-ref", "--format=%(refname)%00%(objectname)%00%(*objectname)", *wanted)
        rows = [line.split("\0") for line in listing.splitlines()]
        # Git takes a name for a folder of names, too.
        return {name: commit or itself for name, itself, commit in rows if name in wanted}

    def is_left_behind(self, sha: str) -> bool:
        """Return whether nothing in the repository leads to the commit ``sha``, which the mirror still holds.

        Raises:
            RepositoryError: The mirror cannot be read.
        """
        return bool(self("rev-list", "--max-count=1", sha, "--not", "--all", "--"))

    def leads_to(self, sha: str, other: str) -> bool:
        """Return whether the commit ``other`` follows the commit ``sha``, or is the same; both are known.

        Raises:
            RepositoryError: The mirror cannot be read.
        """
        return self._answers("merge-base", "--is-ancestor", sha, other)[0]

    def fork_of(self, shas: Sequence[str]) -> str:
        """Return the commit from which all of ``shas`` went apart, empty when their histories have nothing in common.

        Raises:
            RepositoryError: The mirror cannot be read.
        """
        return self._answers("merge-base", "--octopus", *shas)[1].strip()

    def _answers(self, *arguments: str) -> tuple[bool, str]:
        """Run a command of git that says no with the return code 1."""
        done = self.git.attempt("--git-dir", str(self.repository.mirror), *arguments)
        if done.ended.returncode not in {0, 1}:
            raise RepositoryError(
                done.stderr.strip() or f"git ended with return code {done.ended.returncode}."
            )
        return done.ended.returncode == 0, done.stdout

    def present(self, shas: Collection[str]) -> frozenset[str]:
        """Return which of ``shas`` the mirror holds."""
        return self.repository._known(self.git, shas) if shas else frozenset()

    @property
    def is_shallow(self) -> bool:
        """Whether the repository has not all of its history."""
        return (self.repository.mirror / "shallow").is_file()

    def renew(self) -> None:
        """Make the mirror anew: it was damaged."""
        self.repository._renew(self.git)
