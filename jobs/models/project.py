"""Projects: a git repository and the variables of what is deployed from it."""

from __future__ import annotations

import re
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from jobs.addresses import is_ssh, is_usable, is_web
from permissions.models import Environment, check_variables, code_validator, kept_variables, lines_wrong

_SECRET: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def empty() -> dict[str, Any]:
    """Return the default of JSON columns that hold an object."""
    return {}


def credential_mistakes(repository: str, credential: str, username: str) -> dict[str, Any]:
    """Return by field why a secret and a user cannot open a repository; nothing when they can, or there are none."""
    errors = {}
    if credential and not _SECRET.fullmatch(credential):
        errors["credential"] = _("Write the name of a secret.")
    elif credential and not (is_web(repository) or is_ssh(repository)):
        errors["credential"] = _("Only repositories by https, http and ssh are opened with a secret.")
    if username and not (credential and is_web(repository)):
        errors["username"] = _(
            "It is for a repository by https or http that a secret opens; that of ssh is in its address."
        )
    return errors


class Project(models.Model):
    """What jobs deploy revisions of."""

    code = models.CharField(_("code"), max_length=50, unique=True, validators=[code_validator])
    name = models.CharField(_("name"), max_length=200)
    repository = models.CharField(
        _("repository"), max_length=500, blank=True, help_text=_("Path or URL of a git repository.")
    )
    credential = models.CharField(
        _("credential"),
        max_length=64,
        blank=True,
        help_text=_(
            "Name of the secret that opens the repository: a password or token for an address by http, a private key for ssh. "
            "It is one of the project, or of all projects, for all environments."
        ),
    )
    username = models.CharField(
        _("user of the repository"),
        max_length=150,
        blank=True,
        help_text=_("Whom the password belongs to; when empty, the user in the address, else git."),
    )
    variables = models.JSONField(_("variables"), default=empty, blank=True)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ("code",)
        constraints = (models.UniqueConstraint(Upper("code"), name="project_code_unique_ignoring_case"),)

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """Refuse what are no variables, and an address that git would not, or must not, follow."""
        if errors := lines_wrong(self, "name", "username"):
            raise ValidationError(errors)
        check_variables(self.variables, kept_variables(self))
        if not is_usable(self.repository):
            message = _("Write a path, or the address of a git repository by https, ssh, git or file.")
            raise ValidationError({"repository": message})
        if mistakes := credential_mistakes(self.repository, self.credential, self.username):
            raise ValidationError(mistakes)


class ProjectEnvironment(models.Model):
    """Variables of a project in one environment."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="environments")
    environment = models.ForeignKey(
        Environment, on_delete=models.CASCADE, related_name="+", verbose_name=_("environment")
    )
    variables = models.JSONField(_("variables"), default=empty, blank=True)

    class Meta:
        verbose_name = _("variables in an environment")
        verbose_name_plural = _("variables per environment")
        constraints = (
            models.UniqueConstraint(fields=("project", "environment"), name="project_environment_unique"),
        )

    def __str__(self) -> str:
        return f"{self.project} · {self.environment}"

    def clean(self) -> None:
        """Refuse what are no variables."""
        check_variables(self.variables, kept_variables(self))
