"""``manage.py state_diagram``: writes docs/state_machine.md from the table, or checks that it is current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.diagrams import document


class Command(BaseCommand):
    """Write the document of the state machine."""

    help = "Write docs/state_machine.md from jobs/lifecycle.py."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--check``."""
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; fail when the document is stale."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or check."""
        path = Path(settings.BASE_DIR) / "docs" / "state_machine.md"
        wanted = document()
        current = path.read_text() if path.is_file() else ""
        if options["check"]:
            if current != wanted:
                raise CommandError("docs/state_machine.md is stale: run manage.py state_diagram.")
            return
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted)
        self.stdout.write("docs/state_machine.md " + ("is current." if current == wanted else "was written."))
