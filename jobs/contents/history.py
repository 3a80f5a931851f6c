"""What lies between two revisions of a repository, read from this machine's mirror by git's plumbing. Pure.

A diff is one of trees, so it is right whichever way the history goes, and also when the repository has left one of the two
behind, which is said. Where one of the two is not known nothing is guessed: then all files count as changed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from jobs.repositories import GitStopped, Held, Repository, RepositoryError, UnknownRef

MOST_COMMITS: Final = 1000

_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git knows it without having it."""

Revision = tuple[str, str]
"""Ref and commit."""

_FORMAT: Final = "--format=%H%x00%an%x00%aI%x00%s"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; ``at`` is its author's date in UTC, ``None`` for one that is none."""

    sha: str
    author: str
    at: datetime | None
    subject: str


@dataclass(frozen=True, slots=True)
class Commits:
    """Commits, the newest first, and how many there are beyond the ``MOST_COMMITS`` that are listed."""

    listed: tuple[Commit, ...] = ()
    more: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.listed) + self.more


@dataclass(frozen=True, slots=True)
class Moved:
    """A tag that names another commit than it did, or a ref that is gone (``now`` is empty)."""

    ref: str
    pinned: str
    now: str


class Relatives(NamedTuple):
    """Which of some commits lead to one, and which follow it; those that are in neither went apart, or are not known."""

    follows: tuple[str, ...] = ()
    precedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What revisions bring to where another one is.

    Attributes:
        paths: Changed paths, or all of them; bytes that are no UTF-8 are surrogates.
        are_all: They are all files of the revisions.
        brought: Commits of the revisions that are not there; ``None`` when that cannot be known.
        lacking: Commits that are there and not in the revisions; ``None`` likewise.
        gone: A commit that is there and is not, or no longer, known; empty when there is none.
        is_shallow: The repository has not all of its history, so commits may be missing.
        left_behind: A commit that is there and no longer in the repository, of which this machine has a copy; or empty.
        moved: Refs of the revisions that name something else now, or are gone.
        outdated: Why it is not known what the repository has now; empty when it is.
        relatives: By commit of the revisions, its place among others that were asked about.
    """

    paths: frozenset[str]
    are_all: bool
    brought: Commits | None
    lacking: Commits | None
    gone: str = ""
    is_shallow: bool = False
    left_behind: str = ""
    moved: tuple[Moved, ...] = ()
    outdated: str = ""
    relatives: Mapping[str, Relatives] = field(default_factory=dict)

    @property
    def is_base_gone(self) -> bool:
        """Whether something that is there is not known any more."""
        return bool(self.gone)


def _moved(mirror: Held, revisions: Sequence[Revision]) -> Iterator[Moved]:
    """Yield what of the refs of ``revisions`` are tags that name something else now, or are gone.

    Branches move, which is what they are for.
    """
    wanted = [(ref, sha) for ref, sha in revisions if _is_name(ref, sha)]
    now = mirror.refs([name for ref, _sha in wanted for name in _names(ref)]) if wanted else {}
    for ref, sha in wanted:
        known = next((name for name in _names(ref) if name in now), "")
        if known.startswith("refs/tags/") and now[known] != sha:
            yield Moved(ref, sha, now[known])
        elif not known:
            yield Moved(ref, sha, "")


def _is_name(ref: str, sha: str) -> bool:
    """Return whether ``ref`` is the name of something that may name something else one day."""
    return ref != "HEAD" and not sha.startswith(ref)


def _names(ref: str) -> tuple[str, ...]:
    """Return what ``ref`` may stand for, in the order in which it was resolved."""
    return (ref,) if ref.startswith("refs/") else (f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/{ref}")


def read(
    repository: Repository,
    bases: Sequence[str],
    revisions: Sequence[Revision],
    *,
    seconds: float,
    others: Collection[str] = (),
) -> History:
    """Return what the revisions have that ``bases`` have not.

    The repository is asked what it has now whenever something may have changed: a ref, or the history of what is there. When it
    does not answer, and all that is needed is known, that is said and no error.

    Args:
        repository: Of the project.
        bases: The commits that are there, none when nothing is.
        revisions: At least one, each the ref that it was asked for by, and its commit.
        seconds: How long all of it may take.
        others: Commits among which the revisions have their place; those that are not known are left out.

    Raises:
        UnknownRef: The commit of a revision is no longer in the repository.
        GitStopped: The time was over, or the runner asked to stop.
        RepositoryError: The repository cannot be read.
    """
    shas = [sha for _ref, sha in revisions]
    may_change = bool(bases) or any(_is_name(*revision) for revision in revisions)
    with repository.held([*shas, *bases], seconds=seconds, current=may_change) as mirror:
        for sha in shas:
            if sha not in mirror.known:
                raise UnknownRef(f"The commit {sha} is no longer in {repository.public}.")
        try:
            return _read(mirror, bases, revisions, others)
        except GitStopped:
            raise
        except RepositoryError:
            # What the mirror promised it does not hold: it was damaged, and is made anew.
            mirror.renew()
            return _read(mirror, bases, revisions, others)


def _read(
    mirror: Held, bases: Sequence[str], revisions: Sequence[Revision], others: Collection[str]
) -> History:
    shas = [sha for _ref, sha in revisions]
    gone = next((sha for sha in bases if sha not in mirror.known), "")
    known = [] if gone else bases
    heads = _heads(mirror, known)
    paths: set[str] = set()
    for sha in shas:
        paths |= _differing(mirror, heads, sha) if heads else set(_all(mirror, sha))
    return History(
        frozenset(paths),
        are_all=not known,
        brought=None if gone else commits(mirror, shas, bases),
        lacking=None if gone else (commits(mirror, bases, shas) if bases else Commits()),
        gone=gone,
        is_shallow=mirror.is_shallow,
        left_behind=next((sha for sha in known if mirror.is_left_behind(sha)), ""),
        moved=() if mirror.outdated else tuple(_moved(mirror, revisions)),
        outdated=mirror.outdated,
        relatives=_relatives(mirror, shas, others),
    )


def _relatives(mirror: Held, shas: Sequence[str], others: Collection[str]) -> dict[str, Relatives]:
    """Return the place of each of ``shas`` among ``others``; in a shallow repository nobody knows it."""
    present = [] if mirror.is_shallow else sorted(mirror.present(others))
    return {
        sha: Relatives(
            tuple(other for other in present if other != sha and mirror.leads_to(other, sha)),
            tuple(other for other in present if other != sha and mirror.leads_to(sha, other)),
        )
        for sha in shas
    }


def _heads(mirror: Held, bases: Sequence[str]) -> list[str]:
    """Return those of ``bases`` that lead to no other one: they have what the others have."""
    if len(set(bases)) < 2:
        return list(bases[:1])
    return mirror("merge-base", "--independent", *bases).split()


def _differing(mirror: Held, heads: Sequence[str], sha: str) -> set[str]:
    """Return the paths that ``sha`` has otherwise than all of ``heads`` together.

    What one of them alone has changed since they went apart is there as that one has it; what several have changed counts
    as soon as one of them has it otherwise.
    """
    differing = [set(_changed(mirror, head, sha)) for head in heads]
    if len(heads) == 1:
        return differing[0]
    fork = mirror.fork_of(heads) or _EMPTY_TREE
    own = [set(_changed(mirror, fork, head)) for head in heads]
    found = {path for there, mine in zip(differing, own, strict=True) for path in there & mine}
    return found | differing[0].difference(*own)


def _changed(mirror: Held, base: str, sha: str) -> Iterator[str]:
    return _paths(mirror, "diff-tree", "-r", "-z", "--name-only", "--no-renames", base, sha)


def _all(mirror: Held, sha: str) -> Iterator[str]:
    return _paths(mirror, "ls-tree", "-r", "-z", "--name-only", "--full-tree", sha)


def _paths(mirror: Held, *arguments: str) -> Iterator[str]:
    """Yield the paths of an answer; they are bytes to git, and most are UTF-8."""
    answer = bytearray()
    mirror(*arguments, sink=answer.extend)
    text = answer.decode("utf-8", "surrogateescape")
    return (path for path in text.split("\0") if path)


def commits(mirror: Held, of: Sequence[str], without: Sequence[str], most: int = MOST_COMMITS) -> Commits:
    """Return the commits that lead to ``of`` and not to ``without``, at most ``most`` of them listed.

    Raises:
        RepositoryError: The mirror cannot be read.
    """
    wanted = [*of, *(f"^{sha}" for sha in without)]
    count = int(mirror("rev-list", "--count", *wanted, "--"))
    if count == 0:
        return Commits()
    listed = log(mirror, f"--max-count={most}", *wanted)
    return Commits(listed, count - len(listed))


def log(mirror: Held, *wanted: str) -> tuple[Commit, ...]:
    """Return the commits that ``git log`` lists for these arguments.

    Raises:
        RepositoryError: The mirror cannot be read.
    """
    answer = bytearray()
    plain = ("log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", _FORMAT)
    mirror(*plain, *wanted, "--", sink=answer.extend)
    parts = answer.decode(errors="replace").removesuffix("\0").split("\0")
    return tuple(_commit(*parts[place : place + 4]) for place in range(0, len(parts) - 3, 4))


def _commit(sha: str, author: str, at: str, subject: str) -> Commit:
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    return Commit(sha, author[:200], moment, subject[:500])


def deadline(seconds: float) -> float:
    """Return the moment ``seconds`` from now, for ``left``."""
    return time.monotonic() + seconds


def left(moment: float) -> float:
    """Return how many seconds are left until ``moment``, at least a little: what is late says so itself."""
    return max(0.1, moment - time.monotonic())
