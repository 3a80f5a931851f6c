"""``manage.py apply FILE…``: configuration from YAML documents, all or nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from jobs.acting import COMMAND, Author
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import read_sources
from jobs.configuration.problems import ConfigurationInvalid, Problems
from permissions.models import User


class Command(BaseCommand):
    """Reads documents and names what changed, a line each."""

    help = (
        "Make the configuration what YAML documents say, all of it or nothing; export writes such documents."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare files and switches."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML document; - is standard input")
        parser.add_argument(
            "--prune", action="store_true", help="also remove what the kinds in the documents do not name"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
        parser.add_argument("--user", metavar="USERNAME", help="who applies them, for the audit")

    @no_translations
    def handle(
        self,
        *args: Any,
        files: list[str],
        prune: bool,
        dry_run: bool,
        user: str | None = None,
        **options: Any,
    ) -> None:
        """Apply the documents.

        Raises:
            CommandError: There are mistakes, every one with its line, or no such user.
        """
        notes: list[str] = []
        author = _author(user)
        problems = Problems()
        try:
            sources = read_sources(files, problems)
            problems.raise_if_any()
            lines = apply_documents(
                sources, now=timezone.now(), prune=prune, dry_run=dry_run, author=author, notes=notes
            )
        except ConfigurationInvalid as error:
            raise CommandError(str(error)) from None
        for line in lines or ["nothing to change"]:
            self.stdout.write(line)
        for note in notes:
            self.stdout.write(f"note: {note}")
        if dry_run and lines:
            self.stderr.write("This was a dry run: nothing was changed.")


def _author(username: str | None) -> Author:
    """Return who applies: a user of the installation, or somebody at the shell."""
    if username is None:
        return COMMAND
    if not User.objects.filter(username=username).exists():
        raise CommandError(f"There is no user {username}.")
    return Author(username, COMMAND.source)
