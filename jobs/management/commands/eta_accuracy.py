"""``manage.py eta_accuracy``: how good the estimates of remaining work were."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from jobs import durations
from jobs.eta.accuracy import score, table
from permissions.models import Environment
from rules.models import Rule


class Command(BaseCommand):
    """Prints how often the range was right, and how far its middle was off beside simple rivals."""

    help = "Say how good the estimates of remaining work were, against three simple rivals."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what it may be narrowed to."""
        parser.add_argument("--rule", metavar="SLUG", help="only jobs of this rule")
        parser.add_argument("--environment", metavar="CODE", help="only jobs in this environment")

    @no_translations
    def handle(
        self, *args: Any, rule: str | None = None, environment: str | None = None, **options: Any
    ) -> None:
        """Print the table.

        Raises:
            CommandError: There is no such rule or environment.
        """
        rule_id = Rule.objects.filter(slug=rule).values_list("pk", flat=True).first() if rule else None
        places = Environment.objects.filter(code__iexact=environment or "").values_list("pk", flat=True)
        environment_id = places.first() if environment else None
        if rule and rule_id is None:
            raise CommandError(f"There is no rule {rule!r}.")
        if environment and environment_id is None:
            raise CommandError(f"There is no environment {environment!r}.")
        said = durations.answers(rule_id, environment_id)
        self.stdout.write(table(score(said)) if said else "No job that was estimated has finished yet.")
