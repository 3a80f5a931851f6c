"""``manage.py apply FILE…``: configuration from YAML documents, all or nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import read_sources
from jobs.configuration.problems import ConfigurationInvalid, Problems


class Command(BaseCommand):
    """Reads documents and names what changed, a line each."""

    help = "Make environments, projects, natures, groups, users, grants and rules what YAML documents say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare files and switches."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML document; - is standard input")
        parser.add_argument(
            "--prune", action="store_true", help="also remove what the kinds in the documents do not name"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")

    @no_translations
    def handle(self, *args: Any, files: list[str], prune: bool, dry_run: bool, **options: Any) -> None:
        """Apply the documents.

        Raises:
            CommandError: There are mistakes; every one has its line.
        """
        problems = Problems()
        try:
            sources = read_sources(files, problems)
            problems.raise_if_any()
            lines = apply_documents(sources, now=timezone.now(), prune=prune, dry_run=dry_run)
        except ConfigurationInvalid as error:
            raise CommandError(str(error)) from None
        for line in lines or ["nothing to change"]:
            self.stdout.write(line)
        if dry_run and lines:
            self.stderr.write("This was a dry run: nothing was changed.")
