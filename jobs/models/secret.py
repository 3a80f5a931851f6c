"""Secrets of rules, encrypted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from jobs.models.project import Project
from permissions.models import Environment


class Secret(models.Model):
    """A value that rules read as ``secrets.name`` and that is never shown again.

    Without environment and project every job may read it. ``ciphertext`` is made by ``jobs.secrets.vault`` and opens in
    this row alone, so name and scope of a row never change. No environment or project is deleted while a secret belongs to
    it: nobody could have its value again.
    """

    name = models.CharField(_("name"), max_length=64)
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("environment"),
        help_text=_("Only for jobs in this environment."),
    )
    project = models.ForeignKey(
        Project,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("project"),
        help_text=_("Only for jobs of this project."),
    )
    ciphertext = models.BinaryField()
    changed_at = models.DateTimeField(_("changed"))
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ("name", "environment__position", "project__code", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("name", "environment", "project"), name="secret_once_per_scope", nulls_distinct=False
            ),
            models.CheckConstraint(
                name="secret_name_is_identifier", condition=Q(name__regex="^[A-Za-z_][A-Za-z0-9_]*$")
            ),
        )

    def __str__(self) -> str:
        return " · ".join(str(part) for part in (self.name, self.environment, self.project) if part)

    @property
    def identity(self) -> bytes:
        """What the ciphertext is tied to. Keys, not codes: an environment or a project may be renamed."""
        return f"secret:{self.name}:{self.environment_id or ''}:{self.project_id or ''}".encode()
