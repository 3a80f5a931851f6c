"""``grants {principal, environment, rights}``: all rights that a group or user has on an environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import Group

from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.groups import Groups
from jobs.configuration.kinds.users import Users
from jobs.configuration.problems import Place, did_you_mean
from permissions import policy
from permissions.catalog import EVERYWHERE, Right
from permissions.models import Environment, User
from permissions.policy import Principal

_PRINCIPALS: Final = {"group": Groups.key, "user": Users.key}


@dataclass(frozen=True, slots=True)
class GrantSpec:
    """What a document says of a grant.

    Attributes:
        item: Where it is written.
        kind: ``group`` or ``user``.
        principal: Name of the group or user.
        environment: Code, or ``*``.
        rights: All rights it gives.
    """

    item: Item
    kind: str
    principal: str
    environment: str
    rights: frozenset[Right]

    @property
    def name(self) -> str:
        """The grant as a sentence names it."""
        return f"{self.kind}:{self.principal} on {self.environment}"


class Grants(Kind[GrantSpec]):
    """Who may do what, where."""

    key, noun = "grants", "grant"
    keys = ("principal", "environment", "rights")

    def parse(self, item: Item, run: Run) -> tuple[str, GrantSpec] | None:
        """Read one grant."""
        written, environment = item.identity("principal"), item.identity("environment")
        rights = _rights(item)
        kind, _, name = (written or "").partition(":")
        named = kind in _PRINCIPALS and bool(name)
        if written is not None and not named:
            item.note(
                "principal", "principal must name a group or a user.", 'Write "group:NAME" or "user:NAME".'
            )
        if not named or environment is None:
            return None
        spec = GrantSpec(item, kind, name, environment, rights)
        return spec.name, spec

    def save(self, spec: GrantSpec, run: Run) -> None:
        """Give the rights that are listed and take those that are not."""
        principal, environment = self._principal(spec, run), self._environment(spec, run)
        if principal is None or (environment is None and spec.environment != EVERYWHERE):
            return
        changed = policy.set_rights(principal, environment, spec.rights)
        if changed and changed == spec.rights:
            run.created(self.noun, spec.name)
        elif changed:
            run.changed(self.noun, spec.name, ["rights"])

    def prune(self, specs: Sequence[GrantSpec], place: Place, run: Run) -> None:
        """Take the rights of all groups and users on environments that no document names together."""
        named = {spec.name for spec in specs}
        environments = {environment.code: environment for environment in Environment.objects.all()}
        principals: list[tuple[str, Principal]] = [
            *((f"group:{group.name}", group) for group in Group.objects.order_by("name")),
            *((f"user:{user.username}", user) for user in User.objects.order_by("username")),
        ]
        for written, principal in principals:
            for code in sorted(policy.granted(principal)):
                name = f"{written} on {code}"
                if name not in named:
                    policy.set_rights(principal, environments.get(code), ())
                    run.removed(self.noun, name)

    def export(self) -> list[dict[str, Any]]:
        """Return all grants, those of groups first, each in order of name and environment."""
        principals: list[tuple[str, Principal]] = [
            *sorted((f"group:{group.name}", group) for group in Group.objects.all()),
            *sorted((f"user:{user.username}", user) for user in User.objects.all()),
        ]
        return [
            {
                "principal": name,
                "environment": code,
                "rights": [right.value for right in Right if right in rights],
            }
            for name, principal in principals
            for code, rights in sorted(policy.granted(principal).items())
        ]

    def _principal(self, spec: GrantSpec, run: Run) -> Principal | None:
        found: Principal | None
        known: Iterable[str]
        if spec.kind == "group":
            found = Group.objects.filter(name=spec.principal).first()
            known = Group.objects.values_list("name", flat=True)
        else:
            found = User.objects.filter(username=spec.principal).first()
            known = User.objects.values_list("username", flat=True)
        if found is None and not run.is_declared(_PRINCIPALS[spec.kind], spec.principal):
            spec.item.note(
                "principal", f"There is no {spec.kind} {spec.principal}.", did_you_mean(spec.principal, known)
            )
        return found

    def _environment(self, spec: GrantSpec, run: Run) -> Environment | None:
        if spec.environment == EVERYWHERE:
            return None
        found = Environment.objects.filter(code=spec.environment).first()
        if found is None and not run.is_declared(Environments.key, spec.environment):
            known = [*Environment.objects.values_list("code", flat=True), EVERYWHERE]
            spec.item.note(
                "environment",
                f"There is no environment {spec.environment}.",
                did_you_mean(spec.environment, known),
            )
        return found


def _rights(item: Item) -> frozenset[Right]:
    """Return the rights of a grant; unknown ones are noted at their own line."""
    names = item.texts("rights")
    if names is None:
        if not item.has("rights"):
            item.problems.add(item.place, "grant needs rights.")
        return frozenset()
    known = {right.value for right in Right}
    for name, place in zip(names, item.places("rights"), strict=True):
        if name not in known:
            item.problems.add(place, f"There is no right {name}.", did_you_mean(name, known))
    return frozenset(Right(name) for name in names if name in known)
