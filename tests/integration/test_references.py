"""What something refers to is not deleted, through any door; the answer says what refers to it, as far as one may know."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.actions import references as module
from jobs.actions.references import MOST_NAMED, Reference, Referenced, delete, references
from jobs.models import (
    Approval,
    ApprovalSignature,
    AuditRecord,
    Job,
    JobRevision,
    Nature,
    Project,
    ProjectEnvironment,
    Secret,
    Semaphore,
    Subscription,
)
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from rules.models import Rule, RuleVersion
from tests.api import Api
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    ScheduleFactory,
    UserFactory,
    moment,
    user_with,
)
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db

APPROVING = 'name: %s\nsteps: {RUN: [{approval: {approvers: ["%s"]}}]}\n'


def publish(source: str) -> RuleVersion:
    return publish_rule(source=source, author=None, comment="", now=moment())[0]


@pytest.fixture
def root() -> Reader:
    return Reader(User.objects.create_superuser("root"), language="en")


@pytest.fixture
def job() -> Job:
    """A job to which a row of each kind belongs."""
    project = ProjectFactory.create()
    made: Job = JobFactory.create(project=project, natures=[NatureFactory.create()])
    JobRevision.objects.create(
        job=made, position=1, ref="v1", sha="a" * 40, project=project, environment=made.environment
    )
    semaphore = Semaphore.objects.create(name="host")
    semaphore.requests.create(job=made, path="RUN/0", asked_at=moment())
    return made


def rows_of(job: Job) -> dict[str, models.Model]:
    """Return a row of each kind that the job refers to, by the admin's address of it."""
    return {
        "permissions/environment": job.environment,
        "permissions/user": job.created_by,
        "jobs/project": job.project or Environment(),
        "jobs/nature": Nature.objects.get(),
        "jobs/semaphore": Semaphore.objects.get(),
        "rules/rule": job.rule,
    }


def test_the_admin_deletes_nothing_that_a_job_refers_to(root: Reader, job: Job) -> None:
    for address, row in rows_of(job).items():
        for answer in (
            root.get(f"/admin/{address}/{row.pk}/delete/"),
            root.post(f"/admin/{address}/{row.pk}/delete/", {"post": "yes"}),
        ):
            assert answer.status_code == 409, address
            assert "stays, because of what is listed here" in text(answer)
            assert f'<a href="/jobs/{job.pk}/">{job.name}</a>' in answer.content.decode()
        sent = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        several = root.post(f"/admin/{address}/", sent)
        assert "Nothing was deleted" in text(several), address
        assert job.name in text(several)
        row.refresh_from_db()
    assert not AuditRecord.objects.filter(action__startswith="delete").exists()


def test_what_nothing_refers_to_is_deleted_by_either_page(root: Reader) -> None:
    for address, row in {
        "permissions/environment": EnvironmentFactory.create(), "permissions/user": UserFactory.create(),
        "jobs/project": ProjectFactory.create(), "auth/group": Group.objects.create(name="ops"),
        "rules/rule": publish("name: a\nsteps: {RUN: [{log: x}]}\n").rule,
    }.items():  # fmt: skip
        assert "Are you sure" in text(root.get(f"/admin/{address}/{row.pk}/delete/"))
        assert root.post(f"/admin/{address}/{row.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not type(row)._base_manager.filter(pk=row.pk).exists()
    nature = NatureFactory.create()
    sent = {"action": "delete_selected", "_selected_action": [nature.pk], "post": "yes"}
    assert root.post("/admin/jobs/nature/", sent).status_code == 302
    assert not Nature.objects.exists()


@pytest.fixture
def staff(job: Job) -> Reader:
    """Somebody who may delete projects and sees another environment than the job's."""
    user = user_with("view_monitor", environments=[EnvironmentFactory.create(code="MINE")], is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("delete_project", "view_project")))
    return Reader(user, language="en")


def test_jobs_of_other_environments_are_not_named(staff: Reader, job: Job) -> None:
    answer = staff.get(f"/admin/jobs/project/{job.project_id}/delete/")
    assert answer.status_code == 409
    assert job.name not in text(answer)
    assert "others" in text(answer)
    mine = JobFactory.create(project=job.project, environment=Environment.objects.get(code="MINE"))
    answer = staff.get(f"/admin/jobs/project/{job.project_id}/delete/")
    assert mine.name in text(answer)
    assert "and others" in text(answer)
    assert job.name not in text(answer)


