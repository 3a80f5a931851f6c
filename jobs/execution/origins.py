"""Repositories of projects, with what opens them and where this machine keeps its mirrors."""

from __future__ import annotations

from jobs.execution import naming
from jobs.models import Project
from jobs.repositories import GitRunner, Repository
from jobs.secrets.credentials import credential_of


def repository_of(project: Project, runner: GitRunner | None = None) -> Repository:
    """Return the repository of ``project``; what opens it is looked up now.

    Args:
        project: Saved, with an address.
        runner: For whom git runs.
    """
    credential = credential_of(project, naming.known_hosts())
    return Repository(project.repository, naming.mirrors(), runner or GitRunner(), credential)
