"""The Celery application; importing it makes it the default one of the process."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_init
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")

app = Celery("clarive_monitor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_arguments: Any) -> None:
    """Leave logging as Django has set it up; that somebody listens keeps Celery from replacing it."""


@task_prerun.connect
def look_at_connections(**_arguments: Any) -> None:
    """Have connections that the worker has kept looked at before their first use by a task, as Django does for requests."""
    close_old_connections()


@worker_init.connect
def share_what_is_loaded(**_arguments: Any) -> None:
    """Leave all that is loaded out of garbage collection, before the worker forks its children.

    A collection writes to each object that it looks at, and with that to the memory that parent and children share.
    """
    gc.freeze()
