"""Writing environments, projects and natures, by administrators: created, changed and deleted one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db import IntegrityError, models, transaction

from jobs.actions import references, rows
from jobs.audit import together
from jobs.exceptions import InvalidInput, JobError
from jobs.models import Nature, Project, ProjectEnvironment
from permissions import locks
from permissions.models import Environment, User

Thing = TypeVar("Thing", Environment, Project, Nature)


class CodeTaken(JobError):
    """There is one with this code, perhaps in other letters' case."""

    code = "code_taken"

    def __init__(self, taken: str) -> None:
        super().__init__(f"The code {taken} is taken; codes differ in more than their letters' case.")
        self.taken = taken


def create(thing: Thing, actor: User, variables: Mapping[str, Any] | None = None) -> Thing:
    """Save a new environment, project or nature.

    Args:
        thing: Not saved yet.
        actor: Who does it; an administrator.
        variables: Of a project, by environment code.

    Raises:
        CodeTaken: There is one with this code.
        InvalidInput: A named environment does not exist.
    """
    try:
        with transaction.atomic(), together():
            locks.hold()
            taken = type(thing)._default_manager.filter(code__iexact=thing.code).first()
            if taken is not None:
                raise CodeTaken(taken.code)
            thing.save(force_insert=True)
            _keep_variables(thing, variables)
            note_in_history(thing, actor, ADDITION)
    except IntegrityError as error:
        if _constraint(error) in _CODE_CONSTRAINTS:  # the admin or apply was quicker
            raise CodeTaken(thing.code) from error
        raise
    return thing


def change(
    thing: Thing, values: Mapping[str, Any], actor: User, variables: Mapping[str, Any] | None = None
) -> Thing:
    """Change some fields of a row; ``variables`` of a project replace those of all its environments.

    Raises:
        Gone: It was deleted meanwhile.
        InvalidInput: A named environment does not exist.
    """
    with transaction.atomic(), together():
        locks.hold()
        locked = rows.locked(thing)
        for name, value in values.items():
            setattr(locked, name, value)
        locked.save()
        _keep_variables(locked, variables)
        note_in_history(locked, actor, CHANGE)
    return locked


def delete(thing: Environment | Project | Nature, actor: User) -> None:
    """Delete a row that nothing refers to; grants and variables that are about it go with it.

    Raises:
        Gone: Somebody was quicker.
        Referenced: Something refers to it.
    """
    with transaction.atomic(), together():
        locks.hold()
        thing = rows.locked_to_delete(thing)
        note_in_history(thing, actor, DELETION)
        references.delete(thing, thing.code, actor)


def _keep_variables(thing: models.Model, variables: Mapping[str, Any] | None) -> None:
    if variables is None or not isinstance(thing, Project):
        return
    known = {row.code: row for row in Environment.objects.filter(code__in=list(variables))}
    if unknown := [code for code in variables if code not in known]:
        raise InvalidInput(
            {f"environments.{code[:50]}": [f"Unknown environment: {code[:50]}."] for code in unknown}
        )
    thing.environments.exclude(environment__code__in=list(variables)).delete()
    for code, values in variables.items():
        ProjectEnvironment.objects.update_or_create(
            project=thing, environment=known[code], defaults={"variables": values}
        )


def note_in_history(thing: models.Model, actor: User, flag: int) -> None:
    """Leave the record that the admin leaves, where its history shows it."""
    LogEntry.objects.log_actions(actor.pk, [thing], flag, "API", single_object=True)


_CODE_CONSTRAINTS: Final = frozenset(
    {
        "environment_code_unique_ignoring_case",
        "project_code_unique_ignoring_case",
        "permissions_environment_code_key",
        "jobs_project_code_key",
        "jobs_nature_code_key",
    }
)


def _constraint(error: IntegrityError) -> str:
    return str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", ""))
