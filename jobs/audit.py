"""Writing audit records: who asks for something, through which door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobs.models import AuditRecord, Job
from permissions.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that acts.

    Attributes:
        user: Who.
        source: The door: a value of ``AuditRecord.Source``.
        address: Where from, an IP address or empty.
    """

    user: User
    source: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes what belongs to no job; a command may not know its user.

    Attributes:
        name: User name, or empty.
        source: The door: a value of ``AuditRecord.Source``.
        address: Where from, an IP address or empty.
    """

    name: str
    source: str
    address: str = ""


def record(
    actor: Actor, action: str, job: Job, *, now: datetime, from_status: str = "", comment: str = ""
) -> AuditRecord:
    """Append the record of what ``actor`` decided about ``job``, which is as it is after the decision."""
    who = {"user": actor.user.get_username(), "source": actor.source, "address": actor.address}
    return _append(action, job, now, from_status, comment, who)


def record_of_daemon(action: str, job: Job, *, now: datetime, from_status: str, comment: str) -> AuditRecord:
    """Append the record of what the daemon decided about ``job``, which is as it is after the decision."""
    who = {"source": AuditRecord.Source.DAEMON.value}
    return _append(action, job, now, from_status, comment, who)


def _append(
    action: str, job: Job, now: datetime, from_status: str, comment: str, who: Mapping[str, str]
) -> AuditRecord:
    return AuditRecord.objects.create(
        at=now,
        action=action,
        job_id=job.pk,
        job_name=job.name,
        environment=job.environment.code,
        from_status=from_status,
        to_status=job.status,
        step=job.step,
        attempt=job.attempt,
        comment=comment,
        **who,
    )


def record_setting(
    author: Author, action: str, *, now: datetime, environment: str = "", comment: str = ""
) -> AuditRecord:
    """Append the record of what ``author`` changed that belongs to no job.

    Args:
        author: Who.
        action: What was done, ``set_secret``.
        now: When.
        environment: Code of the environment whose monitor one needs to see the record; empty for none.
        comment: What it was done to.
    """
    return AuditRecord.objects.create(
        at=now,
        user=author.name,
        action=action,
        environment=environment,
        comment=comment,
        source=author.source,
        address=author.address,
    )
