"""Secrets in the database: kept, taken out for a job, sealed again under a new key."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from jobs import audit
from jobs.models import Project, Secret
from jobs.plain_data import mistake_in_text
from jobs.secrets.forms import SHORTEST
from jobs.secrets.masking import Mask
from jobs.secrets.sealing import CannotOpen, KeyRing
from permissions.models import Environment
from rules.engine.names import is_identifier

LARGEST_BYTES: Final = 64 * 1024
TOO_LARGE: Final = f"A secret has at most {LARGEST_BYTES // 1024} KiB."


@dataclass(frozen=True, slots=True)
class Opened:
    """The secrets of one job.

    Attributes:
        values: By name, of those that could be opened, the strongest scope of each name.
        unreadable: Names that no key opens.
        mask: Hides all values, also those of weaker scopes.
    """

    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    unreadable: tuple[str, ...] = ()
    mask: Mask = field(default_factory=Mask)

    @property
    def warnings(self) -> list[str]:
        """What the log says of those that cannot be opened; an operation that reads one fails."""
        return [
            f"The secret {name} cannot be decrypted with the present keys: set it again."
            for name in self.unreadable
        ]


NONE: Final = Opened()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which jobs may read a secret: all, or those in an environment, of a project, or both."""

    environment: Environment | None = None
    project: Project | None = None

    def __str__(self) -> str:
        """Return it in words, for the audit."""
        where = f" in {self.environment.code}" if self.environment else ""
        return where + (f" of {self.project.code}" if self.project else "")


class BadSecret(ValueError):
    """A name or value that cannot be kept. The message never holds the value.

    Attributes:
        field: ``name`` or ``value``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def key_ring() -> KeyRing:
    """Return the keys of the settings."""
    return _key_ring(tuple(settings.CLARIVE_SECRETS_KEYS))


@lru_cache(maxsize=4)
def _key_ring(keys: tuple[str, ...]) -> KeyRing:
    return KeyRing(keys)


def open_for(environment_id: int | None, project_id: int | None) -> Opened:
    """Return the secrets that jobs in an environment, of a project or of none, may read.

    While no environment is known (``None``) these are the secrets for all environments.
    Stronger scopes hide weaker ones as with variables: for all < project < environment < project in the environment.
    """
    rows = Secret.objects.filter(
        Q(environment=None) | Q(environment_id=environment_id), Q(project=None) | Q(project_id=project_id)
    )
    ring = key_ring()
    values: dict[str, str] = {}
    unreadable: set[str] = set()
    every: list[str] = []
    for row in sorted(rows, key=_strength):
        try:
            values[row.name] = ring.open(bytes(row.ciphertext), row.identity)
        except CannotOpen:
            # A weaker one of the same name is another secret, not a substitute.
            values.pop(row.name, None)
            unreadable.add(row.name)
        else:
            every.append(values[row.name])
            unreadable.discard(row.name)
    return Opened(MappingProxyType(values), tuple(sorted(unreadable)), Mask(every)) if rows else NONE


def mask_of(project_id: int) -> Mask:
    """Return what hides every secret that jobs of a project may read, in whatever environment."""
    ring = key_ring()
    found: list[str] = []
    for row in Secret.objects.filter(Q(project=None) | Q(project_id=project_id)):
        with contextlib.suppress(CannotOpen):
            found.append(ring.open(bytes(row.ciphertext), row.identity))
    return Mask(found)


def _strength(row: Secret) -> tuple[bool, bool]:
    return row.environment_id is not None, row.project_id is not None


def mistake_in_name(name: str) -> str | None:
    """Return why a secret cannot be called so, ``None`` when it can."""
    if is_identifier(name):
        return None
    return "Use letters, digits and _, begin with a letter, at most 64; words of the language such as if are taken."


def mistake_in_value(value: str) -> str | None:
    """Return why a value cannot be kept, ``None`` when it can. The answer does not hold the value."""
    if mistake := mistake_in_text(value):
        return mistake
    if len(value.encode()) > LARGEST_BYTES:
        return TOO_LARGE
    if len(value.strip()) < SHORTEST:
        return (
            f"A secret has at least {SHORTEST} characters: hiding a shorter one would make logs unreadable."
        )
    if not value.strip().strip("*"):
        return "A secret of asterisks alone cannot be hidden."
    return None


def normal(value: str) -> str:
    """Return a value as it is kept: line feeds alone end lines, and a single line has none at its end."""
    value = value.replace("\r\n", "\n")
    return value[:-1] if value.endswith("\n") and value.count("\n") == 1 else value


@transaction.atomic
def keep(name: str, value: str, scope: Scope, *, by: audit.Author, now: datetime) -> bool:
    """Keep a secret and record who did; return whether it is a new one.

    Args:
        name: As rules read it.
        value: In the clear.
        scope: Who may read it.
        by: Who sets it.
        now: The present.

    Raises:
        BadSecret: The name or the value cannot be kept.
    """
    value = normal(value)
    if mistake := mistake_in_name(name):
        raise BadSecret("name", mistake)
    if mistake := mistake_in_value(value):
        raise BadSecret("value", mistake)
    found = Secret(name=name, environment=scope.environment, project=scope.project)
    sealed = key_ring().seal(value, found.identity)
    _row, is_new = Secret.objects.update_or_create(
        name=name,
        environment=scope.environment,
        project=scope.project,
        defaults={"ciphertext": sealed, "changed_at": now, "changed_by": by.name},
    )
    _record("set_secret", name, scope, by, now)
    return is_new


@transaction.atomic
def forget(name: str, scope: Scope, *, by: audit.Author, now: datetime) -> bool:
    """Delete a secret and record who did; return whether there was one."""
    found = Secret.objects.filter(name=name, environment=scope.environment, project=scope.project)
    count, _by_model = found.delete()
    if count:
        _record("delete_secret", name, scope, by, now)
    return count > 0


def _record(action: str, name: str, scope: Scope, by: audit.Author, now: datetime) -> None:
    environment = scope.environment.code if scope.environment else ""
    audit.record_setting(by, action, now=now, environment=environment, comment=f"{name}{scope}")


@transaction.atomic
def rotate() -> tuple[int, list[str]]:
    """Seal every secret anew under the first key; return how many, and those that no key opens."""
    ring = key_ring()
    count, lost = 0, []
    for row in Secret.objects.select_for_update(of=("self",)).select_related("environment", "project"):
        try:
            row.ciphertext = ring.seal(ring.open(bytes(row.ciphertext), row.identity), row.identity)
        except CannotOpen:
            lost.append(str(row))
        else:
            row.save(update_fields=("ciphertext",))
            count += 1
    return count, lost
