"""With what the contents of a job are compared: with what is deployed there, as ``jobs.deployments`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs import deployments
from jobs.choices import JobType
from jobs.models import Job


@dataclass(frozen=True, slots=True)
class Base:
    """What is there.

    Attributes:
        sha: The first revision of the job that brought it; empty when nothing is there.
        job_id: That job.
        job_name: Its name.
        others: Its other revisions, for a job of several.
        takes_back: The job's revisions go, and this is what stays: what the revisions have beyond it is backed out.
    """

    sha: str = ""
    job_id: int | None = None
    job_name: str = ""
    takes_back: bool = False
    others: tuple[str, ...] = ()

    @property
    def shas(self) -> tuple[str, ...]:
        """All revisions that are there, none when nothing is."""
        return (self.sha, *self.others) if self.sha else ()


def base_of(job: Job, shas: Sequence[str]) -> Base:
    """Return with what ``job``, which brings or takes back ``shas``, is to be compared.

    A promotion is compared with what others have brought, whatever that is: one that is rerun carries what it carried before. A
    static job that brings what is there once more, and one that backs it out, carry what made the difference when it came: they
    are compared with what was there before.
    """
    assert job.project_id is not None
    found = deployments.deployed(job.environment_id, job.project_id, besides=job.pk)
    is_there = found is not None and bool(set(found.shas) & set(shas))
    if is_there and job.type != JobType.PROMOTE:
        found = deployments.deployed(job.environment_id, job.project_id, without=shas, besides=job.pk)
    takes_back = is_there and job.type == JobType.DEMOTE
    if found is None:
        return Base(takes_back=takes_back)
    first, *others = found.shas
    return Base(first, found.job, found.job_name, takes_back, tuple(others))
