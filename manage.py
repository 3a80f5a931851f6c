#!/usr/bin/env python
"""Management commands: ``.venv/bin/python manage.py help``."""

import gc
import os
import sys

from django.core.management import execute_from_command_line

from clarive_monitor.configuration import BadVariable
from jobs.acting import COMMAND, acting_as


def main() -> None:
    """Run the command given on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")
    # A command lives for seconds: looking for garbage after each 700 objects was two fifths of the time of `migrate`.
    gc.set_threshold(20_000, 20, 100)
    try:
        # Whatever a command changes in the configuration, also one of Django's own, is in the audit.
        with acting_as(COMMAND):
            execute_from_command_line(sys.argv)
    except BadVariable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
