"""Rules and their versions."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

slug_validator = RegexValidator(
    r"^[a-z0-9][a-z0-9_-]*\Z",
    _("Use lower-case letters, digits, dash and underscore, and begin with a letter or digit."),
)


class Rule(models.Model):
    """A rule by its slug, which is the ``name`` in its source.

    What it does is in its versions; the highest number is the current one.
    """

    slug = models.CharField(_("name"), max_length=100, unique=True, validators=[slug_validator])
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class RuleVersion(models.Model):
    """One saved source of a rule. It never changes: jobs pin it. A trigger in the database refuses updates."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    source = models.TextField(_("source"))
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    comment = models.TextField(_("comment"), blank=True)
    operations = models.PositiveIntegerField(_("operations"), default=0)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("rule version")
        verbose_name_plural = _("rule versions")
        ordering = ("rule", "-number")
        constraints = (models.UniqueConstraint(fields=("rule", "number"), name="rule_version_number_unique"),)

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"