def test_a_project_takes_nothing_of_hidden_environments_along(staff: Reader) -> None:
    project = ProjectFactory.create(code="shop")
    mine = Environment.objects.get(code="MINE")
    hidden = EnvironmentFactory.create(code="HIDDEN", name="Topsecret")
    ProjectEnvironment.objects.create(project=project, environment=mine, variables={"port": 1})
    ProjectEnvironment.objects.create(project=project, environment=hidden, variables={"key": "1"})
    asker = User.objects.get(username=staff_name(staff))
    several = {"action": "delete_selected", "_selected_action": [project.pk], "post": "yes"}
    for answer in (
        staff.get(f"/admin/jobs/project/{project.pk}/delete/"),
        staff.post(f"/admin/jobs/project/{project.pk}/delete/", {"post": "yes"}),
        staff.post("/admin/jobs/project/", several),
    ):
        assert "variables of environments that you may not see" in text(answer)
        assert "HIDDEN" not in text(answer)
        assert "Topsecret" not in text(answer)
    assert Project.objects.filter(pk=project.pk).exists()
    policy.grant(asker, Right.VIEW_MONITOR, hidden)
    assert staff.post(f"/admin/jobs/project/{project.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ProjectEnvironment.objects.exists()


def keep_secret(name: str, **scope: Any) -> Secret:
    return Secret.objects.create(name=name, ciphertext=b"x", changed_at=timezone.now(), **scope)


@pytest.mark.parametrize("scope", ["environment", "project"])
def test_what_has_a_secret_is_deleted_through_no_door(root: Reader, tmp_path: Path, scope: str) -> None:
    rows: dict[str, Any] = {
        "environment": EnvironmentFactory.create(code="OLD"),
        "project": ProjectFactory.create(code="old"),
    }
    row, address = rows[scope], f"/admin/{'permissions' if scope == 'environment' else 'jobs'}/{scope}/"
    kept = keep_secret("key", **{scope: row})
    several = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    for answer in (
        root.get(f"{address}{row.pk}/delete/"),
        root.post(f"{address}{row.pk}/delete/", {"post": "yes"}),
        root.post(address, several),
    ):
        assert f"secret key · {row}" in text(answer)
    deleted = Api(User.objects.get(username="root")).call("DELETE", f"{scope}s/{row.code}/")
    problem = deleted.problem(409, "referenced")
    assert problem["references"] == [{"kind": "secret", "id": kept.pk, "name": f"key · {row}"}]
    document = tmp_path / "site.yaml"
    document.write_text(f"{scope}s: []\n")
    for dry_run in (True, False):
        with pytest.raises(CommandError, match=f"cannot be removed: secret key · {row} refers to it"):
            call_command("apply", str(document), prune=True, dry_run=dry_run)
    with pytest.raises(models.ProtectedError):
        row.delete()
    with pytest.raises(Referenced, match="secret key"):
        delete(row, row.code)
    assert Secret.objects.get() == kept
    assert not AuditRecord.objects.filter(action__startswith="delete").exists()
    kept.delete()
    assert Api(User.objects.get(username="root")).call("DELETE", f"{scope}s/{row.code}/").status == 204


def test_secrets_are_named_only_to_whom_they_are_listed(staff: Reader) -> None:
    project, asker = ProjectFactory.create(code="shop"), User.objects.get(username=staff_name(staff))
    keep_secret("everywhere", project=project)
    keep_secret("seen", project=project, environment=Environment.objects.get(code="MINE"))
    keep_secret("unseen", project=project, environment=EnvironmentFactory.create(code="HIDDEN"))

    def shown() -> tuple[str, tuple[str, ...], bool]:
        page = text(staff.get(f"/admin/jobs/project/{project.pk}/delete/"))
        user = User.objects.get(pk=asker.pk)
        found = references(project, user)
        return page, tuple(each.name.split(" · ")[0] for each in found.named), found.others

    page, named, others = shown()
    assert (named, others) == ((), True)
    assert "others" in page
    assert "everywhere" not in page
    asker.user_permissions.add(Permission.objects.get(codename="view_secret"))
    page, named, others = shown()
    assert (sorted(named), others) == (["everywhere", "seen"], True)
    assert "secret seen" in page
    for hidden in ("unseen", "HIDDEN"):
        assert hidden not in page
    assert references(project).others is False


def test_the_api_names_no_more_than_the_asker_may_know(job: Job, staff: Reader) -> None:
    found = references(job.project or job, User.objects.get(username=staff_name(staff)))
    assert (found.named, found.others) == ((), True)
    assert str(Referenced("shop", found)) == (
        "shop cannot be deleted: something that you may not see refer to it."
    )


def staff_name(staff: Reader) -> str:
    answer: Any = staff.get("/admin/")
    return str(answer.wsgi_request.user.get_username())


def test_many_jobs_are_named_in_part_with_few_queries() -> None:
    project = ProjectFactory.create()
    made = [JobFactory.create(project=project) for _ in range(MOST_NAMED + 2)]
    with CaptureQueriesContext(
        connection,
    ) as few:
        found = references(project)
    assert len(few) <= 3
    assert [each.name for each in found.named] == [job.name for job in reversed(made)][:MOST_NAMED]
    assert found.others
    assert all("LIMIT" in query["sql"] for query in few)


def test_rules_are_referred_to_by_jobs_that_pinned_them_and_rules_that_call_them() -> None:
    called = publish("name: called\nsteps: {RUN: [{log: x}]}\n").rule
    caller = publish("name: caller\nsteps: {RUN: [{rule: called}]}\n").rule
    publish("name: uncalled\ndescription: called is what it is not\nsteps: {RUN: [{log: called}]}\n")
    assert references(called).named == (Reference("rule", caller.pk, "caller"),)
    publish("name: caller\nsteps: {RUN: [{log: x}]}\n")
    assert not references(called)
    pinning = JobFactory.create(rule_pins={"called": 1})
    assert references(called).named == (Reference("job", pinning.pk, pinning.name),)


def test_a_rule_in_use_can_be_changed_and_the_job_keeps_its_version(job: Job) -> None:
    version = publish(f"name: {job.rule.slug}\nsteps: {{RUN: [{{log: other}}]}}\n")
    job.refresh_from_db()
    assert version.number == 2
    assert job.rule_version.number == 1
    with pytest.raises(Referenced):
        delete(job.rule_version, "the version")


def test_whoever_is_asked_for_a_signature_stays(job: Job) -> None:
    qa, ana = Group.objects.create(name="qa"), UserFactory.create(username="ana")
    other = Group.objects.create(name="q")
    values: dict[str, Any] = {"job": job, "attempt": 1, "step": "RUN", "path": "RUN/0", "operation": "RUN/0"}
    approval = Approval.objects.create(**values, began_at=moment(), approvers=["group:qa", "user:ana"])
    assert references(qa).named == references(ana).named == (Reference("job", job.pk, job.name),)
    approval.result, approval.closed_at = Approval.Result.APPROVED, moment()
    approval.save()
    assert not references(qa)
    ApprovalSignature.objects.create(approval=approval, user=ana, at=moment())
    assert references(ana).named == (Reference("job", job.pk, job.name),)
    rule = publish(APPROVING % ("signed", "group: qa")).rule
    assert references(qa).named == (Reference("rule", rule.pk, "signed"),)
    assert not references(other)


def test_schedules_refer_to_what_they_create_jobs_of() -> None:
    schedule = ScheduleFactory.create(name="nightly")
    found = (Reference("schedule", schedule.pk, "nightly"),)
    for row in (schedule.environment, schedule.rule, schedule.owner):
        assert references(row).named == found
    assert references(
        schedule.rule, user_with("view_monitor", environments=[EnvironmentFactory.create()])
    ) == (module.References((), True))


def test_subscriptions_refer_to_what_they_are_about() -> None:
    asker = user_with("view_monitor", username="asks")
    environment, project = EnvironmentFactory.create(), ProjectFactory.create()
    user, group = UserFactory.create(), Group.objects.create(name="night")
    told = Subscription.objects.create(
        name="night",
        environments=[environment.code],
        projects=[project.code],
        users=[user.username],
        groups=[group.name],
    )
    for thing in (environment, project, user, group):
        assert references(thing).named == (Reference("subscription", told.pk, "night"),)
        with pytest.raises(Referenced, match="subscription night refers to it"):
            delete(thing, "It")
        found = references(thing, asker)
        assert (found.named, found.others) == ((), True), "who may not see subscriptions learns no name"
    told.delete()
    for thing in (project, user, group, environment):
        delete(thing, "It")


def test_words_of_several() -> None:
    one, two = (Reference("job", number, f"N{number}") for number in (1, 2))
    found = module.References((one,))
    assert found.words() == "job N1"
    assert module.References((one, two)).words() == "job N1 and job N2"
    assert module.References((one, two) * 2).words() == "job N1, job N2, job N1 and others"
    assert not module.References()


def test_prune_says_what_refers_to_a_rule_and_removes_callers_first(tmp_path: Path, job: Job) -> None:
    publish("name: a-called\nsteps: {RUN: [{log: x}]}\n")
    publish("name: b-caller\nsteps: {RUN: [{rule: a-called}]}\n")
    document = tmp_path / "site.yaml"
    document.write_text("rules: []\n")
    with pytest.raises(CommandError, match=f"job {job.name} refers to it"):
        call_command("apply", str(document), prune=True, stdout=io.StringIO())
    document.write_text(f"rules:\n  - source: {json.dumps(job.rule_version.source)}\n")
    out = io.StringIO()
    call_command("apply", str(document), prune=True, stdout=out)
    assert out.getvalue() == "removed rule b-caller\nremoved rule a-called\n"
    assert Rule.objects.get() == job.rule


def referring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every first look at what refers to a row find nothing, as if all of it came a moment later."""
    real = module.references
    looks: Iterator[bool] = iter([True])

    def late(thing: models.Model, asker: Any = None) -> module.References:
        return module.References() if next(looks, False) else real(thing, asker)

    monkeypatch.setattr(module, "references", late)
    monkeypatch.setattr("jobs.admin_references.references", late)


def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Django's own check pass as well: only the database knows."""
    monkeypatch.setattr(
        "django.db.models.deletion.Collector.collect",
        lambda self, objs, source=None, **options: self.add(objs) if source is None else None,
    )


def test_what_begins_to_refer_at_that_moment_is_told_as_well(
    root: Reader, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    referring(monkeypatch)
    with pytest.raises(Referenced, match=job.name):
        delete(job.environment, "PROD")
    referring(monkeypatch)
    answer = root.post(f"/admin/permissions/environment/{job.environment_id}/delete/", {"post": "yes"})
    assert answer.status_code == 409
    assert job.name in text(answer)


def test_what_only_the_database_knows_is_told_before_the_end(
    root: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobFactory.create()
    unseen(monkeypatch)
    referring(monkeypatch)
    with pytest.raises(Referenced, match=job.name) as refused:
        delete(job.environment, "PROD")
    assert isinstance(refused.value.__cause__, IntegrityError)
    referring(monkeypatch)
    address = f"/admin/permissions/environment/{job.environment_id}/delete/"
    answer = root.post(address, {"post": "yes"})
    assert (answer.status_code, answer.headers["Location"]) == (302, address)
    assert "at this moment" in text(root.get(address))
    assert Environment.objects.filter(pk=job.environment_id).exists()
    assert not AuditRecord.objects.exists()


def test_what_goes_with_a_row_is_listed_to_those_who_see_it(staff: Reader, root: Reader, job: Job) -> None:
    project = ProjectFactory.create()
    project.environments.create(environment=job.environment)
    address = f"/admin/jobs/project/{project.pk}/delete/"
    assert f"{project} · {job.environment}" in text(root.get(address))
    mine = ProjectFactory.create()
    mine.environments.create(environment=Environment.objects.get(code="MINE"))
    answer = staff.get(f"/admin/jobs/project/{mine.pk}/delete/")
    assert answer.status_code == 200
    assert "·" not in text(answer)
