"""``manage.py create_token USER``: a key for programs, printed alone on its line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from permissions import durations, tokens
from permissions.exceptions import TokenRefused
from permissions.models import User


def duration(text: str) -> timedelta:
    """Return what ``30d`` and the like stand for.

    Raises:
        ArgumentTypeError: It is no duration above zero, or a longer one than ten years.
    """
    try:
        return durations.parse(text, tokens.LONGEST_LIFE)
    except durations.NotADuration:
        most = durations.text(tokens.LONGEST_LIFE)
        reason = f"{text!r} is not a duration such as 90s, 15m, 12h or 30d, up to {most}"
        raise ArgumentTypeError(reason) from None


class Command(BaseCommand):
    """Makes a token; it cannot be read again."""

    help = "Make an API token for a user and print it. It is shown only this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the user and the token's name, life and limits."""
        parser.add_argument("user", metavar="USER", help="user name")
        parser.add_argument("--name", default="", help="what the token is for")
        parser.add_argument(
            "--expires",
            "--expires-in",
            dest="expires_in",
            type=duration,
            metavar="DURATION",
            help="life of the token, such as 30d",
        )
        parser.add_argument(
            "--right",
            dest="rights",
            action="append",
            metavar="RIGHT",
            help="limit the token to this right, such as view_monitor; may be given several times",
        )
        parser.add_argument(
            "--environment",
            dest="environments",
            action="append",
            metavar="CODE",
            help="limit the token to this environment; may be given several times",
        )

    @no_translations
    def handle(
        self,
        *args: Any,
        user: str,
        name: str,
        expires_in: timedelta | None,
        rights: list[str] | None,
        environments: list[str] | None,
        **options: Any,
    ) -> None:
        """Print the token alone on its line.

        Raises:
            CommandError: The user is unknown or inactive, or the name or a limit does not fit.
        """
        owner = User.objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"There is no user {user}.")
        if not owner.is_active:
            raise CommandError(f"The user {user} is inactive: a token would open nothing.")
        expires_at = timezone.now() + expires_in if expires_in else None
        try:
            token = tokens.issue(
                owner, name=name, expires_at=expires_at, rights=rights, environments=environments
            )
        except TokenRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
