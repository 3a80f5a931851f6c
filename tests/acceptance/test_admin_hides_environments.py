"""P7 in the admin: staff see nothing of environments that are not theirs, not even names."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from jobs.audit import Actor, record
from jobs.models import AuditRecord, Job, Project, ProjectEnvironment
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, moment, user_with
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", name="DEV")


@pytest.fixture
def hidden() -> Environment:
    return EnvironmentFactory.create(code="HIDDEN", name="HIDDEN")


@pytest.fixture
def staff(dev: Environment) -> Reader:
    user: User = user_with("view_monitor", environments=[dev], is_staff=True)
    codenames = ("view_auditrecord", "change_project", "view_project", "add_projectenvironment",
                 "change_projectenvironment", "delete_projectenvironment", "view_projectenvironment")  # fmt: skip
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return Reader(user, language="en")


@pytest.fixture
def jobs(dev: Environment, hidden: Environment) -> list[Job]:
    made = [JobFactory.create(environment=environment) for environment in (dev, hidden)]
    for job in made:
        record(Actor(job.created_by, AuditRecord.Source.API.value), "create", job, now=moment())
    return made


@pytest.mark.parametrize("table", ["job", "auditrecord"])
def test_filters_name_only_what_is_visible(staff: Reader, jobs: list[Job], table: str) -> None:
    address = f"/admin/jobs/{table}/"
    markup = text(staff.get(address))
    assert "?environment=DEV" in markup
    assert "HIDDEN" not in markup
    assert jobs[1].name not in markup
    assert jobs[0].name in text(staff.get(f"{address}?environment=DEV"))
    for query in ("environment=HIDDEN", "q=HIDDEN", f"q={jobs[1].name}"):
        answer: Any = staff.get(f"{address}?{query}")
        assert list(answer.context["cl"].result_list) == [], query


@pytest.mark.parametrize(
    "lookup", ["environment__code", "created_by__password__startswith", "project__repository__startswith"]
)
def test_one_cannot_look_through_a_filter(staff: Reader, jobs: list[Job], lookup: str) -> None:
    assert staff.get(f"/admin/jobs/job/?{lookup}=p").status_code == 400


def test_a_projects_variables_of_a_hidden_environment_are_neither_shown_nor_lost(
    staff: Reader, dev: Environment, hidden: Environment
) -> None:
    project: Project = ProjectFactory.create(repository="/r")
    for environment in (dev, hidden):
        ProjectEnvironment.objects.create(
            project=project, environment=environment, variables={"key": f"of-{environment.code}"}
        )
    address = f"/admin/jobs/project/{project.pk}/change/"
    markup = text(staff.get(address))
    assert "of-DEV" in markup
    assert "HIDDEN" not in markup
    (mine,) = ProjectEnvironment.objects.filter(environment=dev)
    form = {
        "code": project.code, "name": "Changed", "repository": "/r", "variables": "{}",
        "environments-TOTAL_FORMS": "1", "environments-INITIAL_FORMS": "1", "environments-0-id": str(mine.pk),
        "environments-0-project": str(project.pk), "environments-0-environment": str(hidden.pk),
        "environments-0-variables": "{}",
    }  # fmt: skip
    assert staff.post(address, form).status_code == 200, "a hidden environment is no choice"
    assert staff.post(address, {**form, "environments-0-environment": str(dev.pk)}).status_code == 302
    kept = dict(ProjectEnvironment.objects.values_list("environment__code", "variables"))
    assert kept == {"DEV": {}, "HIDDEN": {"key": "of-HIDDEN"}}
