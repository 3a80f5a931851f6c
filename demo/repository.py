"""Makes the shop's git repository: the same commits on every machine, whatever git is told there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONTENT: Final = Path(__file__).resolve().parent / "content"


class RepositoryNotMade(Exception):
    """Git is missing or refused; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Change:
    """One commit.

    Attributes:
        layer: Folder of ``content`` whose files are laid over what is there.
        branch: Where it is committed; a branch that is new begins at the commit before.
        message: Of the commit.
        author: Name and address.
        at: When, in git's own form.
        tag: Put on it, or empty.
    """

    layer: str
    branch: str
    message: str
    author: tuple[str, str]
    at: str
    tag: str = ""


_LUCIA: Final = ("Lucía Prieto", "lucia@example.com")
_MARC: Final = ("Marc Vidal", "marc@example.com")

HISTORY: Final = (
    Change("01-catalogue", "main", "Begin with a catalogue", _LUCIA, "2026-01-12T09:30:00+01:00"),
    Change("02-web", "main", "Serve the catalogue as a page", _LUCIA, "2026-01-13T16:05:00+01:00"),
    Change(
        "03-deploy", "main", "Pack, install and verify releases", _MARC, "2026-01-15T11:20:00+01:00", "v1.0.0"
    ),
    Change("04-prices", "main", "Show prices with tax", _MARC, "2026-02-03T10:45:00+01:00", "v1.1.0"),
    Change("05-search", "main", "Search the catalogue", _LUCIA, "2026-02-24T12:10:00+01:00", "v1.2.0"),
    Change(
        "06-discounts",
        "discounts",
        "Calculate discounts",
        _MARC,
        "2026-03-06T18:55:00+01:00",
        "v1.3.0-broken",
    ),
)
"""The last one has a test that fails, so that a job can be seen to fail."""


def make_repository(target: Path) -> bool:
    """Make the bare repository at ``target`` unless it is there; it appears in one go.

    Returns:
        Whether it was made now.

    Raises:
        RepositoryNotMade: Git is missing or refused.
    """
    if (target / "HEAD").is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".shop-", dir=target.parent))
    try:
        tree = draft / "tree"
        _git(draft, "init", "--quiet", "--template=", "--initial-branch=main", str(tree))
        branch = "main"
        for change in HISTORY:
            if change.branch != branch:
                _git(tree, "checkout", "--quiet", "-b", change.branch)
                branch = change.branch
            _commit(tree, change)
        _git(tree, "checkout", "--quiet", "main")
        _git(draft, "clone", "--quiet", "--bare", "--template=", str(tree), str(draft / "shop.git"))
        shutil.rmtree(target, ignore_errors=True)
        (draft / "shop.git").rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _commit(tree: Path, change: Change) -> None:
    shutil.copytree(
        CONTENT / change.layer,
        tree,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__"),
        # The mode of the checkout this file lies in must not get into the commits.
        copy_function=_copy_plain,
    )
    name, address = change.author
    who = {
        **{f"GIT_{role}_NAME": name for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": address for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_DATE": change.at for role in ("AUTHOR", "COMMITTER")},
    }
    _git(tree, "add", "--all", extra=who)
    _git(tree, "commit", "--quiet", "--no-verify", "--message", change.message, extra=who)
    if change.tag:
        _git(tree, "tag", "--annotate", "--message", change.message, change.tag, extra=who)


def _copy_plain(source: str, target: str) -> str:
    Path(target).write_bytes(Path(source).read_bytes())
    Path(target).chmod(0o644)
    return target


def _git(folder: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
    """Run git with nothing of the user's or the machine's configuration.

    Raises:
        RepositoryNotMade: It is missing or refused.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **(extra or {}),
    }
    settings = ("-c", "core.autocrlf=false", "-c", "core.fileMode=true", "-c", "gc.auto=0")
    try:
        done = subprocess.run(
            ["git", *settings, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise RepositoryNotMade("The demo needs git, which is not installed here.") from None
    if done.returncode != 0:
        raise RepositoryNotMade(f"git {arguments[0]} failed: {done.stderr.strip()}")
