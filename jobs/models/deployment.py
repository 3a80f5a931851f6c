"""What was brought into environments and taken out of them again: what is where at any instant follows from it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from permissions.models import Environment


class Deployment(models.Model):
    """One change of what is deployed of a project in an environment. Rows are added and never changed.

    The database writes them, in the transaction in which a job finishes or is undone; see migrations 0028 and 0031. Without a
    foreign key to the job: what it did stays when it is gone.

    Attributes:
        at: When the job finished, or was undone.
        kind: See ``Kind``.
        job_number: Key of the job.
        job_name: Its name.
        revisions: Its revisions in their order: ``{"ref", "sha", "follows", "precedes"}`` each, at least one; see
            ``JobRevision`` for the last two, which rows of before migration 0031 have not.
        shas: Their commits.
    """

    class Kind(models.TextChoices):
        """What happened."""

        BROUGHT = "brought"
        BACKED_OUT = "backed_out"
        UNDONE = "undone"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    project = models.ForeignKey("jobs.Project", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    job_number = models.BigIntegerField()
    job_name = models.CharField(max_length=200)
    revisions = models.JSONField()
    shas = ArrayField(models.CharField(max_length=40))

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(
                F("environment"),
                F("project"),
                F("at").desc(),
                F("id").desc(),
                name="deployment_brought_newest",
                condition=Q(kind="brought"),
            ),
            models.Index(
                fields=("environment", "project", "at"),
                name="deployment_taken",
                condition=~Q(kind="brought"),
            ),
            models.Index(fields=("job_number", "at"), name="deployment_of_job"),
        )
        constraints = (
            models.CheckConstraint(
                name="deployment_kind_known", condition=Q(kind__in=["brought", "backed_out", "undone"])
            ),
            models.CheckConstraint(name="deployment_of_something", condition=Q(shas__len__gte=1)),
        )

    def __str__(self) -> str:
        return f"{self.environment_id}/{self.project_id} {self.kind}: {self.job_name}"
