"""What made-up jobs refer to: environments, projects, rules, people and natures. Those that are there already are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.hashers import make_password
from django.db.models import Model

from jobs.eta.shape import Shape, shape_of
from jobs.models import Nature, Project
from jobs.seeding import lives
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from rules.models import RuleVersion
from rules.selectors import linked_tree

STAGES: Final = ("DEV", "INT", "TEST", "QA", "UAT", "PRE")
EXTENSIONS: Final = ("py", "sql", "js", "css", "java", "yaml", "sh", "cob")

SOURCE: Final = """\
name: {slug}
description: Builds and deploys the service; part of a made-up past
variables: {{service: {slug}}}
steps:
  PRE:
    - run: make build
      id: build
    - run: make test
      id: test
    - approval: {{approvers: ["group:release"], min: 1}}
      id: sign
      when: environment == "PROD"
  RUN:
    - run: ./deploy.sh {{{{ environment }}}}
      id: deploy
      on_error: trap
  POST:
    - log: "{{{{ job.name }}}} ended {{{{ outcome }}}}"
      id: tell
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A row that jobs refer to: its key, and the code that people know it by."""

    pk: int
    code: str


@dataclass(frozen=True, slots=True)
class Known(Named):
    """A rule with the key of its version and what of it takes time."""

    version: int
    shapes: dict[str, tuple[Shape, ...]]


@dataclass(frozen=True, slots=True)
class World:
    """All that made-up jobs refer to; ``lives`` says how many there are of each."""

    environments: list[Named]
    projects: list[Named]
    rules: list[Known]
    users: list[Named]
    natures: list[Named]


def environment_codes() -> list[str]:
    """Return the codes of the environments, the one where most happens first, production last."""
    stages = [f"{stage}{number or ''}" for number in (0, 2, 3, 4) for stage in STAGES]
    return [*stages[: lives.PRODUCTION], "PROD"]


def make_world(now: datetime) -> World:
    """Make what is not there yet.

    Args:
        now: When the rules are published.
    """
    projects = (f"shop-{number:03d}" for number in range(1, lives.PROJECTS + 1))
    environments = enumerate(environment_codes())
    people = (f"maker{number:02d}" for number in range(1, lives.USERS + 1))
    natures = ((f"nature-{each}", each) for each in EXTENSIONS[: lives.NATURES])
    return World(
        environments=_named([Environment(code=code, name=code, position=at) for at, code in environments]),
        projects=_named([Project(code=code, name=f"Project {code}") for code in projects]),
        rules=[_rule(f"deploy-{number:02d}", now) for number in range(1, lives.RULES + 1)],
        # Nobody can sign in as one of them, and they hold no right.
        users=_named([User(username=name, password=make_password(None)) for name in people], "username"),
        natures=_named([Nature(code=code, name=each, include=[f"*.{each}"]) for code, each in natures]),
    )


def _named(wanted: Sequence[Model], field: str = "code") -> list[Named]:
    """Return the rows of these codes in their order; those that are not there, in any case, are made."""
    rows = type(wanted[0])._default_manager
    known = {name.lower() for name in rows.values_list(field, flat=True)}
    rows.bulk_create([each for each in wanted if getattr(each, field).lower() not in known])
    found = {name.lower(): Named(pk, name) for pk, name in rows.values_list("pk", field)}
    return [found[getattr(each, field).lower()] for each in wanted]


def _rule(slug: str, now: datetime) -> Known:
    found = RuleVersion.objects.filter(rule__slug=slug).order_by("-number").first()
    version = found or publish_rule(source=SOURCE.format(slug=slug), author=None, comment="", now=now)[0]
    return Known(version.rule_id, slug, version.pk, shape_of(linked_tree(version.pk, {})))
