"""``secrets {name, environment, project}``: which secrets there must be. Their values are never in documents."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.projects import Projects
from jobs.configuration.problems import Place, did_you_mean
from jobs.models import Project, Secret
from jobs.secrets import vault
from permissions.models import Environment


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """What a document says of a secret; ``None`` stands for all environments, or all projects."""

    item: Item
    name: str
    environment: str | None
    project: str | None

    @property
    def scope(self) -> str:
        """The scope as a sentence says it after the name."""
        where = f" of {self.environment}" if self.environment else ""
        return where + (f" for {self.project}" if self.project else "")


class Secrets(Kind[SecretSpec]):
    """Values that rules read and nobody sees."""

    key, noun = "secrets", "secret"
    keys = ("name", "environment", "project")

    def parse(self, item: Item, run: Run) -> tuple[str, SecretSpec] | None:
        """Read one secret."""
        name = item.identity("name")
        environment, project = (
            item.identity(key) if item.has(key) else None for key in ("environment", "project")
        )
        if not name:
            return None
        if mistake := vault.mistake_in_name(name):
            item.note("name", f"name: {mistake}")
        spec = SecretSpec(item, name, environment, project)
        return f"{name}{spec.scope}", spec

    def save(self, spec: SecretSpec, run: Run) -> None:
        """Say so when the secret has no value yet, which is no mistake."""
        environment = _one(Environment, spec, "environment", spec.environment, Environments.key, run)
        project = _one(Project, spec, "project", spec.project, Projects.key, run)
        missing = (spec.environment and environment is None) or (spec.project and project is None)
        if (
            missing
            or Secret.objects.filter(name=spec.name, environment=environment, project=project).exists()
        ):
            return
        command = ["manage.py", "set_secret", spec.name]
        command += ["--environment", spec.environment] if spec.environment else []
        command += ["--project", spec.project] if spec.project else []
        run.notes.append(f"secret {spec.name}{spec.scope} has no value: {shlex.join(command)}")

    def prune(self, specs: Sequence[SecretSpec], place: Place, run: Run) -> None:
        """Do nothing: a value that is gone cannot be had again from any document."""

    def export(self) -> list[dict[str, Any]]:
        """Return name and scope of all secrets, in order."""
        found = []
        for row in Secret.objects.select_related("environment", "project").defer("ciphertext"):
            item = {"name": row.name}
            if row.environment:
                item["environment"] = row.environment.code
            if row.project:
                item["project"] = row.project.code
            found.append(item)
        return sorted(found, key=lambda item: [item.get(key, "") for key in self.keys])


def _one(
    model: type[Environment] | type[Project],
    spec: SecretSpec,
    field: str,
    code: str | None,
    key: str,
    run: Run,
) -> Any:
    """Return the row with a code; an unknown one is noted."""
    if code is None:
        return None
    found = model._default_manager.filter(code=code).first()
    if found is None and not run.is_declared(key, code):
        known = model._default_manager.values_list("code", flat=True)
        spec.item.note(field, f"There is no {field} {code}.", did_you_mean(code, known))
    return found
