"""The database that migrations make, made once for all processes of a run, which copy it.

Migrating takes fifteen seconds of a core. With pytest-xdist the controller has it done while the workers, which cannot
do without a database, still collect their tests.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

NAME: Final = "template_of_tests"
MOST_SECONDS: Final = 300.0


def begin(home: Path) -> subprocess.Popen[bytes]:
    """Have it made by a process of its own.

    Args:
        home: Of the servers; what has become of it is written there.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "tests.template", str(home)], cwd=Path(__file__).parents[1]
    )


def is_made(home: Path) -> bool:
    """Wait until it is made, and return whether it is; one who cannot have it migrates, and shows why that fails."""
    until = time.monotonic() + MOST_SECONDS
    while time.monotonic() < until:
        if (note := _note(home)).exists():
            return note.read_text() == NAME
        time.sleep(0.1)
    return False


def _note(home: Path) -> Path:
    return home / "template"


def main(home: Path) -> None:
    """Make it."""
    made = ""
    # Each migration makes models anew, which only the collector of garbage takes away; looking less often is quicker.
    gc.set_threshold(20_000, 20, 100)
    try:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")
        import django

        django.setup()
        from django.db import connection

        connection.settings_dict["TEST"]["NAME"] = NAME
        connection.creation.create_test_db(verbosity=0, serialize=False)
        # Nobody can copy a database that somebody is in.
        connection.close()
        made = NAME
    finally:
        unfinished = _note(home).with_suffix(".new")
        unfinished.write_text(made)
        unfinished.replace(_note(home))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
