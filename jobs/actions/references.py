"""What refers to a row of the configuration, and deleting it when nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ForeignObjectRel, Q, QuerySet

from jobs.audit import together
from jobs.exceptions import JobError
from jobs.models import (
    Approval,
    ApprovalSignature,
    Job,
    Project,
    Secret,
    Semaphore,
    SemaphoreRequest,
    Subscription,
)
from jobs.secrets import credentials
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import AnyUser
from permissions.rights import Rights
from rules import selectors as rules
from rules.models import Rule

MOST_NAMED: Final = 20
EVERYTHING: Final = Rights(everything=True)

_OWNERS: Final[dict[type[models.Model], str]] = {ApprovalSignature: "approval__job"}
"""Where the job is that a row belongs to, when it is not in a field ``job``."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that refers to what is to be deleted."""

    kind: str
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class References:
    """What refers to something.

    Attributes:
        named: What the asker may know of, jobs first, newest first, at most ``MOST_NAMED``.
        others: Whether there are more, or some that the asker may not know of.
    """

    named: tuple[Reference, ...] = ()
    others: bool = False

    def __bool__(self) -> bool:
        """Return whether anything refers to it."""
        return bool(self.named) or self.others

    def words(self, most: int = 3) -> str:
        """Return an English list of a few of them: ``job N.PROD-00000001, rule web and others``."""
        words = [f"{each.kind} {each.name}" for each in self.named[:most]]
        if len(self.named) > most or self.others:
            return f"{', '.join(words)} and others" if words else "something that you may not see"
        return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


class Referenced(JobError):
    """It cannot be deleted: ``references`` says what refers to it, some of it when it is much."""

    code = "referenced"

    def __init__(self, name: str, references: References) -> None:
        verb = "refers" if len(references.named) == 1 and not references.others else "refer"
        super().__init__(f"{name} cannot be deleted: {references.words()} {verb} to it.")
        self.references = references


def delete(thing: models.Model, name: str, asker: AnyUser | None = None) -> None:
    """Delete a row that nothing refers to; what is only about it goes with it.

    Args:
        thing: The row.
        name: What errors call it.
        asker: Who may learn what refers to it; ``None`` for somebody at the shell, who may learn all of it.

    Raises:
        Referenced: Something refers to it.
    """
    # Django would read all that refers to it, which may be a million jobs, only to refuse.
    if found := references(thing, asker):
        raise Referenced(name, found)
    key = thing.pk
    try:
        with transaction.atomic(), together():
            thing.delete()
            # What began to refer to it meanwhile is found now, and not when the transaction ends.
            connection.check_constraints()
    except (models.ProtectedError, IntegrityError) as error:
        thing.pk = key
        raise Referenced(name, references(thing, asker)) from error


def references(thing: models.Model, asker: AnyUser | None = None) -> References:
    """Return what keeps a row from being deleted.

    Args:
        thing: The row.
        asker: Jobs of environments that this user may not see are not named; ``None`` sees all.
    """
    rights = EVERYTHING if asker is None else policy.rights_of(asker)
    found: dict[tuple[str, int], Reference] = {}
    others = False
    for rows in _referring(thing):
        visible, hidden = _by_visibility(rows, rights, asker)
        others = others or hidden
        for row in visible.order_by("-pk")[: MOST_NAMED + 1]:
            owner = _owner(row)
            kind = str(owner._meta.model_name)
            found.setdefault((kind, owner.pk), Reference(kind, owner.pk, str(owner)))
        if len(found) > MOST_NAMED:
            others = True
            break
    return References(tuple(found.values())[:MOST_NAMED], others)


def takes_hidden_along(thing: models.Model, asker: AnyUser) -> bool:
    """Return whether rows of environments that the asker may not see, or of all of them, would go with the row."""
    seen = policy.environment_filter(policy.rights_of(asker), Right.VIEW_MONITOR, "environment")
    return bool(seen) and any(
        each.related_model._base_manager.filter(**{each.field.name: thing}).exclude(seen).exists()
        for each in _relations(thing)
        if each.on_delete is models.CASCADE and _has(each.related_model, "environment")
    )


def _referring(thing: models.Model) -> Iterator[QuerySet[Any]]:
    """Yield the rows that refer to ``thing``, jobs first."""
    for relation in sorted(_protecting(thing), key=lambda each: each.related_model is not Job):
        yield relation.related_model._base_manager.filter(**{relation.field.name: thing})
    if isinstance(thing, Semaphore):
        yield SemaphoreRequest.objects.filter(semaphore=thing)
    elif isinstance(thing, Rule):
        # Jobs keep the versions of the rules that theirs called when they were created.
        yield Job.objects.filter(rule_pins__has_key=thing.slug)
        yield Rule.objects.filter(pk__in=rules.callers(thing.slug)).exclude(pk=thing.pk)
    elif isinstance(thing, Environment):
        yield Subscription.objects.filter(environments__contains=[thing.code])
    elif isinstance(thing, Project):
        yield Subscription.objects.filter(projects__contains=[thing.code])
    elif isinstance(thing, Secret):
        yield Project.objects.filter(pk__in=[each.pk for each in credentials.naming(thing)])
    elif isinstance(thing, User | Group):
        column, own = ("users", thing.get_username()) if isinstance(thing, User) else ("groups", thing.name)
        yield Subscription.objects.filter(**{f"{column}__contains": [own]})
        name = f"user:{thing.username}" if isinstance(thing, User) else f"group:{thing.name}"
        yield Approval.objects.filter(closed_at=None, approvers__contains=[name])
        yield Rule.objects.filter(pk__in=rules.asking(name))


def _protecting(thing: models.Model) -> list[Any]:
    """Return the foreign keys to the row that do not go with it, those without a name of their own included."""
    kept = {models.PROTECT, models.RESTRICT, models.DO_NOTHING}
    return [each for each in _relations(thing) if each.on_delete in kept]


def _relations(thing: models.Model) -> list[Any]:
    fields = thing._meta.get_fields(include_hidden=True)
    return [each for each in fields if isinstance(each, ForeignObjectRel)]


def _by_visibility(rows: QuerySet[Any], rights: Rights, asker: AnyUser | None) -> tuple[QuerySet[Any], bool]:
    """Return the rows that may be named, and whether there are others."""
    if rows.model is Subscription and not rights.everything:
        # They name people and programs of all environments.
        return rows.none(), rows.exists()
    if rows.model is Secret and asker is not None and not _sees_secrets(asker):
        return rows.none(), rows.exists()
    path = _path(rows.model)
    at = f"{path}__environment" if path else "environment"
    if rights.everything or not (path or _has(rows.model, "environment")):
        return rows, False
    seen: Q = policy.environment_filter(rights, Right.VIEW_MONITOR, at)
    if rows.model is Secret and seen:
        seen |= Q(environment=None)
    return rows.filter(seen), bool(seen) and rows.exclude(seen).exists()


def _sees_secrets(asker: AnyUser) -> bool:
    """Return whether the asker may see the names of secrets: those to whom the administration lists them."""
    return any(asker.has_perm(f"{Secret._meta.app_label}.{verb}_secret") for verb in ("view", "change"))


def _path(model: type[models.Model]) -> str:
    """Return the fields from a row to its job; empty when it has none."""
    return _OWNERS.get(model, "job" if _has(model, "job") else "")


def _has(model: type[models.Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).is_relation)
    except FieldDoesNotExist:
        return False


def _owner(row: Any) -> Any:
    for name in filter(None, _path(type(row)).split("__")):
        row = getattr(row, name)
    return row
