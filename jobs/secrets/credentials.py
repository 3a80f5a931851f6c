"""What opens the repository of a project: the secret that the project names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.db.models import Q

from jobs.addresses import Account, is_ssh, user_of
from jobs.lending import Credential, Key
from jobs.models import Project, Secret
from jobs.secrets import vault
from jobs.secrets.sealing import CannotOpen

USER: Final = "git"
"""Who is said to come when neither the project nor its address says so: where a token opens, any name will do."""


def secret_of(name: str, project_id: int | None) -> Secret | None:
    """Return the secret that a project of this key means by ``name``: its own, else that of all jobs everywhere.

    A repository belongs to no environment, so secrets of one do not count.
    """
    own = Q(project=None) | Q(project_id=project_id) if project_id else Q(project=None)
    rows = Secret.objects.filter(own, name=name, environment=None)
    return max(rows, key=lambda row: row.project_id is not None, default=None)


def naming(secret: Secret) -> list[Project]:
    """Return the projects whose repository would not be opened, or not as now, without the secret."""
    if secret.environment_id is not None:
        return []
    named = Project.objects.filter(credential=secret.name)
    if secret.project_id is not None:
        return list(named.filter(pk=secret.project_id))
    own = Secret.objects.filter(name=secret.name, environment=None, project__isnull=False)
    return list(named.exclude(pk__in=own.values("project")))


def credential_of(project: Project, known_hosts: Path) -> Credential | None:
    """Return what opens the repository of ``project``, ``None`` when it names no secret. At most one query.

    Args:
        project: Saved.
        known_hosts: The file of the keys by which hosts are known.
    """
    if not project.credential:
        return None
    identity = f"{project.pk}:{project.username}:{project.credential}"
    try:
        opens, problem = _opened(project, known_hosts), ""
    except _Unusable as error:
        opens, problem = None, str(error)
    return Credential(project.code, project.credential, identity, opens, problem)


class _Unusable(Exception):
    """Why the secret opens nothing; the message never holds the value."""


def _opened(project: Project, known_hosts: Path) -> Account | Key:
    row = secret_of(project.credential, project.pk)
    if row is None:
        raise _Unusable(
            f"The project {project.code} names the secret {project.credential}, which is not set."
        )
    named = f"The secret {row.name}, which the project {project.code} names,"
    try:
        value = vault.key_ring().open(bytes(row.ciphertext), row.identity)
    except CannotOpen:
        raise _Unusable(f"{named} cannot be decrypted with the present keys: set it again.") from None
    if is_ssh(project.repository):
        if not ("-----BEGIN " in value and "PRIVATE KEY-----" in value):
            raise _Unusable(f"{named} is no private key, as an ssh address needs it.")
        return Key(value, known_hosts)
    user = project.username or user_of(project.repository) or USER
    account = Account.at(project.repository, user, value)
    if account is None:
        raise _Unusable(f"{named} opens nothing: the repository has no address by https, http or ssh.")
    if not account.is_sayable():
        raise _Unusable(f"{named} holds a control character, so it can be no password.")
    return account
