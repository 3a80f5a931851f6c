"""What a person may choose of a project's repository: tags, branches and commits, within bounds of time and size.

The repository itself says what its refs name, and that is kept for a moment; what commits are called is read from this machine's
mirror. A repository that is slow or away costs its asker a few seconds once, and nobody else anything: so few are asked at the
same time, and a mirror that could not be brought up to date in time is not tried again for a while.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jobs.contents import history
from jobs.contents.history import Commit, Commits
from jobs.repositories import GitStopped, Held, Repository, RepositoryError, UnknownRef

LOOK_SECONDS: Final = 4.0
"""How long one look may take in all."""
MOST_OF_EACH: Final = 12
"""So many tags, branches and commits are offered at once."""
MOST_BYTES: Final = 8 << 20
"""So much is read of what a repository says of its refs: some hundred thousand."""

_KEPT_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 300.0
_AT_ONCE: Final = 4
_MOST_KEPT: Final = 64
_LONGEST_TEXT: Final = 200
_SHA: Final = re.compile(r"[0-9a-f]{40}")
_SHORT: Final = re.compile(r"[0-9a-f]{4,40}")
_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Refs:
    """What a repository says that its refs name.

    Attributes:
        head: Commit of the default branch, empty when there is none.
        tags: Commits by short name.
        branches: Likewise.
        are_all: The repository has no more of them.
    """

    head: str
    tags: Mapping[str, str]
    branches: Mapping[str, str]
    are_all: bool

    def commit_of(self, ref: str) -> str:
        """Return the commit that ``ref`` names, empty when these refs do not say."""
        short = ref.removeprefix("refs/tags/").removeprefix("refs/heads/")
        known = self.tags.get(short) or self.branches.get(short) or (self.head if ref == "HEAD" else "")
        return known or (ref if _SHA.fullmatch(ref) else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose.

    Attributes:
        ref: What the job would name it: a tag, a branch, or a whole commit.
        kind: ``tag``, ``branch`` or ``commit``.
        sha: Its commit.
        commit: What the commit is called, ``None`` where that is not known here.
    """

    ref: str
    kind: str
    sha: str
    commit: Commit | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to choose.

    Attributes:
        choices: Tags, then branches, then commits.
        more: Kinds of which there are more than are offered.
        are_commits_known: What commits are called could be read.
    """

    choices: tuple[Choice, ...] = ()
    more: frozenset[str] = frozenset()
    are_commits_known: bool = True

    def of(self, kind: str) -> tuple[Choice, ...]:
        """Return those of one kind."""
        return tuple(choice for choice in self.choices if choice.kind == kind)


class TooManyLook(RepositoryError):
    """As many repositories as may be are being asked already."""


_looking: Final = threading.BoundedSemaphore(_AT_ONCE)
_lock: Final = threading.Lock()
_kept: Final[dict[str, tuple[float, Refs | RepositoryError]]] = {}
_paused: Final[dict[str, tuple[float, str]]] = {}
"""Until when a repository is let alone, and why."""


def _key(repository: Repository) -> str:
    """Return what answers are kept by: what one project's secret opened is no other project's."""
    return repository.mirror.name


def refs_of(repository: Repository, *, seconds: float = LOOK_SECONDS) -> Refs:
    """Return what the repository's refs name now, or did a moment ago.

    Raises:
        RepositoryError: It cannot be read, or could not a moment ago.
    """
    if repository.credential is not None and repository.credential.problem:
        raise RepositoryError(repository.credential.problem)
    now = time.monotonic()
    with _lock:
        until, known = _kept.get(_key(repository), (0.0, None))
    if known is None or until < now:
        known = _asked(repository, seconds)
    if isinstance(known, RepositoryError):
        # Anew: one that is kept would take the places where it was raised along, of all who asked.
        raise type(known)(*known.args)
    return known


def _asked(repository: Repository, seconds: float) -> Refs | RepositoryError:
    """Ask the repository, and keep the answer for a moment.

    Raises:
        TooManyLook: Others are asking.
    """
    if not _looking.acquire(blocking=False):
        raise TooManyLook("Too many repositories are being looked at right now; try again.")
    try:
        names, is_whole = repository.listing(seconds=seconds, most_bytes=MOST_BYTES)
        found: Refs | RepositoryError = Refs(
            names.get("HEAD", ""), _below(names, "refs/tags/"), _below(names, "refs/heads/"), is_whole
        )
    except RepositoryError as error:
        found = error
    finally:
        _looking.release()
    with _lock:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[_key(repository)] = (time.monotonic() + _KEPT_SECONDS, found)
    return found


def _below(names: Mapping[str, str], space: str) -> dict[str, str]:
    return {name.removeprefix(space): sha for name, sha in names.items() if name.startswith(space)}


def offer(repository: Repository, text: str) -> Offer:
    """Return what there is to choose for what somebody has typed; for nothing the newest tags, the branches, the last commits.

    Raises:
        RepositoryError: The repository cannot be read.
    """
    until = history.deadline(LOOK_SECONDS)
    text = " ".join(text.replace("\0", " ").split())[:_LONGEST_TEXT]
    refs = refs_of(repository)
    tags = _matching(sorted(refs.tags, key=_natural, reverse=True), text)
    branches = _matching(
        sorted(refs.branches, key=lambda name: (refs.branches[name] != refs.head, name)), text
    )
    chosen = [
        *(Choice(name, "tag", refs.tags[name]) for name in tags[:MOST_OF_EACH]),
        *(Choice(name, "branch", refs.branches[name]) for name in branches[:MOST_OF_EACH]),
    ]
    more = {kind for kind, found in (("tag", tags), ("branch", branches)) if len(found) > MOST_OF_EACH}
    try:
        wanted = [sha for sha in (refs.head, *(each.sha for each in chosen)) if sha]
        with _Mirror(repository, wanted, history.left(until)) as mirror:
            named = {commit.sha: commit for commit in _named(mirror, {each.sha for each in chosen})}
            commits = _commits(mirror, refs, text)
    except RepositoryError:
        # Names alone are worth something: who knows what they want finds it.
        return Offer(tuple(chosen), frozenset(more), are_commits_known=False)
    if len(commits) > MOST_OF_EACH:
        more.add("commit")
    described = [Choice(each.ref, each.kind, each.sha, named.get(each.sha)) for each in chosen]
    described += [Choice(each.sha, "commit", each.sha, each) for each in commits[:MOST_OF_EACH]]
    return Offer(tuple(described), frozenset(more))


class _Mirror:
    """Holds a mirror; one that could not be brought up to date in time is left as it is for a while.

    Attributes:
        paused_for: Why it could not be brought up to date a moment ago, empty when that is tried.
    """

    def __init__(
        self, repository: Repository, wanted: Sequence[str], seconds: float, *, current: bool = False
    ) -> None:
        self._address = _key(repository)
        until, reason = _paused.get(self._address, (0.0, ""))
        self.paused_for = reason if until > time.monotonic() else ""
        commits = [] if self.paused_for else list(dict.fromkeys(wanted))
        is_current = current and not self.paused_for
        self._held = repository.held(commits, seconds=seconds, current=is_current)

    def __enter__(self) -> Held:
        if not _looking.acquire(blocking=False):
            raise TooManyLook("Too many repositories are being looked at right now; try again.")
        try:
            held = self._held.__enter__()
        except BaseException as error:
            _looking.release()
            if isinstance(error, RepositoryError):
                self._pause(error)
            raise
        if held.outdated:
            self._pause(RepositoryError(held.outdated))
        return held

    def _pause(self, error: RepositoryError) -> None:
        if len(_paused) >= _MOST_KEPT:
            _paused.clear()
        # One that is slow costs its asker much, one that refuses at once next to nothing.
        seconds = _PAUSE_SECONDS if isinstance(error, GitStopped) else _KEPT_SECONDS
        _paused[self._address] = time.monotonic() + seconds, str(error)

    def __exit__(self, *error: object) -> None:
        try:
            self._held.__exit__(*error)  # type: ignore[arg-type]
        finally:
            _looking.release()


def _named(mirror: Held, shas: Iterable[str]) -> tuple[Commit, ...]:
    wanted = sorted(shas)
    return history.log(mirror, "--no-walk=unsorted", "--ignore-missing", *wanted) if wanted else ()


def _commits(mirror: Held, refs: Refs, text: str) -> tuple[Commit, ...]:
    """Return commits by number or subject; for an empty text the last ones of the default branch."""
    most = f"--max-count={MOST_OF_EACH + 1}"
    if not text:
        known = mirror.commit(refs.head) if refs.head else None
        return history.log(mirror, most, known) if known else ()
    if _SHORT.fullmatch(text.lower()) and (known := mirror.commit(text.lower())):
        return history.log(mirror, "--no-walk=unsorted", known)
    return history.log(
        mirror, most, "--regexp-ignore-case", "--fixed-strings", f"--grep={text}", "--branches"
    )


def _matching(names: Iterable[str], text: str) -> list[str]:
    """Return the names that hold ``text``, those that begin with it first."""
    wanted = text.casefold()
    found = [name for name in names if wanted in name.casefold()]
    return sorted(found, key=lambda name: not name.casefold().startswith(wanted))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return what sorts ``v1.10`` after ``v1.9``, and ``v1.0-rc1`` before ``v1.0``."""
    final = [(2, 0, "")] if "-" not in name else []
    parts = _DIGITS.split(name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part] + final


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two sets of revisions are apart.

    Attributes:
        ahead: Commits that the first have and the second lack; ``None`` when that cannot be known.
        behind: The other way round; ``None`` likewise.
        gone: A commit of one of them that is not, or no longer, known; empty when there is none.
        left_behind: One that is no longer in the repository, of which this machine has a copy; or empty.
        is_shallow: The repository has not all of its history, so commits may be missing.
        outdated: Why it is not known what the repository has now; empty when it is.
    """

    ahead: Commits | None
    behind: Commits | None
    gone: str = ""
    left_behind: str = ""
    is_shallow: bool = False
    outdated: str = ""


def apart(
    repository: Repository,
    first: Sequence[str],
    second: Sequence[str],
    *,
    most: int,
    seconds: float | None = None,
    current: bool = True,
) -> Apart:
    """Return how far two sets of commits are apart; of an empty one all history counts as lacking.

    Args:
        repository: Of the project.
        first: Commits, one at least of these or of ``second``.
        second: Likewise.
        most: So many are listed on each side.
        seconds: How long it may take; ``None`` for ``LOOK_SECONDS``.
        current: Bring this machine's mirror up to date also when it has the commits: its history may be another one by now.

    Raises:
        RepositoryError: The repository cannot be read, or not in time, or could not a moment ago.
    """
    shas = [*first, *second]
    looked = _Mirror(repository, shas, LOOK_SECONDS if seconds is None else seconds, current=current)
    with looked as mirror:
        gone = next((sha for sha in shas if mirror.commit(sha) is None), "")
        if gone and looked.paused_for:
            raise RepositoryError(looked.paused_for)
        if gone:
            nothing = Commits()
            return Apart(
                None if first else nothing, None if second else nothing, gone, is_shallow=mirror.is_shallow
            )
        return Apart(
            history.commits(mirror, first, second, most) if first else Commits(),
            history.commits(mirror, second, first, most) if second else Commits(),
            left_behind=next((sha for sha in shas if mirror.is_left_behind(sha)), ""),
            is_shallow=mirror.is_shallow,
            outdated=looked.paused_for or mirror.outdated,
        )


def commits_of(
    repository: Repository, refs: Sequence[str], *, seconds: float = LOOK_SECONDS
) -> dict[str, str]:
    """Return the commits that ``refs`` name, by ref; of an unknown one an empty text.

    Raises:
        RepositoryError: The repository cannot be read.
    """
    known = refs_of(repository, seconds=seconds)
    found = {}
    for ref in refs:
        found[ref] = known.commit_of(ref)
        if not found[ref] and (not known.are_all or _SHORT.fullmatch(ref)):
            try:
                found[ref] = repository.resolve(ref, seconds=seconds)
            except UnknownRef:
                found[ref] = ""
    return found
