"""The app of users, environments and rights."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PermissionsConfig(AppConfig):
    """Who may do what, in which environment."""

    name = "permissions"
    verbose_name = _("Environments and rights")
    default_auto_field = "django.db.models.BigAutoField"
