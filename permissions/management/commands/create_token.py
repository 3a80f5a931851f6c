"""``manage.py create_token USER``: a key for programs, printed alone on its line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from permissions import tokens
from permissions.models import ApiToken, User

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST: Final = timedelta(days=3650)


def duration(text: str) -> timedelta:
    """Return what ``30d`` and the like stand for.

    Raises:
        ArgumentTypeError: It is no duration above zero, or a longer one than ten years.
    """
    number, unit = text[:-1], text[-1:]
    if unit in _UNIT_SECONDS and number.isascii() and number.isdecimal() and len(number) < 10:
        found = timedelta(seconds=int(number) * _UNIT_SECONDS[unit])
        if timedelta(0) < found <= _MOST:
            return found
    raise ArgumentTypeError(f"{text!r} is not a duration such as 90s, 15m, 12h or 30d, up to 3650d")


class Command(BaseCommand):
    """Makes a token; it cannot be read again."""

    help = "Make an API token for a user and print it. It is shown only this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the user and the token's name and life."""
        parser.add_argument("user", metavar="USER", help="user name")
        parser.add_argument("--name", default="", help="what the token is for")
        parser.add_argument(
            "--expires-in", type=duration, metavar="DURATION", help="life of the token, such as 30d"
        )

    @no_translations
    def handle(self, *args: Any, user: str, name: str, expires_in: timedelta | None, **options: Any) -> None:
        """Print the token alone on its line.

        Raises:
            CommandError: The user is unknown or inactive, or the name too long.
        """
        longest = ApiToken._meta.get_field("name").max_length or 0
        if len(name) > longest or "\0" in name:
            raise CommandError(f"The name may have at most {longest} characters.")
        owner = User.objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"There is no user {user}.")
        if not owner.is_active:
            raise CommandError(f"The user {user} is inactive: a token would open nothing.")
        expires_at = timezone.now() + expires_in if expires_in else None
        self.stdout.write(tokens.issue(owner, name=name, expires_at=expires_at))
