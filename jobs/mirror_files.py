"""Files of the mirrors of git repositories: their locks, and what a git that was killed leaves behind."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from jobs.git import RepositoryError


def unusable(error: OSError) -> RepositoryError:
    """Return what people are told of a mirror that this machine cannot keep; where it is is no business of theirs."""
    return RepositoryError(f"This machine cannot keep a copy of the repository: {error.strerror or error}.")


def lock(file: IO[str]) -> bool:
    """Take the lock on ``file`` until it is closed; return whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_left(repository: Path) -> None:
    """Remove what a git that was killed left here, locks and half packs; nobody else's can be there, as we hold our lock."""
    for left in repository.rglob("*.lock"):
        left.unlink(missing_ok=True)
    for half in (repository / "objects").rglob("tmp_*"):
        if half.is_file():
            half.unlink(missing_ok=True)
