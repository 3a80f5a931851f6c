"""Section 9, for everyone: language, zone and theme; and the administration of users, rights and tokens."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from jobs import audit
from jobs.models import Job, LogChunk
from permissions import tokens
from permissions.catalog import Right
from permissions.models import ApiToken, Environment, User
from permissions.policy import grant, granted
from tests.factories import EnvironmentFactory, GroupFactory, JobFactory, UserFactory, moment, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def boss() -> Reader:
    return Reader(UserFactory.create(username="boss", is_staff=True, is_superuser=True))


def test_language_zone_and_theme_are_kept_and_used(dev: Environment) -> None:
    user = user_with("view_monitor", environments=[dev])
    reader = Reader(user)
    job = JobFactory.at(
        "RUN",
        "ready",
        environment=dev,
        now=moment("2026-03-01T23:30"),
        scheduled_at=moment("2031-01-02T23:30"),
    )
    assert "03-01-2031" not in text(reader.get("/"))
    answer = reader.post("/account/", {"language": "en", "time_zone": "Asia/Tokyo", "theme": "dark"})
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert "Your choices are kept." in words(reader.get("/account/"))
    page = reader.get(f"/jobs/{job.pk}/")
    assert 'lang="en"' in text(page)
    assert 'data-theme="dark"' in text(page)
    assert "Until 2031-01-03 08:30:00 JST" in words(page)
    assert 'title="2031-01-02 23:30:00 UTC"' in text(page)


@pytest.mark.parametrize(
    ("field", "value"), [("language", "xx"), ("time_zone", "Mars/Base"), ("theme", "pink")]
)
def test_a_choice_that_does_not_exist_changes_nothing(dev: Environment, field: str, value: str) -> None:
    user = user_with()
    answer = Reader(user).post(
        "/account/", {"language": "en", "time_zone": "UTC", "theme": "dark", field: value}
    )
    assert (answer.status_code, f'id="id_{field}_error"' in text(answer)) == (400, True)
    user.refresh_from_db()
    assert (user.language, user.time_zone, user.theme) == ("", "", "system")
    assert 'data-theme="dark"' not in text(answer)


def test_without_a_choice_the_browser_decides(dev: Environment) -> None:
    reader = Reader(user_with("view_monitor", environments=[dev]), "en-GB,en;q=0.9")
    job = JobFactory.at("RUN", "ready", environment=dev, scheduled_at=moment("2031-01-02T12:00"))
    for cookie, shown in {
        "America/Lima": "07:00:00 -05",
        "nonsense": "13:00:00 CET",
        "../../etc/passwd": "13:00:00 CET",
    }.items():
        reader.client.cookies["clarive_zone"] = cookie
        assert f"Until 2031-01-02 {shown}" in words(reader.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("", r"Times are in the zone Europe/Madrid \(UTC\+0[12]:00\)\. Choose another"),
        ("Asia/Kolkata", r"Times are in the zone Asia/Kolkata \(UTC\+05:30\)\."),
        ("UTC", r"Times are in the zone UTC\."),
    ],
)
def test_without_a_script_every_page_names_its_zone(dev: Environment, zone: str, said: str) -> None:
    user = user_with("view_monitor", environments=[dev])
    user.time_zone = zone
    user.save(update_fields=["time_zone"])
    reader, job = Reader(user, "en"), JobFactory.at("RUN", "ready", environment=dev)
    for address in ("/", "/inbox/", "/deployments/", f"/jobs/{job.pk}/", f"/jobs/{job.pk}/log/"):
        parts = re.findall(r"<noscript>(.*?)</noscript>", text(reader.get(address)), re.DOTALL)
        (without_scripts,) = (" ".join(re.sub(r"<[^>]+>", " ", part).split()) for part in parts)
        assert re.fullmatch(said, without_scripts), address


def test_rights_are_granted_and_withdrawn_by_ticking_boxes(boss: Reader, dev: Environment) -> None:
    ops, ana = GroupFactory.create(name="ops"), UserFactory.create(username="ana")
    grant(ops, Right.CANCEL, dev)
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    assert 'value="group:ops=cancel"' in text(boss.get(address))
    boss.post(
        address,
        {
            "shown": ["group:ops=cancel"],
            "granted": ["group:ops=restart"],
            "added": "user:ana",
            "begins": ["view_monitor"],
        },
    )
    assert granted(ops) == {"DEV": {Right.RESTART}}
    assert granted(ana) == {"DEV": {Right.VIEW_MONITOR}}
    everywhere = "/admin/permissions/environment/rights/"
    boss.post(everywhere, {"added": "group:ops", "begins": ["view_monitor", "create"]})
    assert granted(ops) == {"DEV": {Right.RESTART}, "*": {Right.VIEW_MONITOR, Right.CREATE}}
    boss.post(everywhere, {"shown": ["group:ops=view_monitor,create"]})
    assert granted(ops) == {"DEV": {Right.RESTART}}
    assert boss.get("/admin/permissions/environment/999/rights/").status_code == 404


def test_only_who_may_change_environments_may_grant(dev: Environment) -> None:
    clerk = UserFactory.create(is_staff=True)
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    answer = Reader(clerk).post(address, {"added": f"user:{clerk.username}"})
    assert (answer.status_code, granted(clerk)) == (403, {})
    assert Client().post(address, {}).status_code == 302


def test_a_token_is_shown_once_and_never_again(boss: Reader) -> None:
    ana = UserFactory.create(username="ana")
    answer = boss.post(
        "/admin/permissions/apitoken/add/",
        {"user": ana.pk, "name": "ci", "expires_at_0": "", "expires_at_1": ""},
    )
    assert answer.status_code == 200, words(answer)
    made = ApiToken.objects.get()
    assert "no-store" in answer["Cache-Control"]
    shown = re.search(r"<code>(clv_[\w-]+)</code>", text(answer))
    assert shown is not None
    assert tokens.owner(shown[1], now=timezone.now()) == ana
    for address in ("/admin/permissions/apitoken/", f"/admin/permissions/apitoken/{made.pk}/change/"):
        page = text(boss.get(address))
        assert shown[1] not in page
        assert made.digest not in page


def test_jobs_and_audit_are_only_read_and_only_where_one_may_look(boss: Reader, dev: Environment) -> None:
    hidden = JobFactory.at(
        "RUN", "ready", environment=EnvironmentFactory.create(code="PROD"), name="N.PROD-00000001"
    )
    seen = JobFactory.at("RUN", "ready", environment=dev, name="N.DEV-00000001")
    for job in (hidden, seen):
        audit.record(audit.Actor(job.created_by, "api"), "create", job, now=timezone.now())
    clerk = user_with("view_monitor", environments=[dev], is_staff=True)
    clerk.user_permissions.add(*_permissions("view_auditrecord"))
    reader = Reader(clerk)
    for address in ("/admin/jobs/job/", "/admin/jobs/auditrecord/"):
        page = words(reader.get(address))
        assert ("N.DEV-00000001" in page, "N.PROD-00000001" in page) == (True, False)
        assert "N.PROD-00000001" in words(boss.get(address))
    assert reader.get(f"/admin/jobs/job/{hidden.pk}/change/").status_code == 302
    assert reader.get(f"/admin/jobs/job/{seen.pk}/change/").status_code == 200
    for action in ("add/", f"{seen.pk}/delete/"):
        assert boss.get(f"/admin/jobs/job/{action}").status_code == 403
    boss.post(f"/admin/jobs/job/{seen.pk}/change/", {"status": "finished"})
    assert Job.objects.get(pk=seen.pk).status == "ready"
    assert not admin.site.is_registered(LogChunk)


def _permissions(codename: str) -> Any:
    return Permission.objects.filter(codename=codename)


@pytest.mark.parametrize(
    "address",
    [
        "", "permissions/user/add/", "permissions/environment/", "permissions/environment/add/", "permissions/apitoken/add/",
        "jobs/project/add/", "jobs/nature/add/", "jobs/job/", "jobs/auditrecord/", "auth/group/add/",
    ],
)  # fmt: skip
def test_every_page_of_the_admin_opens(boss: Reader, dev: Environment, address: str) -> None:
    JobFactory.at("RUN", "ready", environment=dev, created_at=timezone.now() - timedelta(days=1))
    page = boss.get(f"/admin/{address}")
    assert page.status_code == 200
    assert "Clarive Monitor: administración" in words(page)


def test_a_user_and_a_project_are_made_in_the_admin(boss: Reader, dev: Environment) -> None:
    made = boss.post(
        "/admin/jobs/project/add/",
        {
            "code": "shop", "name": "Shop", "repository": "/srv/shop.git", "variables": "{}",
            "environments-TOTAL_FORMS": "1", "environments-INITIAL_FORMS": "0",
            "environments-0-environment": dev.pk, "environments-0-variables": '{"replicas": 3}',
        },
    )  # fmt: skip
    assert made.status_code == 302, words(made)
    answer = boss.post(
        "/admin/permissions/user/add/",
        {
            "username": "vera",
            "usable_password": "true",
            "password1": "correct-horse-1",
            "password2": "correct-horse-1",
        },
    )
    assert answer.status_code == 302, words(answer)
    assert User.objects.get(username="vera").check_password("correct-horse-1")
    assert Group.objects.count() == 0
