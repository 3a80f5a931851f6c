"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def git(*arguments: str, cwd: Path) -> str:
    """Run git without anybody's configuration and return what it says."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", "Ana"), ("EMAIL", "ana@example.org"), ("DATE", "2026-01-01T00:00:00Z"))},
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(path: Path, versions: Mapping[str, str]) -> dict[str, str]:
    """Make a repository with a commit and a tag for each version, whose ``version.txt`` holds the text; return commits by tag."""
    path.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", cwd=path)
    for tag, text in versions.items():
        (path / "version.txt").write_text(text + "\n")
        git("add", ".", cwd=path)
        git("commit", "--quiet", "-m", f"Version {tag}", cwd=path)
        git("tag", "-a", tag, "-m", tag, cwd=path)
    return {tag: git("rev-parse", f"{tag}^{{commit}}", cwd=path) for tag in versions}
