"""``manage.py clarive_setup``: the administrator and, when asked for, the demo. Running it again changes nothing."""

from __future__ import annotations

import ipaddress
import json
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import transaction
from django.utils import timezone

from clarive_monitor.sign_in import SignIn
from demo.repository import RepositoryNotMade
from demo.setup import set_up
from jobs.configuration.problems import ConfigurationInvalid
from permissions.models import User


class Command(BaseCommand):
    """Makes what a new installation needs to be signed in to; passwords go to the sign-in file alone."""

    help = "Make the administrator and the demo, unless they are there."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and print a last line of JSON: whom it made and where the passwords are.

        Raises:
            CommandError: The administrator's name or password cannot be used, or the demo cannot be made.
        """
        kept = SignIn(settings.CONFIGURATION.layout.sign_in)
        try:
            with transaction.atomic():
                made = _administrator(kept)
                if settings.CLARIVE_DEMO:
                    made |= _demo(kept, now=timezone.now())
                # Before the commit: a user whose password nobody knows would be of no use.
                kept.keep(made)
        except (RepositoryNotMade, ConfigurationInvalid) as error:
            raise CommandError(f"The demo cannot be made: {error}") from None
        self.stdout.write(
            json.dumps({"created": sorted(made), "sign_in": str(settings.CONFIGURATION.layout.sign_in)})
        )


def _administrator(kept: SignIn) -> dict[str, str]:
    """Make the administrator unless a user of that name exists; return its name and password."""
    name = settings.CLARIVE_ADMIN_USER
    if User.objects.filter(username=name).exists():
        return {}
    user = User(username=name, is_staff=True, is_superuser=True)
    password = settings.CLARIVE_ADMIN_PASSWORD or kept.password_of(name) or _new_password()
    if settings.CLARIVE_ADMIN_PASSWORD and not _is_loopback(settings.CONFIGURATION.host):
        _refuse_weak(password, user)
    user.set_password(password)
    try:
        user.full_clean(exclude={"email"})
    except ValidationError as error:
        raise CommandError(f"CLARIVE_ADMIN_USER cannot be used: {' '.join(error.messages)}") from None
    user.save()
    return {name: password}


def _new_password() -> str:
    """Return a password that can be written after ``--password``: it begins with no hyphen."""
    return secrets.token_hex(10)


def _refuse_weak(password: str, user: User) -> None:
    """Hold the first password to the rules where others can reach the pages."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(f"CLARIVE_ADMIN_PASSWORD cannot be used: {' '.join(error.messages)}") from None


def _demo(kept: SignIn, *, now: datetime) -> dict[str, str]:
    """Make the demo; its users have simple passwords only where nobody else can reach the pages."""

    def password_of(name: str) -> str:
        if _is_loopback(settings.CONFIGURATION.host):
            return f"clarive-{name}"
        return kept.password_of(name) or _new_password()

    return set_up(settings.CLARIVE_HOME, password_of, now=now)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
