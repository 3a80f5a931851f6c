"""What there is to copy: a file, or a directory with all below it, and nothing from outside of the job's directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rules.engine.outcomes import OperationFailed


class Kind(Enum):
    """What one thing is, on the way through a tree."""

    FILE = "file"
    DIRECTORY = "directory"
    LEFT = "left"
    """A directory again, after all that is in it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to copy.

    Attributes:
        kind: What it is.
        path: Where it is here, links followed.
        below: Its place below the source, as the bytes of its name; empty for the source itself.
        mode: Its permissions.
    """

    kind: Kind
    path: Path
    below: bytes
    mode: int


def walk(source: Path, root: Path) -> Iterator[Item]:
    """Yield ``source`` and all below it, each directory before and again after what is in it.

    Links are followed, so that what arrives does not depend on what is on the host.

    Args:
        source: In ``root``, links followed.
        root: The job's directory, links followed.

    Raises:
        OperationFailed: A link leads out of ``root``, nowhere, or into a directory around it; or something is neither a
            file nor a directory.
    """
    around: list[Path] = []
    pending: list[tuple[Kind | None, Path, bytes]] = [(None, source, b"")]
    while pending:
        kind, path, below = pending.pop()
        if kind is Kind.LEFT:
            around.pop()
            yield Item(Kind.LEFT, path, below, _mode(path))
            continue
        found = _followed(path, root)
        mode = found.stat().st_mode
        if stat.S_ISREG(mode):
            yield Item(Kind.FILE, found, below, stat.S_IMODE(mode) & 0o777)
        elif stat.S_ISDIR(mode):
            if found in around:
                raise OperationFailed(f"{_shown(path, root)} leads in a circle.")
            around.append(found)
            yield Item(Kind.DIRECTORY, found, below, stat.S_IMODE(mode) & 0o777)
            pending.append((Kind.LEFT, found, below))
            pending += [(None, found / name, _join(below, name)) for name in _names(found)]
        else:
            raise OperationFailed(f"{_shown(path, root)} is neither a file nor a directory.")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o777


def _names(directory: Path) -> list[str]:
    """Return the names in a directory, the last first, as they are taken from the end."""
    return sorted(os.listdir(directory), reverse=True)  # noqa: PTH208 - names alone, which a Path could not give back


def _join(below: bytes, name: str) -> bytes:
    return below + b"/" + os.fsencode(name) if below else os.fsencode(name)


def _followed(path: Path, root: Path) -> Path:
    if not path.is_symlink():
        return path
    try:
        found = path.resolve(strict=True)
    except FileNotFoundError:
        raise OperationFailed(f"The link {_shown(path, root)} leads nowhere.") from None
    except RuntimeError:  # before Python 3.13, for links that lead in a circle
        raise OperationFailed(f"The link {_shown(path, root)} leads in a circle.") from None
    if not found.is_relative_to(root):
        raise OperationFailed(f"The link {_shown(path, root)} leads out of the job's directory.")
    return found


def _shown(path: Path, root: Path) -> str:
    return ascii(str(path.relative_to(root))) if not str(path).isprintable() else str(path.relative_to(root))
