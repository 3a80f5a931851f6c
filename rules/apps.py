"""The app of rules: what a job executes."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RulesConfig(AppConfig):
    """Rules and the operations they may use."""

    name = "rules"
    verbose_name = _("Rules")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register our operations and those of installed third parties."""
        from rules import palette
        from rules.engine.registry import registry

        palette.load()
        registry.load_entry_points()
