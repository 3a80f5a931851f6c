"""What a job carries, as its page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jobs.contents.reading import beginning_of
from jobs.models import Contents, Job

MOST_COMMITS: Final = 20


@dataclass(frozen=True, slots=True)
class ShownCommits:
    """The first commits of a list, each with its date, and how many there are beyond; ``None`` when that is not known."""

    rows: Sequence[tuple[Mapping[str, Any], datetime | None]]
    count: int | None

    @property
    def more(self) -> int:
        """How many are not shown."""
        return (self.count or 0) - len(self.rows)


@dataclass(frozen=True, slots=True)
class ContentsPanel:
    """What was settled, with its commits."""

    contents: Contents
    brought: ShownCommits
    backed_out: ShownCommits


def contents_panel(job: Job) -> ContentsPanel | None:
    """Return what ``job`` carries, ``None`` while that is not settled."""
    found = beginning_of(job, MOST_COMMITS) if job.project_id is not None else None
    if found is None:
        return None
    return ContentsPanel(
        found,
        ShownCommits(_dated(found.commits), found.commits_count),
        ShownCommits(_dated(found.backed_out), found.backed_out_count),
    )


def _dated(commits: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], datetime | None]]:
    return [
        (commit, datetime.fromisoformat(commit["at"]) if commit["at"] is not None else None)
        for commit in commits
    ]
