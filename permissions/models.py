"""Users, environments, the rights between them, and API tokens."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Permission
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from permissions.catalog import LABELS, Right
from permissions.names import is_line, is_name
from permissions.rights import Limits
from permissions.variables import DEEPEST, bad_names, is_keepable

code_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z",
    _("Use letters, digits, dot, dash and underscore, and begin with a letter or digit."),
)
colour_validator = RegexValidator(r"^#[0-9a-fA-F]{6}\Z", _("Write the colour as #rrggbb."))


def validate_time_zone(name: str) -> None:
    """Refuse a name that is not in the tz database."""
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is not a time zone."), params={"name": name})


def check_variables(variables: Any, kept: Mapping[str, Any] | None = None) -> None:
    """Do nothing when these can be the variables of a row.

    Args:
        variables: All of them.
        kept: Those of the row as it is, whose names may stay whatever they are.

    Raises:
        ValidationError: They cannot; it is about the field ``variables``.
    """
    if not is_keepable(variables):
        message = _('Write a JSON object such as {"port": 8080}, nested at most %(depth)d deep.')
        raise ValidationError({"variables": ValidationError(message, params={"depth": DEEPEST})})
    if wrong := bad_names(variables, kept):
        message = _("%(name)s is not a name: use letters, digits and underscore.")
        raise ValidationError({"variables": ValidationError(message, params={"name": repr(wrong[0][:50])})})


def lines_wrong(row: models.Model, *fields: str) -> dict[str, Any]:
    """Return what is wrong with fields that are to be one line without control characters."""
    message = _("Write one line without control characters.")
    return {name: message for name in fields if not is_line(getattr(row, name))}


def kept_variables(row: models.Model) -> Mapping[str, Any]:
    """Return the variables of a row as it is saved, none while it is not."""
    found = type(row)._default_manager.filter(pk=row.pk).values_list("variables", flat=True).first()
    return found if isinstance(found, dict) else {}


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
    # Raising it ends all sessions of the user.
    session_generation = models.PositiveIntegerField(default=0, editable=False)

    limits: Limits | None = None
    """Of the API token that the user came with; ``None`` for a session, and for a token without limits."""
    until: datetime | None = None
    """When the API token ends that the user came with; ``None`` for a session, and for a token that does not end."""

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def save(self, *args: Any, **options: Any) -> None:
        """Save in a transaction, so that what listens writes in the same one; Django's own forms open none.

        Who is inactive has no sessions, and those of before do not come back when the user is active again.
        """
        updated = options.get("update_fields")
        is_old = not self._state.adding and not args and not options.get("force_insert")
        if updated is None and is_old:
            # It only ever rises: what was read earlier must not bring sessions back that were ended meanwhile.
            deferred = self.get_deferred_fields() | {"session_generation"}
            columns = [field for field in self._meta.concrete_fields if not field.primary_key]
            options["update_fields"] = [field.name for field in columns if field.attname not in deferred]
        with transaction.atomic():
            super().save(*args, **options)
            if is_old and not self.is_active and (updated is None or "is_active" in updated):
                self.raise_session_generation()
                self.refresh_from_db(fields=["session_generation"])

    def clean(self) -> None:
        """Refuse names that could be taken for another's, of new users, and control characters.

        Raises:
            ValidationError: By field.
        """
        super().clean()
        errors = lines_wrong(self, "first_name", "last_name")
        if self._state.adding and self.username and not is_name(self.username):
            errors["username"] = _("A name is more than dots.")
        elif self._state.adding and User.objects.filter(username__iexact=self.username).exists():
            errors["username"] = _("There is a user of this name, perhaps in other letters' case.")
        if errors:
            raise ValidationError(errors)

    def raise_session_generation(self) -> None:
        """End all sessions of the user, each at its next request."""
        User.objects.filter(pk=self.pk).update(session_generation=models.F("session_generation") + 1)

    @property
    def administers(self) -> bool:
        """Whether the user may change what belongs to no environment: a superuser, and not through a limited token."""
        return self.is_active and self.is_superuser and self.limits is None

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return whether the user holds a permission of the admin: none through a limited token."""
        return self.limits is None and super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        """Return whether the user holds any permission of the admin in an app: none through a limited token."""
        return self.limits is None and super().has_module_perms(app_label)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Return what sessions are checked against: it changes with the password, and when all sessions are ended."""
        of_password: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        return f"{of_password}{self.session_generation:x}" if self.session_generation else of_password


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
        """Refuse what are no variables, and a name of several lines."""
        if errors := lines_wrong(self, "name"):
            raise ValidationError(errors)
        check_variables(self.variables, kept_variables(self))


class EnvironmentUserGrant(UserObjectPermissionBase):
    """A right of a user on one environment."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="user_grants")

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("right of a user")
        verbose_name_plural = _("rights of users")

    def __str__(self) -> str:
        return _in_words(f"user:{self.user}", self.permission, self.content_object)


class EnvironmentGroupGrant(GroupObjectPermissionBase):
    """A right of a group on one environment."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="group_grants")

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("right of a group")
        verbose_name_plural = _("rights of groups")

    def __str__(self) -> str:
        return _in_words(f"group:{self.group}", self.permission, self.content_object)


def _in_words(principal: str, permission: Permission, environment: Environment) -> str:
    """Return a grant as lists name it."""
    return f"{principal}: {permission.codename} ({environment})"


class ApiToken(models.Model):
    """A key for programs. Only its SHA-256 is kept: a token has 256 random bits, so no slow hash is needed."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=12, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    rights = models.JSONField(_("rights"), null=True, blank=True)
    """Names of the rights that it is limited to; ``None`` for no limit."""
    environments = models.JSONField(_("environments"), null=True, blank=True)
    """Codes of the environments that it is limited to; ``None`` for no limit."""

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("user", "-created_at")
        constraints = tuple(
            models.CheckConstraint(
                name=f"api_token_{name}_are_a_list_or_no_limit",
                # Only a list contains the empty list.
                condition=models.Q(**{f"{name}__isnull": True}) | models.Q(**{f"{name}__contains": []}),
            )
            for name in ("rights", "environments")
        )

    def __str__(self) -> str:
        return f"{self.hint}… ({self.user})"

    @property
    def limits(self) -> Limits | None:
        """What it is limited to; ``None`` when it opens all that its user may open."""
        return Limits.of(self.rights, self.environments)


class ExternalIdentity(models.Model):
    """Who a user is elsewhere: at an OpenID Connect provider or in a directory.

    Found by issuer and subject, which never change hands there; names and addresses do.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities", verbose_name=_("user")
    )
    issuer = models.CharField(
        _("issuer"),
        max_length=300,
        help_text=_("The address of the provider, or ldap: and the base of the directory's users."),
    )
    subject = models.CharField(
        _("subject"), max_length=255, help_text=_("What the issuer calls the person, and never anybody else.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("identity elsewhere")
        verbose_name_plural = _("identities elsewhere")
        ordering = ("user", "issuer")
        constraints = (
            models.UniqueConstraint(fields=["issuer", "subject"], name="external_identity_has_one_user"),
            models.UniqueConstraint(fields=["user", "issuer"], name="external_identity_one_per_issuer"),
        )

    def __str__(self) -> str:
        return f"{self.subject} ({self.issuer})"


class ResetRequest(models.Model):
    """That somebody asked for a new password, kept for an hour to bound how often; the e-mail only as a digest."""

    at = models.DateTimeField(db_index=True)
    address = models.GenericIPAddressField(null=True)
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.address or ''}"
