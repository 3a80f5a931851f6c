"""What a wish names, looked up with the rights of who wishes; what is wrong with it is said by field, all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jobs import planning, selectors
from jobs.actions.base import MOST_COMMENT
from jobs.audit import Actor
from jobs.choices import JobType
from jobs.exceptions import InvalidInput
from jobs.models import Project, ProjectEnvironment
from jobs.plain_data import mistake_in_object, mistake_in_text
from jobs.wishes import Plan, Wish
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import EnvironmentHidden
from permissions.models import Environment
from rules import guards
from rules.exceptions import RuleError, RuleNotFound
from rules.models import RuleVersion
from rules.selectors import linked_tree, newest_version, pins

MOST_REVISIONS: Final = 50
LONGEST_REF: Final = 255
_SHA: Final = re.compile(r"[0-9a-f]{40}")
_LONGEST_NAMES: Final = {"rule": 100, "environment": 50, "project": 50}


@dataclass(frozen=True, slots=True)
class Found:
    """A wish with everything that it names: as plain data, and as what was read."""

    plan: Plan
    environment: Environment
    project: Project | None
    version: RuleVersion


def make_plan(wish: Wish, actor: Actor, now: datetime) -> Plan:
    """Return what is planned by a wish.

    Raises:
        InvalidInput: With all that is wrong, by field.
        RightMissing: The actor may not create jobs there.
    """
    return find(wish, actor, now).plan


def find(wish: Wish, actor: Actor, now: datetime) -> Found:
    """Find everything the wish names.

    Raises:
        InvalidInput: With all that is wrong, by field.
        RightMissing: The actor may not create jobs there.
    """
    errors = mistakes_in_words(wish)
    environment = None if "environment" in errors else _environment(wish, actor, errors)
    project = None if "project" in errors else _project(wish, actor, errors)
    version = None if "rule" in errors else _version(wish, actor, errors)
    dates = _dates(wish, environment, now, errors)
    if errors or environment is None or version is None or dates is None:
        raise InvalidInput(errors)
    plan = Plan(
        rule_id=version.rule_id,
        rule_version_id=version.pk,
        environment_id=environment.pk,
        environment=environment.code,
        project_id=project.pk if project else None,
        repository=project.repository if project else "",
        type=wish.type,
        revisions=wish.revisions,
        shas=wish.shas,
        scheduled_at=dates.scheduled_at,
        max_start_at=dates.max_start_at,
        urgent=wish.urgent,
        comment=wish.comment,
        variables=dict(wish.variables),
        layers=layers_of(project, environment),
    )
    return Found(plan, environment, project, version)


def _environment(wish: Wish, actor: Actor, errors: dict[str, list[str]]) -> Environment | None:
    """Return the environment; one that is hidden from the actor is as unknown as one that is not there.

    Both are looked for in the same way, so that the time to a refusal tells nothing either.
    """
    found = policy.visible_environment(actor.user, wish.environment)
    if found is None:
        errors["environment"] = [str(EnvironmentHidden(wish.environment))]
        return None
    policy.require(actor.user, Right.CREATE, found)
    return found


def _project(wish: Wish, actor: Actor, errors: dict[str, list[str]]) -> Project | None:
    if wish.project is None:
        if wish.revisions:
            errors["project"] = ["Revisions need a project."]
        return None
    found = selectors.visible_projects(actor.user).filter(code=wish.project).first()
    if found is None:
        errors["project"] = [f"Unknown project: {wish.project}."]
    elif wish.revisions and not found.repository:
        errors["revisions"] = [f"The project {found.code} has no repository."]
    return found


def _version(wish: Wish, actor: Actor, errors: dict[str, list[str]]) -> RuleVersion | None:
    try:
        if not selectors.sees_anything(actor.user):
            raise RuleNotFound(wish.rule)
        newest = newest_version(wish.rule)
    except RuleNotFound as error:
        errors["rule"] = [str(error)]
        return None
    if wish.rule_version in {None, newest.number}:
        return newest
    found = newest.rule.versions.filter(number=wish.rule_version).select_related("rule").first()
    if found is None:
        errors["rule_version"] = [f"The rule {wish.rule} has no version {wish.rule_version}."]
    elif not actor.user.is_superuser and lacks_guards(found, newest):
        errors["rule_version"] = [
            f"Version {found.number} of the rule lacks approvals or checks that version {newest.number} has: only "
            "administrators may still create a job of it."
        ]
    return found


def lacks_guards(older: RuleVersion, newest: RuleVersion) -> bool:
    """Return whether an older version of a rule leaves out approvals or checks of the newest one, as far as one can read that.

    One that cannot be read any more lacks none: no job is created of it, which is said elsewhere.
    """
    try:
        trees = [linked_tree(version.pk, pins(version.pk)) for version in (older, newest)]
    except RuleError:
        return False
    return guards.lacks(*trees)


def mistakes_in_words(wish: Wish) -> dict[str, list[str]]:
    """Return by field what cannot be looked up or kept, whichever door the wish came through."""
    errors: dict[str, list[str]] = {}
    if wish.type not in JobType.values:
        errors["type"] = [f"Unknown type: {wish.type}. Write one of {', '.join(JobType.values)}."]
    for field, most in _LONGEST_NAMES.items():
        if mistake := _mistake_in(getattr(wish, field) or "", most):
            errors[field] = [mistake]
    if mistake := _mistake_in(wish.comment, MOST_COMMENT):
        errors["comment"] = [mistake]
    _check_revisions(wish, errors)
    if mistakes := mistakes_in_variables(wish.variables):
        errors["variables"] = mistakes
    return errors


def _check_revisions(wish: Wish, errors: dict[str, list[str]]) -> None:
    if len(wish.revisions) > MOST_REVISIONS:
        errors["revisions"] = [f"At most {MOST_REVISIONS} revisions."]
        return
    for index, ref in enumerate(wish.revisions):
        if mistake := _mistake_in(ref, LONGEST_REF):
            errors[f"revisions[{index}].ref"] = [mistake]
    for index, sha in enumerate(wish.shas):
        if sha and _SHA.fullmatch(sha) is None:
            errors[f"revisions[{index}].sha"] = ["Write the whole commit: 40 digits and letters from a to f."]


def _mistake_in(text: str, most: int) -> str | None:
    return f"At most {most} characters." if len(text) > most else mistake_in_text(text)


def mistakes_in_variables(variables: Mapping[str, Any]) -> list[str]:
    """Return why a job cannot be given these variables; nothing when it can."""
    if mistake := mistake_in_object(dict(variables)):
        return [mistake]
    return [
        f"{name[:50]!r} is not a name: use letters, digits and underscore."
        for name in variables
        if not name.isidentifier()
    ]


def _dates(
    wish: Wish, environment: Environment | None, now: datetime, errors: dict[str, list[str]]
) -> planning.Dates | None:
    if environment is None:
        return None
    expiry = environment.expiry_urgent if wish.urgent else environment.expiry
    try:
        dates = planning.plan(wish.scheduled_at, wish.max_start_at, expiry=expiry, now=now)
    except planning.MaxStartBeforeSchedule:
        errors["max_start_at"] = [
            "It lies before the scheduled date: the job would expire before it may run."
        ]
        return None
    except planning.TooFarAhead as error:
        errors[error.field] = ["The date is too far away: at most ten years from now."]
        return None
    if dates.max_start_at < now:
        errors["max_start_at" if wish.max_start_at else "scheduled_at"] = [
            "The job would have expired already."
        ]
        return None
    return dates


def layers_of(project: Project | None, environment: Environment) -> dict[str, Mapping[str, Any]]:
    """Return the variables that a project and an environment give to a job, by origin."""
    layers: dict[str, Mapping[str, Any]] = {"environment": environment.variables}
    if project is not None:
        layers["project"] = project.variables
        both = ProjectEnvironment.objects.filter(project=project, environment=environment).first()
        layers["project_environment"] = both.variables if both else {}
    return layers
