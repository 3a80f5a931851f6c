"""The wiring as an app of its own."""

from importlib import import_module

from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class AdministrationConfig(AdminConfig):
    """The administration, on the product's own site."""

    default_site = "clarive_monitor.administration.Administration"


class WiringConfig(AppConfig):
    """Makes the Celery application known in every process that sets Django up."""

    name = "clarive_monitor"

    def ready(self) -> None:
        """Import the Celery application, so that tasks are sent with its settings."""
        import_module("clarive_monitor.celery")


class SignInsConfig(AxesConfig):  # type: ignore[misc]
    """django-axes under a name that says what it keeps."""

    verbose_name = _("Sign-ins")
