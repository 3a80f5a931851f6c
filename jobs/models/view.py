"""Views of the monitor that people keep."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Sharing(models.TextChoices):
    """Who else has a view."""

    NOBODY = "nobody", _("Only me")
    GROUP = "group", _("A group")
    EVERYONE = "everyone", _("Everyone")


class SavedView(models.Model):
    """A way to look at the monitor: filters, order, columns and groups under a name.

    It holds no job and gives no right: whoever opens it sees their own jobs.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="saved_views",
        db_index=False,
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    query = models.TextField(
        _("parameters"), blank=True, help_text=_("Of the monitor's address, in one order for the same view.")
    )
    sharing = models.CharField(
        _("shared with"), max_length=10, choices=Sharing.choices, default=Sharing.NOBODY.value
    )
    group = models.ForeignKey(
        Group,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="saved_views",
        verbose_name=_("group"),
    )
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        default_permissions = ("change",)
        indexes = (models.Index("id", name="saved_view_of_everyone", condition=Q(sharing="everyone")),)
        constraints = (
            models.UniqueConstraint("owner", Lower("name"), name="saved_view_once_per_owner"),
            models.CheckConstraint(name="saved_view_has_a_name", condition=~Q(name="")),
            models.CheckConstraint(name="saved_view_sharing_known", condition=Q(sharing__in=Sharing.values)),
            # A view whose group is gone is shared with nobody until its owner says otherwise.
            models.CheckConstraint(
                name="saved_view_group_only_when_shared_with_one",
                condition=Q(sharing="group") | Q(group__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return self.name


class UsualView(models.Model):
    """The view that the monitor opens with for a user."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.view_id}"
