"""What a job carries: revisions and the natures found in them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from permissions.models import Environment, code_validator


def empty_list() -> list[Any]:
    """Return the default of JSON columns that hold a list."""
    return []


class Nature(models.Model):
    """A technology, found in contents by patterns in the style of gitignore."""

    code = models.CharField(_("code"), max_length=50, unique=True, validators=[code_validator])
    name = models.CharField(_("name"), max_length=200)
    include = models.JSONField(_("include"), default=empty_list, blank=True)
    exclude = models.JSONField(_("exclude"), default=empty_list, blank=True)

    class Meta:
        verbose_name = _("nature")
        verbose_name_plural = _("natures")
        ordering = ("code",)
        constraints = (models.UniqueConstraint(Upper("code"), name="nature_code_unique_ignoring_case"),)

    def __str__(self) -> str:
        return self.code


class JobNature(models.Model):
    """A nature found in the contents of a job."""

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, db_index=False)
    nature = models.ForeignKey(Nature, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("job", "nature"), name="job_nature_unique"),)
        indexes = (models.Index(F("nature"), F("job").desc(), name="job_nature_newest"),)

    def __str__(self) -> str:
        return f"{self.job_id}: {self.nature_id}"


class JobRevision(models.Model):
    """One revision of the job's project.

    Environment and project are copied here, never change, and carry the uniqueness among active jobs.

    Attributes:
        follows: Commits that were deployed somewhere when its place in history was looked at, and lead to it; ``None`` before.
        precedes: Those that follow it, likewise.
    """

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="revisions")
    position = models.PositiveSmallIntegerField()
    ref = models.CharField(_("ref"), max_length=255)
    sha = models.CharField(_("commit"), max_length=40)
    project = models.ForeignKey("jobs.Project", on_delete=models.PROTECT, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    active = models.BooleanField(default=True, help_text=_("The job is in an active status."))
    follows = ArrayField(models.CharField(max_length=40), null=True, editable=False)
    precedes = ArrayField(models.CharField(max_length=40), null=True, editable=False)

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ("position",)
        indexes = (
            models.Index(fields=("ref",), name="job_revision_ref"),
            # What people paste is the beginning of a commit.
            models.Index(fields=("sha",), name="job_revision_sha", opclasses=("varchar_pattern_ops",)),
        )
        constraints = (
            models.UniqueConstraint(fields=("job", "position"), name="job_revision_position_unique"),
            models.UniqueConstraint(
                fields=("environment", "project", "sha"),
                name="revision_in_one_active_job",
                condition=Q(active=True),
            ),
            models.CheckConstraint(name="job_revision_sha_is_hex", condition=Q(sha__regex=r"^[0-9a-f]{40}$")),
        )

    def __str__(self) -> str:
        return f"{self.ref} ({self.sha[:12]})"


class Contents(models.Model):
    """What a job carries, as it was settled when PRE began in an attempt; a job without a repository has none.

    Attributes:
        attempt: In which it was settled.
        state: See ``State``.
        problem: What is wrong, a line for each thing, so that each can be said in the reader's language; empty when nothing is.
        base_sha: The commit it was compared with: what was deployed there; empty when nothing was.
        base_job: Which job had brought that; ``None`` also when it was deleted since.
        files: How many paths the natures were looked for in.
        are_all: These are all files of the revisions, not only those that changed.
        commits: What the job brings, the newest first: ``{"sha", "author", "at", "subject"}`` each, at most 1,000.
        commits_count: How many there are in all; ``None`` when that is not known.
        backed_out: What is there and goes with the job, in the same form.
        backed_out_count: How many these are; ``None`` when that is not known.
        moved: Tags that named another commit by then, or refs that were gone: ``{"ref", "pinned", "now"}`` each.
    """

    class State(models.TextChoices):
        """How far it is known."""

        SETTLED = "settled", _("Settled")
        PARTIAL = "partial", _("Known in part")
        FAILED = "failed", _("Not known")

    job = models.OneToOneField(
        "jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="contents"
    )
    attempt = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices)
    problem = models.TextField(blank=True)
    base_sha = models.CharField(max_length=40, blank=True)
    base_job = models.ForeignKey("jobs.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    files = models.PositiveIntegerField(default=0)
    are_all = models.BooleanField(default=False)
    commits = models.JSONField(default=empty_list)
    commits_count = models.PositiveIntegerField(null=True)
    backed_out = models.JSONField(default=empty_list)
    backed_out_count = models.PositiveIntegerField(null=True)
    moved = models.JSONField(default=empty_list)
    settled_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.job_id}: {self.state}"
