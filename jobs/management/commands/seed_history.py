"""``manage.py seed_history``: fill a database with made-up jobs, for measuring and trying out."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import connection
from django.utils import timezone

from jobs.models import Job
from jobs.seeding import lives, loading
from jobs.seeding.loading import Wish


class Command(BaseCommand):
    """Makes jobs as years of work would have left them, quickly. Nothing of it can be taken back but with the database."""

    help = (
        "Fill a database with made-up jobs of several years: environments, projects, rules, people, natures and jobs in all "
        "statuses, a few of them not ended. For measuring and trying out, never for an installation that people use. "
        "Says what it would do; does it with --yes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare how many, and how sure the asker is."""
        parser.add_argument("--jobs", type=int, required=True, metavar="N", help="how many")
        parser.add_argument("--seed", type=int, default=1, help="the same one makes the same jobs")
        parser.add_argument("--until", metavar="TIME", help="end of the past, in ISO 8601; the present")
        parser.add_argument("--days", type=int, default=3 * 365, help="how long the past is")
        parser.add_argument(
            "--detailed", type=int, metavar="N", default=20_000,
            help="so many of the newest jobs, and all that have not ended, have steps, operations and contents too",
        )  # fmt: skip
        parser.add_argument(
            "--logs", type=int, metavar="PERCENT", default=1, help="how many of a hundred have a log"
        )
        parser.add_argument("--yes", action="store_true", help="do it")
        parser.add_argument("--add", action="store_true", help="also where there are jobs already")

    @no_translations
    def handle(self, *args: Any, yes: bool = False, add: bool = False, **options: Any) -> None:
        """Make them.

        Raises:
            CommandError: A number or time is not usable, there are jobs already, or nobody said that it should be done.
        """
        wish = _wish(options)
        where = f"{connection.settings_dict['NAME']} at {connection.settings_dict['HOST'] or 'localhost'}"
        there = Job.objects.order_by("-pk").exists()
        if there and not add:
            raise CommandError(f"The database {where} has jobs. Give an empty one, or say --add.")
        what = (
            f"{wish.jobs:,} made-up jobs, {lives.ENVIRONMENTS} environments, {lives.PROJECTS} projects, "
            f"{lives.RULES} rules and {lives.USERS} users who cannot sign in, in the database {where}"
        )
        if not yes:
            raise CommandError(f"This would make {what}. Nothing was done: say --yes to do it.")
        talks = int(options["verbosity"]) > 0
        if talks:
            self.stdout.write(f"Making {what}.")
        begun = time.perf_counter()
        loading.load(wish, (lambda done: self.stdout.write(f"{done:,}")) if talks else (lambda done: None))
        loading.tidy()
        seconds = time.perf_counter() - begun
        if talks:
            self.stdout.write(f"Done in {seconds:.1f} s: {wish.jobs / seconds:,.0f} jobs a second.")


def _wish(options: dict[str, Any]) -> Wish:
    if (
        options["jobs"] < 1
        or options["days"] < 1
        or options["detailed"] < 0
        or not 0 <= options["logs"] <= 100
    ):
        raise CommandError(
            "Give at least one job and one day, no negative number, and at most 100 for --logs."
        )
    try:
        until = datetime.fromisoformat(options["until"]) if options["until"] else timezone.now()
    except ValueError as error:
        raise CommandError(f"Not a time: {options['until']}.") from error
    until = until.replace(tzinfo=until.tzinfo or UTC, microsecond=0)
    return Wish(
        options["jobs"], options["seed"], until, options["days"], options["detailed"], options["logs"]
    )
