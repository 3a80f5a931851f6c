"""``projects {code, name, repository, credential, username, variables, environments: {CODE: {variables}}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from jobs.addresses import is_masked, masked_address
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, in_order, put, remove, same
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.problems import Place, did_you_mean
from jobs.models import Project, ProjectEnvironment
from jobs.secrets import credentials
from permissions.models import Environment, check_variables


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """What a document says of a project; ``None`` for what it leaves out.

    Attributes:
        item: Where it is written.
        code: Which project.
        name: For people.
        repository: Path or URL.
        credential: Name of the secret that opens it; empty for none.
        username: Whom that belongs to.
        variables: Of the project everywhere.
        environments: Place and variables by environment code.
    """

    item: Item
    code: str
    name: str | None
    repository: str | None
    credential: str | None
    username: str | None
    variables: dict[str, Any] | None
    environments: Mapping[str, tuple[Place, dict[str, Any]]] | None


class Projects(Kind[ProjectSpec]):
    """What jobs deploy revisions of."""

    key, noun = "projects", "project"
    keys = ("code", "name", "repository", "credential", "username", "variables", "environments")

    def parse(self, item: Item, run: Run) -> tuple[str, ProjectSpec] | None:
        """Read one project."""
        code = item.identity("code")
        name, repository, credential, username = (
            item.text(key) for key in ("name", "repository", "credential", "username")
        )
        variables, environments = item.data("variables"), _environments(item)
        spec = ProjectSpec(item, code or "", name, repository, credential, username, variables, environments)
        return (code, spec) if code else None

    def save(self, spec: ProjectSpec, run: Run) -> None:
        """Create or change the project and its variables in environments."""
        found = Project.objects.select_for_update(no_key=True).filter(code__iexact=spec.code).first()
        if found and found.code != spec.code:
            spec.item.note("code", f"The project {found.code} exists and differs only in its letters' case.")
            return
        values = {
            "code": ("code", spec.code),
            "name": ("name", spec.name),
            "repository": ("repository", self._repository(spec, found, run)),
            "credential": ("credential", spec.credential),
            "username": ("username", spec.username),
            "variables": ("variables", spec.variables),
        }
        row = put(run, spec.item, found, Project(name=spec.code), spec.code, values)
        if row is not None:
            self._note_credential(row, run)
        for code, (place, variables) in (spec.environments or {}).items():
            self._save_variables(row, code, place, variables, run)

    def prune(self, specs: Sequence[ProjectSpec], place: Place, run: Run) -> None:
        """Remove projects that no document names, and variables in environments that one does not list."""
        for row in Project.objects.exclude(code__in=[spec.code for spec in specs]):
            remove(run, row, self.noun, row.code, place)
        for spec in specs:
            if spec.environments is None:
                continue
            unnamed = ProjectEnvironment.objects.filter(project__code=spec.code).exclude(
                environment__code__in=list(spec.environments)
            )
            for values in unnamed.select_related("environment"):
                remove(
                    run, values, "variables", f"of {spec.code} in {values.environment.code}", spec.item.place
                )

    def export(self) -> list[dict[str, Any]]:
        """Return all projects by code. Users and passwords in addresses are secret: ``***`` stands for them."""
        rows = Project.objects.prefetch_related("environments__environment")
        return [
            {
                "code": row.code,
                "name": row.name,
                "repository": masked_address(row.repository),
                "credential": row.credential,
                "username": row.username,
                "variables": in_order(row.variables),
                "environments": {
                    each.environment.code: {"variables": in_order(each.variables)}
                    for each in sorted(row.environments.all(), key=lambda each: each.environment.code)
                },
            }
            for row in sorted(rows, key=lambda row: row.code)
        ]

    def _note_credential(self, row: Project, run: Run) -> None:
        """Say that the secret which opens the repository has no value, unless documents name it: then its own note does."""
        name = row.credential
        named = any(run.is_declared("secrets", each) for each in (name, f"{name} for {row.code}"))
        if name and not named and credentials.secret_of(name, row.pk) is None:
            command = f"manage.py set_secret {name} --project {row.code}"
            run.notes.append(f"project {row.code}: its secret {name} has no value: {command}")

    def _repository(self, spec: ProjectSpec, present: Project | None, run: Run) -> str | None:
        """Return the address to keep, ``None`` for the present one.

        What an export shows of an address stands for it, so that applying an export loses no password.
        """
        address = spec.repository
        if address is not None and present is not None and masked_address(present.repository) == address:
            address = None
        kept = address if address is not None else present.repository if present is not None else ""
        if is_masked(kept):
            run.notes.append(
                f"project {spec.code}: *** in the repository's address stands for a user and password, "
                "which are not in documents: write them in the administration"
            )
        return address

    def _save_variables(
        self, row: Project | None, code: str, place: Place, variables: dict[str, Any], run: Run
    ) -> None:
        environment = Environment.objects.filter(code=code).first()
        if environment is None:
            if not run.is_declared(Environments.key, code):
                known = Environment.objects.values_list("code", flat=True)
                run.problems.add(place, f"There is no environment {code}.", did_you_mean(code, known))
            return
        if row is None:
            return
        found = ProjectEnvironment.objects.filter(project=row, environment=environment).first()
        try:
            check_variables(variables, found.variables if found is not None else None)
        except ValidationError as error:
            run.problems.add(place, f"variables: {' '.join(error.messages)}")
            return
        if found is None:
            ProjectEnvironment.objects.create(project=row, environment=environment, variables=variables)
        elif same(found.variables, variables):
            return
        else:
            found.variables = variables
            found.save()
        run.changed(self.noun, row.code, [f"variables in {code}"])


def _environments(item: Item) -> dict[str, tuple[Place, dict[str, Any]]] | None:
    """Return the variables of each environment that a project lists."""
    written = item.mapping("environments")
    if written is None:
        return None
    found = {}
    for code, value in written.items():
        inner = Item(value, f"environments.{code}", ("variables",), item.problems)
        found[code] = (value.place, inner.data("variables") or {})
    return found
