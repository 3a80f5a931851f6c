"""What a rule may know of its job: fixed names as plain data, and the environment of its processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from jobs.lending import Credential
from jobs.models import Job
from jobs.secrets.credentials import credential_of
from jobs.secrets.vault import NONE, Opened

_INHERITED: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
)
"""What processes of a rule get of the worker's environment: nothing that holds a secret of ours."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What expressions and processes know of a job, also of one that does not exist yet.

    Attributes:
        job: The name ``job`` of expressions.
        environment: Code.
        project: Code, or ``None``.
        revisions: ``{"ref", "sha"}`` each.
        natures: Codes.
        step: Step that runs.
        attempt: From 1.
        outcome: Result so far.
        repository: Of the project.
        credential: What opens it, when the project names a secret.
        secrets: What the job may read, and what hides it.
    """

    job: Mapping[str, Any]
    environment: str
    project: str | None
    revisions: tuple[Mapping[str, str], ...]
    step: str
    attempt: int
    natures: tuple[str, ...] = ()
    outcome: str | None = None
    repository: str = ""
    credential: Credential | None = field(default=None, repr=False)
    secrets: Opened = field(default=NONE, repr=False)

    def names(self) -> dict[str, Any]:
        """Return the fixed names of expressions and templates."""
        return {
            "job": dict(self.job),
            "environment": self.environment,
            "project": self.project,
            "revision": dict(self.revisions[0]) if self.revisions else {"ref": "", "sha": ""},
            "revisions": [dict(revision) for revision in self.revisions],
            "natures": list(self.natures),
            "step": self.step,
            "attempt": self.attempt,
            "outcome": self.outcome,
            "secrets": dict(self.secrets.values),
        }

    def environ(self) -> dict[str, str]:
        """Return the environment of the job's processes."""
        return {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "CLARIVE_JOB": str(self.job["name"]),
            "CLARIVE_JOB_ID": str(self.job["id"] or ""),
            "CLARIVE_STEP": self.step,
            "CLARIVE_ENVIRONMENT": self.environment,
            "CLARIVE_REVISION": self.revisions[0]["sha"] if self.revisions else "",
            "CLARIVE_ATTEMPT": str(self.attempt),
        }


def facts_of(job: Job, secrets: Opened = NONE) -> JobFacts:
    """Return the facts of a job at its present step, which may read ``secrets``."""
    revisions: tuple[Mapping[str, str], ...] = ()
    natures: tuple[str, ...] = ()
    if job.project is not None:
        revisions = tuple({"ref": revision.ref, "sha": revision.sha} for revision in job.revisions.all())
        natures = tuple(job.natures.values_list("code", flat=True))
    return JobFacts(
        job=describe(job),
        environment=job.environment.code,
        project=job.project.code if job.project else None,
        repository=job.project.repository if job.project else "",
        credential=credential_of(job.project, known_hosts()) if job.project else None,
        revisions=revisions,
        natures=natures,
        step=job.step,
        attempt=job.attempt,
        outcome=job.outcome,
        secrets=secrets,
    )


def describe(job: Job) -> dict[str, Any]:
    """Return the name ``job`` of expressions: plain data, times as ISO 8601 in UTC."""
    return {
        "id": job.pk,
        "name": job.name,
        "type": job.type,
        "rule": job.rule.slug,
        "rule_version": job.rule_version.number,
        "environment": job.environment.code,
        "project": job.project.code if job.project else None,
        "attempt": job.attempt,
        "urgent": job.urgent,
        "comment": job.comment,
        "created_by": job.created_by.get_username(),
        "created_at": _iso(job.created_at),
        "scheduled_at": _iso(job.scheduled_at),
        "max_start_at": _iso(job.max_start_at),
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def directory_of(job_id: int) -> Path:
    """Return the job's own directory on this machine, kept from PRE to POST."""
    return Path(settings.CLARIVE_HOME) / "jobs" / str(job_id)


def scope() -> str:
    """Return what tells this installation's processes from those of others on the machine."""
    return hashlib.sha256(str(settings.CLARIVE_HOME).encode()).hexdigest()[:12]


def mirrors() -> Path:
    """Return where this machine keeps its mirrors of repositories."""
    return Path(settings.CLARIVE_HOME) / "repositories"


def known_hosts() -> Path:
    """Return the file of the keys by which other hosts are known; it may not be there."""
    if settings.CLARIVE_SSH_KNOWN_HOSTS:
        return Path(settings.CLARIVE_SSH_KNOWN_HOSTS).expanduser()
    own = Path(settings.CLARIVE_HOME) / "known_hosts"
    return own if own.exists() else Path.home() / ".ssh" / "known_hosts"
