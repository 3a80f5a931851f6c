"""What the log says of the contents of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobs.contents.base import Base
from jobs.contents.history import History, Moved
from jobs.models import Contents

Entry = tuple[str, str]
"""Level and text."""


_LOST: Final = "its history was rewritten, or the branch or tag that led to it was deleted"


def problems(history: History, base: Base) -> list[Entry]:
    """Return why the contents are known in part only, or compared with what the repository has not any more."""
    found = []
    brought = f"which {base.job_name} brought here,"
    if history.is_base_gone:
        lost = ", which has not all of its history" if history.is_shallow else f": {_LOST}"
        said = (
            f"The commit {history.gone}, {brought} is {'not' if history.is_shallow else 'no longer'} in the repository{lost}. "
            "The commits are not known, and the natures are looked for in all files."
        )
        found.append(("error", said))
    elif history.left_behind:
        said = (
            f"The commit {history.left_behind}, {brought} is no longer in the repository: {_LOST}. It is compared with the copy "
            "that was fetched before."
        )
        found.append(("error", said))
    if history.is_shallow and not history.is_base_gone:
        said = "The repository has not all of its history: commits may be missing from the list."
        found.append(("warning", said))
    if history.outdated:
        said = (
            f"It is not known whether the repository still has the same history and tags: {history.outdated}"
        )
        found.append(("warning", said))
    return found


def moved(found: Sequence[Moved]) -> list[Entry]:
    """Return what is said of refs that moved: the job keeps the commits that it was created with."""
    return [("warning", _moved(each)) for each in found]


def _moved(each: Moved) -> str:
    if not each.now:
        return f"The repository has no {each.ref} any more; the job keeps the commit {each.pinned} that it named."
    return (
        f"The tag {each.ref} was moved: it named {each.pinned} when the job was created, which the job keeps, "
        f"and names {each.now} now."
    )


def unusable(codes: Sequence[str]) -> list[Entry]:
    """Return what is said of natures that cannot be looked for."""
    return [
        ("warning", f"The patterns of the nature {code} cannot be used: it is left out.") for code in codes
    ]


def carried(contents: Contents, base: Base) -> Entry:
    """Return how much it is, and compared with what."""
    files = _number(contents.files, "file")
    if not base.sha:
        changed = f"{files}, all of the revisions: nothing was deployed here before"
    elif contents.are_all:
        changed = f"{files}, all of the revisions"
    else:
        changed = f"{files} changed since {', '.join(sha[:12] for sha in base.shas)} ({base.job_name})"
    parts = [changed]
    if contents.commits_count is not None and (contents.commits_count or not base.takes_back):
        parts.append(_number(contents.commits_count, "commit"))
    if contents.backed_out_count:
        parts.append(f"{_number(contents.backed_out_count, 'commit')} backed out")
    return "info", f"Contents: {'; '.join(parts)}."


def natures(codes: Sequence[str], known: int) -> Entry:
    """Return which natures were found; none of those that there are is worth a warning."""
    if codes:
        return "info", f"Natures: {', '.join(codes)}."
    if not known:
        return "info", "Natures: none, as no nature is defined."
    return "warning", "No nature matches the contents of the job."


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
