"""The web application for ASGI servers."""

import os

from django.core.asgi import get_asgi_application

from clarive_monitor.bodies import BoundedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")

application = BoundedBodies(get_asgi_application())
