"""The web application for ASGI servers."""

import os

import django

from clarive_monitor.bodies import BoundedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")
django.setup(set_prefix=False)

from jobs.api.stream import hub  # noqa: E402 - it needs Django to be set up
from jobs.stream.handler import Handler  # noqa: E402

application = BoundedBodies(Handler(hub))
