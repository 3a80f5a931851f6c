"""The Celery application; importing it makes it the default one of the process."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")

app = Celery("clarive_monitor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_arguments: Any) -> None:
    """Leave logging as Django has set it up; that somebody listens keeps Celery from replacing it."""
