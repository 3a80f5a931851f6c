"""The wiring as an app of its own."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class WiringConfig(AppConfig):
    """Makes the Celery application known in every process that sets Django up."""

    name = "clarive_monitor"

    def ready(self) -> None:
        """Import the Celery application, so that tasks are sent with its settings."""
        import_module("clarive_monitor.celery")


class AdministrationConfig(AdminConfig):
    """Django's administration with a site of ours."""

    default_site = "jobs.admin_site.Administration"
