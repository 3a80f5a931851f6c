"""A job that creates another one, as its own creator: with the rights of now, within the limits of the token of then."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from jobs.actions.create import create_job_once
from jobs.audit import Actor
from jobs.exceptions import JobError
from jobs.models import AuditRecord, Job
from jobs.wishes import Wish
from permissions.exceptions import PermissionsError
from permissions.rights import Limits
from rules.engine.outcomes import OperationFailed

MOST_ANCESTORS: Final = 10
"""How many jobs may stand one behind the other before one that was created by a person."""

_NAMESPACE: Final = uuid.UUID("5f0c1d1e-8f0b-4f5a-9d5c-6d3f0a5c7a11")
_BY_JOB: Final = re.compile(r"job ([0-9]+)")


def create(job_id: int, attempt: int, wish: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """Create the job that ``wish`` describes, once for each ``mark`` of the attempt, and return its id and name.

    Args:
        job_id: The job whose rule asks.
        attempt: Its attempt.
        wish: See ``rules.engine.host.Host.create_job``.
        mark: See there.

    Raises:
        OperationFailed: It was refused, or no worker answered.
    """
    job = Job.objects.select_related("created_by").get(pk=job_id)
    if _ancestors(job_id) >= MOST_ANCESTORS:
        raise OperationFailed(
            f"{MOST_ANCESTORS} jobs have created each other up to this one: it may not create another."
        )
    creator = job.created_by
    creator.limits = Limits.from_data(job.limits)
    actor = Actor(creator, AuditRecord.Source.DAEMON, _address(job_id))
    key = uuid.uuid5(_NAMESPACE, f"{job_id} {attempt} {mark}")
    try:
        made = create_job_once(_wish(wish), actor=actor, now=timezone.now(), key=key)
    except (JobError, PermissionsError) as error:
        raise OperationFailed(f"The job was not created: {error}") from error
    return {"id": made.pk, "name": made.name}


def _wish(wish: Mapping[str, Any]) -> Wish:
    revisions = wish["revisions"]
    return Wish(
        rule=wish["rule"],
        environment=wish["environment"],
        project=wish["project"],
        revisions=tuple(one.get("ref") or one["sha"] for one in revisions),
        shas=tuple(one.get("sha", "") for one in revisions),
        comment=wish["comment"],
        variables=wish["variables"],
    )


def _address(job_id: int) -> str:
    """Return from where such a job is asked for, as its audit record says."""
    return f"job {job_id}"


def _ancestors(job_id: int) -> int:
    """Return how many jobs led to this one, by the audit: it outlives the jobs, and nobody can change it."""
    count = 0
    while count < MOST_ANCESTORS:
        created = AuditRecord.objects.filter(
            job_id=job_id, action="create", source=AuditRecord.Source.DAEMON
        ).first()
        found = _BY_JOB.fullmatch(created.address) if created else None
        if found is None:
            break
        job_id, count = int(found[1]), count + 1
    return count
