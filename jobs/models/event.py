"""What happened, in the order in which it did: what streams tell and waits wait for."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    """Something that happened to a job, its log, or somebody's rights. Written by triggers alone, never changed.

    It may be told only up to ``jobs.stream.reading.horizon``: an event with a lower number may still be in a transaction
    that has not ended. Without foreign keys, since it outlives what it is about.

    Attributes:
        kind: See ``Kind``.
        job_id: About which job; ``None`` for rights.
        environment_id: Where; ``None`` for rights.
        data: Of a job: those of its fields that change, as they were then. Of its log: the same as ``state``, and the
            ``first`` and ``last`` line. Of one that is gone: what lists are narrowed by. Of rights: whose, ``{}`` for
            anybody's.
        at: When it was written.
    """

    class Kind(models.TextChoices):
        """What it is about."""

        JOB = "job"
        LOG = "log"
        DELETED = "deleted"
        RIGHTS = "rights"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    job_id = models.BigIntegerField(null=True)
    environment_id = models.BigIntegerField(null=True)
    data = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.pk}: {self.kind} {self.job_id or ''}"
