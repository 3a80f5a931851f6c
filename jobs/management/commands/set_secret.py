"""``manage.py set_secret NAME``: keep a secret that standard input brings, or delete one."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from jobs.actions.references import Referenced, references
from jobs.audit import Author
from jobs.models import AuditRecord, Project, Secret
from jobs.secrets import vault
from permissions.models import Environment

_AUTHOR: Final = Author("", AuditRecord.Source.COMMAND.value)


class Command(BaseCommand):
    """Sets a secret; its value is never shown again."""

    help = "Set the secret NAME to what standard input holds. Rules read it as secrets.NAME."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the name and who may read the secret."""
        parser.add_argument("name", metavar="NAME", help="name that rules read it by")
        parser.add_argument("--environment", metavar="CODE", help="only for jobs in this environment")
        parser.add_argument("--project", metavar="CODE", help="only for jobs of this project")
        parser.add_argument("--delete", action="store_true", help="delete it instead")

    @no_translations
    def handle(
        self,
        *args: Any,
        name: str,
        environment: str | None,
        project: str | None,
        delete: bool,
        **options: Any,
    ) -> None:
        """Set or delete it.

        Raises:
            CommandError: Something is unknown, or the value cannot be kept.
        """
        scope = vault.Scope(_environment(environment), _project(project))
        now = timezone.now()
        if delete:
            found = Secret.objects.filter(
                name=name, environment=scope.environment, project=scope.project
            ).first()
            if found and (named := references(found)):
                raise CommandError(str(Referenced(f"The secret {name}{scope}", named)))
            if not vault.forget(name, scope, by=_AUTHOR, now=now):
                raise CommandError(f"There is no secret {name}{scope}.")
            self.stdout.write(f"deleted {name}{scope}")
            return
        if mistake := vault.mistake_in_name(name):
            raise CommandError(f"{name!r} cannot be the name of a secret. {mistake}")
        try:
            is_new = vault.keep(name, _value(), scope, by=_AUTHOR, now=now)
        except vault.BadSecret as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{'set' if is_new else 'changed'} {name}{scope}")


def _environment(code: str | None) -> Environment | None:
    found = Environment.objects.filter(code=code).first() if code is not None else None
    if code is not None and found is None:
        raise CommandError(f"There is no environment {code}.")
    return found


def _project(code: str | None) -> Project | None:
    found = Project.objects.filter(code=code).first() if code is not None else None
    if code is not None and found is None:
        raise CommandError(f"There is no project {code}.")
    return found


def _value() -> str:
    """Return what standard input holds; a terminal shows nothing of it."""
    if sys.stdin.isatty():
        return getpass.getpass("Value: ")
    most = vault.LARGEST_BYTES + len("\r\n")
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise CommandError(vault.TOO_LARGE)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CommandError("A secret is a text in UTF-8.") from None
