"""P7: whoever may see QA only learns nothing of PROD, not even that it is there, through any list, count, form or refusal."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.audit import Actor, record
from jobs.models import AuditRecord, Job, Project, ProjectEnvironment, Secret, Semaphore, SemaphoreRequest
from permissions.models import Environment, User
from tests.api import Api
from tests.cases import in_one_test
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    UserFactory,
    user_with,
)
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db

MARK: Final = "zzhidden"
NOBODY: Final = 2**31 - 7
_NUMBERS: Final = re.compile(r"\d+")
_SECRET: Final = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


@pytest.fixture
def qa() -> Environment:
    return EnvironmentFactory.create(code="QA", name="Quality")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code=f"PROD-{MARK}", name=f"Live {MARK}")


@pytest.fixture
def shop(qa: Environment, prod: Environment) -> Project:
    """A project of both environments."""
    made: Project = ProjectFactory.create(code="shop", repository="/r")
    for environment in (qa, prod):
        ProjectEnvironment.objects.create(
            project=made, environment=environment, variables={"of": environment.code}
        )
    return made


@pytest.fixture
def secret_job(prod: Environment, shop: Project) -> Job:
    """A job that nobody of QA may know of."""
    return _job(prod, shop)


def _job(environment: Environment, project: Project) -> Job:
    made = JobFactory.at(
        "RUN", "trapped", environment=environment, project=project, name=f"N.{environment.code}-00000001",
        comment=f"about {MARK}", revisions=[f"v-{MARK}"], created_by=UserFactory.create(username=f"eve-{MARK}"),
        natures=[NatureFactory.create(code="python")],
    )  # fmt: skip
    record(Actor(made.created_by, AuditRecord.Source.API.value), "create", made, now=timezone.now())
    semaphore = Semaphore.objects.create(name="slots")
    now = timezone.now()
    SemaphoreRequest.objects.create(
        semaphore=semaphore, job=made, path=f"RUN/{MARK}", asked_at=now, granted_at=now
    )
    return made


@pytest.fixture
def ana(qa: Environment, secret_job: Job) -> User:
    """She may do everything in QA."""
    rights = ("view_monitor", "approve_all", "restart", "cancel", "delete", "create")
    return user_with(*rights, environments=[qa], username="ana")


@pytest.fixture
def nobody(secret_job: Job) -> User:
    """May sign in, and see no environment."""
    return UserFactory.create(username="nemo")


@pytest.fixture
def mine(ana: User, qa: Environment, shop: Project) -> Job:
    return JobFactory.at("RUN", "ready", environment=qa, project=shop, name="N.QA-00000002", revisions=["v1"])


LISTS: Final = (
    "jobs/", "jobs/summary/", "environments/", "projects/", "natures/", "rules/", "me/", "projects/shop/",
    "grants/", "users/", "groups/", "tokens/", "schedules/", "deployments/", f"deployments/?environment=PROD-{MARK}",
    f"jobs/?q={MARK}", f"jobs/?environment=PROD-{MARK}", f"jobs/?created_by=eve-{MARK}", "jobs/?status=trapped",
    "jobs/?project=shop", "jobs/?nature=python", "jobs/?ordering=created_at", "jobs/?ordering=-max_start_at&limit=1",
)  # fmt: skip


@in_one_test("path", LISTS)
def test_the_api_lists_and_counts_as_if_it_were_not_there(ana: User, mine: Job, path: str) -> None:
    api = Api(ana)
    before = api.get(path)
    assert MARK not in before.content.decode().replace(path.partition("?")[2], "")
    Job.objects.filter(name__contains=MARK).delete()
    assert api.get(path).content == before.content


def test_walking_all_pages_finds_only_what_is_visible(
    ana: User, mine: Job, shop: Project, prod: Environment
) -> None:
    later = JobFactory.at("RUN", "ready", environment=mine.environment, project=shop, revisions=["v2"])
    JobFactory.create(environment=prod, project=shop, revisions=["v3"])
    assert [row["id"] for row in Api(ana).walk("jobs/?limit=1")] == [later.pk, mine.pk]
    assert MARK not in json.dumps(Api(ana).walk("jobs/?limit=1"))


PAGES: Final = (
    "/", f"/?q={MARK}", f"/?environment=PROD-{MARK}", f"/?created_by=eve-{MARK}", "/?status=trapped", "/?ordering=-started_at",
    "/?nonsense=1", "/?status=nonsense", "/jobs/new/", f"/jobs/new/?environment=PROD-{MARK}&rule=r", "/account/",
)  # fmt: skip


@in_one_test(("address", "headers"), itertools.product(PAGES, ({}, HTMX)))
def test_pages_show_no_hidden_name(ana: User, mine: Job, address: str, headers: dict[str, str]) -> None:
    answer = Reader(ana, "en").get(address, **headers)
    asked = address.partition("?")[2]
    shown = text(answer)
    for repeated in (f"PROD-{MARK}", f"eve-{MARK}", MARK) if MARK in asked else ():
        # What the reader wrote stands in the field and in the chip of the filter; elsewhere it would be a row.
        assert f"N.PROD-{MARK}" not in shown
        shown = shown.replace(repeated, "")
    assert MARK not in shown


def test_the_version_of_the_monitor_does_not_move_with_hidden_jobs(
    ana: User, mine: Job, secret_job: Job
) -> None:
    reader = Reader(ana, "en")
    before = reader.get("/", **HTMX).content
    Job.objects.filter(pk=secret_job.pk).update(percent=77, reason="moved")
    assert reader.get("/", **HTMX).content == before


JOB_DOORS: Final = ("", "log/", "log/download/", "operations/", "audit/")
ACTIONS: Final[dict[str, dict[str, Any]]] = {
    "rerun": {"step": "PRE"}, "reschedule": {"scheduled_at": "2030-01-01T00:00:00Z"}, "run_now": {}, "cancel": {}, "rollback": {},
    "approve": {}, "reject": {"comment": "no"}, "trap": {"action": "retry"}, "comment": {"text": "hello"},
}  # fmt: skip


def _same(ask: Callable[[int], Any], hidden: int) -> None:
    """Assert that what is hidden and what is not there are answered alike, and with the same queries."""
    answers, queries = [], []
    ask(NOBODY)  # what is kept after a first question, such as content types, is read now
    for number in (hidden, NOBODY):
        with CaptureQueriesContext(connection) as captured:
            answer = ask(number)
        answers.append((answer.status_code, _without(number, answer.content)))
        queries.append([_NUMBERS.sub("#", query["sql"]) for query in captured.captured_queries])
    assert answers[0] == answers[1]
    assert queries[0] == queries[1]
    assert answers[0][0] in {302, 400, 404}


def _without(number: int, content: bytes) -> bytes:
    """Return an answer without the number that was asked for, and the secret of a form."""
    for written in (f"/{number}/", f"job {number}."):
        content = content.replace(written.encode(), b"?")
    return _SECRET.sub(b"", content)


@in_one_test("door", JOB_DOORS)
def test_reading_what_is_hidden_is_as_reading_nothing(ana: User, secret_job: Job, door: str) -> None:
    api = Api(ana)
    _same(lambda number: api.get(f"jobs/{number}/{door}").response, secret_job.pk)


@in_one_test(("action", "seen"), itertools.product(ACTIONS, (None, {"attempt": 1, "status": "trapped"})))
def test_acting_on_what_is_hidden_is_as_acting_on_nothing(
    ana: User, secret_job: Job, action: str, seen: dict[str, Any] | None
) -> None:
    api, body = Api(ana), {**ACTIONS[action], **({"seen": seen} if seen else {})}
    _same(lambda number: api.post(f"jobs/{number}/{action}/", body).response, secret_job.pk)


def test_deleting_what_is_hidden_is_as_deleting_nothing(ana: User, secret_job: Job) -> None:
    api = Api(ana)
    _same(lambda number: api.call("DELETE", f"jobs/{number}/").response, secret_job.pk)
    assert Job.objects.filter(pk=secret_job.pk).exists()


@in_one_test("page", ["", "log/", "log/download/", "cancel/", "retry/", "delete/", "comment/"])
def test_pages_of_what_is_hidden_are_as_pages_of_nothing(ana: User, secret_job: Job, page: str) -> None:
    reader = Reader(ana, "en")
    _same(lambda number: reader.get(f"/jobs/{number}/{page}"), secret_job.pk)
    if page.removesuffix("/") in {"cancel", "retry", "delete", "comment"}:
        _same(lambda number: reader.post(f"/jobs/{number}/{page}", {}), secret_job.pk)


def test_creating_in_a_hidden_environment_is_as_in_none(
    ana: User, secret_job: Job, prod: Environment
) -> None:
    api = Api(ana)
    codes = {secret_job.pk: prod.code, NOBODY: "NOWHERE"}

    def ask(number: int) -> bytes:
        body = {
            "rule": secret_job.rule.slug,
            "environment": codes[number],
            "project": "shop",
            "revisions": [{"ref": "v1"}],
        }
        return api.post("jobs/", body).content.replace(codes[number].encode(), b"?")

    found: list[tuple[bytes, list[str]]] = []
    for number in (NOBODY, secret_job.pk, NOBODY):
        with CaptureQueriesContext(connection) as captured:
            content = ask(number)
        shapes = [query["sql"].replace(codes[number], "?") for query in captured.captured_queries]
        found.append((content, [shape for shape in shapes if "apitoken" not in shape]))
    assert found[1] == found[2]
    assert b"Unknown environment" in found[1][0]


def test_a_reader_without_any_environment_learns_no_rule_and_no_project(
    nobody: User, secret_job: Job
) -> None:
    api, reader = Api(nobody), Reader(nobody, "en")
    slug = secret_job.rule.slug
    body = {"rule": slug, "environment": "QA", "project": "shop"}
    there, not_there = (
        api.post("jobs/", each).content for each in (body, {**body, "rule": "nope", "project": "nope"})
    )
    assert there.replace(slug.encode(), b"?").replace(b"shop", b"?") == not_there.replace(b"nope", b"?")
    call = "name: mine\nsteps:\n  RUN:\n    - rule: {}\n"
    near = [
        api.post("rules/validate/", {"source": call.format(name)}).json for name in (slug, slug[:-1] + "x")
    ]
    assert slug not in json.dumps(near[1])
    assert near[0]["valid"] is near[1]["valid"] is False
    assert slug not in text(reader.get("/jobs/new/"))
    assert "shop" not in text(reader.get("/jobs/new/"))


def test_creating_on_the_page_without_the_right_names_it(ana: User, qa: Environment, secret_job: Job) -> None:
    viewer = user_with("view_monitor", environments=[qa])
    form = {"rule": secret_job.rule.slug, "environment": "QA", "type": "promote"}
    answer = Reader(viewer, "en").post("/jobs/new/", form)
    assert answer.status_code == 403
    assert "action.job.create" in words(answer)
    hidden, nowhere = (
        Reader(ana, "en").post("/jobs/new/", {**form, "environment": code})
        for code in (f"PROD-{MARK}", "NOWHERE")
    )
    assert hidden.status_code == nowhere.status_code == 400
    assert MARK not in text(hidden).replace(f"PROD-{MARK}", "")


@pytest.fixture
def staff(ana: User, shop: Project) -> Reader:
    """Staff with every permission of Django on our tables, who may see QA alone."""
    ana.is_staff = True
    ana.save()
    ana.user_permissions.set(
        Permission.objects.filter(content_type__app_label__in=["jobs", "rules", "admin"])
    )
    return Reader(ana, "en")


ADMIN: Final = (
    "/admin/", "/admin/jobs/", *(f"/admin/jobs/{table}/" for table in (
        "job", "approval", "trap", "semaphore", "secret", "auditrecord", "project", "nature")),
    "/admin/jobs/secret/add/", "/admin/jobs/project/add/", f"/admin/jobs/job/?q={MARK}", f"/admin/jobs/trap/?q={MARK}",
)  # fmt: skip


@in_one_test("address", ADMIN)
def test_the_administration_shows_staff_no_hidden_name(
    staff: Reader, mine: Job, prod: Environment, shop: Project, address: str
) -> None:
    Secret.objects.create(name="key", environment=prod, ciphertext=b"", changed_at=timezone.now())
    answer = staff.get(address)
    assert answer.status_code == 200
    assert MARK not in text(answer).replace(f'value="{MARK}"', "").replace(f"q={MARK}", "")


@pytest.mark.parametrize("table", ["project", "semaphore", "nature"])
def test_what_would_be_deleted_or_keeps_a_row_is_not_named(
    staff: Reader, shop: Project, secret_job: Job, table: str
) -> None:
    things: dict[str, Any] = {
        "project": shop, "semaphore": Semaphore.objects.get(), "nature": secret_job.natures.get(),
    }  # fmt: skip
    for page in ("delete", "change", "history"):
        assert MARK not in text(staff.get(f"/admin/jobs/{table}/{things[table].pk}/{page}/"))
    form = {"action": "delete_selected", "_selected_action": str(things[table].pk)}
    assert MARK not in text(staff.post(f"/admin/jobs/{table}/", form))
    assert type(things[table]).objects.filter(pk=things[table].pk).exists()


def test_recent_actions_are_about_what_is_visible_now(
    staff: Reader, ana: User, qa: Environment, prod: Environment
) -> None:
    for environment in (qa, prod):
        now = timezone.now()
        kept = Secret.objects.create(name="key", environment=environment, ciphertext=b"", changed_at=now)
        LogEntry.objects.create(
            user=ana, content_type=ContentType.objects.get_for_model(Secret), object_id=str(kept.pk),
            object_repr=str(kept), action_flag=CHANGE, change_message="[]",
        )  # fmt: skip
    shown = text(staff.get("/admin/"))
    assert "key · QA" in shown
    assert MARK not in shown


def test_the_history_of_a_project_names_no_environment(ana: User, staff: Reader, shop: Project) -> None:
    boss = Reader(UserFactory.create(username="boss", is_superuser=True, is_staff=True), "en")
    rows = list(shop.environments.order_by("pk"))
    form: dict[str, Any] = {
        "code": "shop", "name": "Shop", "repository": "/r", "variables": "{}",
        "environments-TOTAL_FORMS": len(rows), "environments-INITIAL_FORMS": len(rows),
    }  # fmt: skip
    for index, row in enumerate(rows):
        form |= {
            f"environments-{index}-id": row.pk, f"environments-{index}-project": shop.pk,
            f"environments-{index}-environment": row.environment_id, f"environments-{index}-variables": '{"new": 1}',
        }  # fmt: skip
    assert boss.post(f"/admin/jobs/project/{shop.pk}/change/", form).status_code == 302
    shown = text(staff.get(f"/admin/jobs/project/{shop.pk}/history/"))
    assert "boss" in shown
    assert MARK not in shown


def test_a_secret_for_all_environments_is_changed_by_who_sees_all(staff: Reader, ana: User) -> None:
    kept = Secret.objects.create(name="key", ciphertext=b"", changed_at=timezone.now())
    address = f"/admin/jobs/secret/{kept.pk}"
    assert staff.get(f"{address}/change/").status_code == 200, "its name may be read"
    assert staff.post(f"{address}/change/", {"value": "a-long-enough-value"}).status_code == 403
    assert staff.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    new = {"name": "other", "environment": "", "project": "", "value": "a-long-enough-value"}
    assert staff.post("/admin/jobs/secret/add/", new).status_code == 200, "an environment is asked for"
    assert Secret.objects.count() == 1


@in_one_test("table", ["secret", "trap", "approval", "auditrecord", "project", "nature", "semaphore"])
def test_history_asks_for_the_permission_before_it_looks(secret_job: Job, table: str) -> None:
    reader = Reader(UserFactory.create(is_staff=True), "en")
    for number in (1, shop_key(), NOBODY):
        assert reader.get(f"/admin/jobs/{table}/{number}/history/").status_code == 403


def shop_key() -> int:
    """Return the key of a row that is there."""
    return Project.objects.get(code="shop").pk
