"""The app of jobs: their life, execution, pages and API."""

from importlib import import_module
from typing import Final

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

ACTIONS: Final = ("rerun", "reschedule", "cancel", "approve", "trap", "rollback", "delete", "comment", "hold")
"""Modules of ``jobs.actions`` that register what people do, in the order in which it is offered."""


class JobsConfig(AppConfig):
    """The pase."""

    name = "jobs"
    verbose_name = _("Jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register every action, tell who is named as an approver, and follow what is changed in the configuration."""
        for name in ACTIONS:
            import_module(f"jobs.actions.{name}")
        import_module("permissions.delegation").ask_for_approvers(import_module("jobs.waits").approvers)
        import_module("jobs.settings_audit").connect()
        import_module("jobs.schedule_mirror").connect()
