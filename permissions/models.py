"""Users, environments, the rights between them, and API tokens."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from permissions.catalog import LABELS, Right
from permissions.variables import DEEPEST, is_keepable

code_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z",
    _("Use letters, digits, dot, dash and underscore, and begin with a letter or digit."),
)
colour_validator = RegexValidator(r"^#[0-9a-fA-F]{6}\Z", _("Write the colour as #rrggbb."))


def validate_time_zone(name: str) -> None:
    """Refuse a name that is not in the tz database."""
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is not a time zone."), params={"name": name})


def check_variables(variables: Any) -> None:
    """Do nothing when these can be the variables of a row.

    Raises:
        ValidationError: They cannot; it is about the field ``variables``.
    """
    if not is_keepable(variables):
        message = _('Write a JSON object such as {"port": 8080}, nested at most %(depth)d deep.')
        raise ValidationError({"variables": ValidationError(message, params={"depth": DEEPEST})})


class User(AbstractUser):
    """A person or program that signs in. Empty language and zone mean: the browser's, then the installation's."""

    class Theme(models.TextChoices):
        """Colours of the pages."""

        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    language = models.CharField(_("language"), max_length=10, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[validate_time_zone])
    theme = models.CharField(_("theme"), max_length=10, choices=Theme.choices, default=Theme.SYSTEM)

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def save(self, *args: Any, **options: Any) -> None:
        """Save in a transaction, so that what listens writes in the same one; Django's own forms open none."""
        with transaction.atomic():
            super().save(*args, **options)


def _empty() -> dict[str, Any]:
    return {}


class Environment(models.Model):
    """Where revisions are deployed to, and what rights are granted on."""

    code = models.CharField(_("code"), max_length=50, unique=True, validators=[code_validator])
    name = models.CharField(_("name"), max_length=200)
    position = models.PositiveIntegerField(_("order"), default=0)
    colour = models.CharField(_("colour"), max_length=7, default="#64748b", validators=[colour_validator])
    expiry = models.DurationField(_("expiry"), default=timedelta(days=1))
    expiry_urgent = models.DurationField(_("expiry when urgent"), default=timedelta(hours=1))
    variables = models.JSONField(_("variables"), default=_empty, blank=True)

    class Meta:
        verbose_name = _("environment")
        verbose_name_plural = _("environments")
        ordering = ("position", "code")
        permissions = tuple((right.codename, LABELS[right]) for right in Right)
        constraints = (
            models.UniqueConstraint(Upper("code"), name="environment_code_unique_ignoring_case"),
            models.CheckConstraint(
                name="environment_expiry_positive",
                condition=models.Q(expiry__gt=timedelta(0), expiry_urgent__gt=timedelta(0)),
            ),
        )

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """Refuse what are no variables."""
        check_variables(self.variables)


class EnvironmentUserGrant(UserObjectPermissionBase):
    """A right of a user on one environment."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="user_grants")


class EnvironmentGroupGrant(GroupObjectPermissionBase):
    """A right of a group on one environment."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="group_grants")


class ApiToken(models.Model):
    """A key for programs. Only its SHA-256 is kept: a token has 256 random bits, so no slow hash is needed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=12, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("user", "-created_at")

    def __str__(self) -> str:
        return f"{self.hint}… ({self.user})"
