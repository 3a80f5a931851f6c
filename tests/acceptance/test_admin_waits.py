"""Section 9, administration: jobs with links to their actions, approvals, traps and semaphores."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission

from jobs.admin import ProjectEnvironmentInline, RequestInline
from jobs.models import (
    Approval,
    ApprovalSignature,
    AuditRecord,
    Job,
    Project,
    Semaphore,
    SemaphoreRequest,
    Trap,
)
from permissions.catalog import Right
from permissions.models import Environment
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, moment, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

CODENAMES = ("view_approval", "view_trap", "view_semaphore", "change_semaphore", "delete_semaphore")


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def staff(dev: Environment) -> Reader:
    user = user_with(Right.VIEW_MONITOR, Right.RESTART, environments=[dev], is_staff=True, username="sam")
    user.user_permissions.set(Permission.objects.filter(codename__in=CODENAMES))
    return Reader(user, language="en")


@pytest.fixture
def jobs(dev: Environment) -> list[Job]:
    hidden = EnvironmentFactory.create(code="HIDDEN")
    return [JobFactory.at("RUN", "trapped", environment=environment) for environment in (dev, hidden)]


def test_a_job_links_to_what_the_administrator_may_do(staff: Reader, jobs: list[Job]) -> None:
    seen, hidden = jobs
    answer = staff.get(f"/admin/jobs/job/{seen.pk}/change/")
    assert answer.status_code == 200
    links = re.findall(rf'href="/jobs/{seen.pk}/(\w*)/?"', text(answer))
    assert links == ["", "log", "retry", "skip", "pause", "comment"]
    assert 'name="_save"' not in text(answer)
    assert staff.get(f"/admin/jobs/job/{hidden.pk}/change/").status_code == 302


def test_messages_of_the_engine_are_in_the_reader_s_language(dev: Environment) -> None:
    job = JobFactory.at("RUN", "trapped", environment=dev, reason="The command ended with return code 7.")
    reader = Reader(UserFactory.create(is_staff=True, is_superuser=True), language="es")
    assert "El comando terminó con el código de retorno 7." in words(
        reader.get(f"/admin/jobs/job/{job.pk}/change/")
    )


def test_approvals_and_traps_of_hidden_environments_are_not_there(staff: Reader, jobs: list[Job]) -> None:
    for job in jobs:
        place = {
            "job": job,
            "attempt": 1,
            "step": "RUN",
            "path": "RUN/0",
            "operation": "RUN/0",
            "began_at": moment(),
        }
        approval = Approval.objects.create(**place, name=f"gate of {job.name}", approvers=["group:qa"])
        ApprovalSignature.objects.create(
            approval=approval, user=job.created_by, at=moment(), comment=f"said of {job.name}"
        )
        Trap.objects.create(**place, name=f"trap of {job.name}", deadline=moment(), on_timeout="abort")
    for table, model in (("approval", Approval), ("trap", Trap)):
        shown = text(staff.get(f"/admin/jobs/{table}/"))
        assert jobs[0].name in shown
        assert jobs[1].name not in shown
        mine, other = (model.objects.get(job=job) for job in jobs)
        page = staff.get(f"/admin/jobs/{table}/{mine.pk}/change/")
        assert (page.status_code, 'name="_save"' in text(page)) == (200, False)
        assert staff.get(f"/admin/jobs/{table}/{other.pk}/change/").status_code == 302
    assert f"said of {jobs[0].name}" in words(
        staff.get(f"/admin/jobs/approval/{Approval.objects.earliest('pk').pk}/change/")
    )


def test_slots_of_a_semaphore_are_set_and_its_queue_is_shown(
    staff: Reader, jobs: list[Job], django_capture_on_commit_callbacks: object
) -> None:
    semaphore = Semaphore.objects.create(name="deploy")
    for job, granted in zip(jobs, (None, moment()), strict=True):
        SemaphoreRequest.objects.create(
            semaphore=semaphore, job=job, path="RUN/0", asked_at=moment(), granted_at=granted
        )
    address = f"/admin/jobs/semaphore/{semaphore.pk}/change/"
    assert staff.get(address).status_code == 302, "a job of a hidden environment uses it"
    boss = user_with(Right.VIEW_MONITOR, is_staff=True, username="bob")
    boss.user_permissions.add(*Permission.objects.filter(codename__in=CODENAMES))
    staff = Reader(boss, language="en")
    shown = text(staff.get(address))
    assert jobs[0].name in shown
    assert jobs[1].name in shown
    form = {"slots": "2", "requests-TOTAL_FORMS": "0", "requests-INITIAL_FORMS": "0"}
    assert staff.post(address, {**form, "slots": "0"}).status_code == 200
    assert callable(django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        assert staff.post(address, form).status_code == 302
    semaphore.refresh_from_db()
    assert (semaphore.name, semaphore.slots) == ("deploy", 2)
    assert SemaphoreRequest.objects.get(job=jobs[0]).granted_at is not None
    record = AuditRecord.objects.get(action="set_semaphore")
    assert (record.user, record.source, record.comment) == ("bob", "admin", "deploy: 2")


def test_semaphores_of_other_environments_are_not_there(staff: Reader, jobs: list[Job]) -> None:
    names = ("deploy-DEV", "deploy-HIDDEN", "both", "unused")
    mine, hidden, both, unused = (Semaphore.objects.create(name=name) for name in names)
    for semaphore, job in ((mine, jobs[0]), (hidden, jobs[1]), (both, jobs[0]), (both, jobs[1])):
        SemaphoreRequest.objects.create(semaphore=semaphore, job=job, path="RUN/0" if semaphore is not both
                                        else "RUN/1", asked_at=moment())  # fmt: skip
    shown = words(staff.get("/admin/jobs/semaphore/"))
    assert [name for name in names if name in shown] == ["deploy-DEV"]
    page = staff.get(f"/admin/jobs/semaphore/{mine.pk}/change/")
    assert (page.status_code, 'name="_save"' in text(page)) == (200, False)
    form = {"slots": "5", "requests-TOTAL_FORMS": "0", "requests-INITIAL_FORMS": "0"}
    for semaphore in (mine, hidden, both, unused):
        for door in ("change", "delete"):
            staff.post(f"/admin/jobs/semaphore/{semaphore.pk}/{door}/", {**form, "post": "yes"})
    assert set(Semaphore.objects.values_list("name", "slots")) == {(name, 1) for name in names}


def test_a_semaphore_that_somebody_holds_stays(jobs: list[Job]) -> None:
    boss = user_with(Right.VIEW_MONITOR, is_staff=True)
    boss.user_permissions.add(*Permission.objects.filter(codename__in=CODENAMES))
    staff = Reader(boss, language="en")
    used, unused = (Semaphore.objects.create(name=name) for name in ("used", "unused"))
    SemaphoreRequest.objects.create(semaphore=used, job=jobs[1], path="RUN/0", asked_at=moment())
    for semaphore in (used, unused):
        staff.post(f"/admin/jobs/semaphore/{semaphore.pk}/delete/", {"post": "yes"})
    assert list(Semaphore.objects.values_list("name", flat=True)) == ["used"]


def test_a_request_that_claims_very_many_rows_makes_no_more_forms_than_there_can_be(dev: Environment) -> None:
    root = Reader(UserFactory.create(is_superuser=True, is_staff=True), language="en")
    semaphore = Semaphore.objects.create(name="deploy")
    project = ProjectFactory.create()
    for address, inline, fields in (
        (f"/admin/jobs/semaphore/{semaphore.pk}/change/", RequestInline, {"slots": "2"}),
        ("/admin/jobs/project/add/", ProjectEnvironmentInline, {"code": "web", "name": "Web"}),
        (f"/admin/jobs/project/{project.pk}/change/", ProjectEnvironmentInline, {"code": "x", "name": "X"}),
    ):
        prefix = "requests" if inline is RequestInline else "environments"
        many = {f"{prefix}-TOTAL_FORMS": "99999999999", f"{prefix}-INITIAL_FORMS": "0"}
        answer = root.post(address, {**fields, **many})
        assert answer.status_code == 200, "refused, with the page again"
        assert "Please submit at most" in words(answer)
        assert text(answer).count(f'id="{prefix}-') < 30
    assert not Project.objects.filter(code="web").exists()


def test_a_project_takes_a_row_for_every_environment() -> None:
    root = Reader(UserFactory.create(is_superuser=True, is_staff=True), language="en")
    rows = EnvironmentFactory.create_batch(30)
    typed = {"environments-TOTAL_FORMS": "30", "environments-INITIAL_FORMS": "0"}
    for number, environment in enumerate(rows):
        typed[f"environments-{number}-environment"] = str(environment.pk)
        typed[f"environments-{number}-variables"] = "{}"
    answer = root.post("/admin/jobs/project/add/", {"code": "web", "name": "Web", "variables": "{}", **typed})
    assert answer.status_code == 302, words(answer)
    assert Project.objects.get().environments.count() == 30
