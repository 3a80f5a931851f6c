"""Environments, users and groups in the admin: how they are written, and what stands against deleting them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.models import ProjectEnvironment
from permissions import tokens
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import grant
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    UserFactory,
)
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

FORM = {
    "code": "QA", "name": "Quality", "position": "2", "colour": "#aabbcc", "expiry": "2d",
    "expiry_urgent": "90m", "variables": '{"replicas": 3}',
}  # fmt: skip


@pytest.fixture
def boss() -> Reader:
    return Reader(UserFactory.create(username="boss", is_staff=True, is_superuser=True), "en")


def test_an_environment_is_made_and_changed(boss: Reader) -> None:
    form = text(boss.get("/admin/permissions/environment/add/"))
    assert ('type="color"' in form, 'value="1d"' in form, 'value="1h"' in form) == (True, True, True)
    assert boss.post("/admin/permissions/environment/add/", FORM).status_code == 302
    made = Environment.objects.get()
    assert (made.code, made.expiry, made.expiry_urgent) == ("QA", timedelta(days=2), timedelta(minutes=90))
    assert (made.variables, made.colour) == ({"replicas": 3}, "#aabbcc")
    address = f"/admin/permissions/environment/{made.pk}/change/"
    page = boss.get(address)
    assert 'value="90m"' in text(page)
    assert 'name="code"' not in text(page), "the code cannot be changed"
    assert "2d 90m" in words(boss.get("/admin/permissions/environment/"))
    changed = boss.post(address, {**FORM, "code": "OTHER", "expiry": "36h", "variables": ""})
    assert changed.status_code == 302, words(changed)
    made.refresh_from_db()
    assert (made.code, made.expiry, made.variables) == ("QA", timedelta(hours=36), {})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("expiry", "soon", "soon is no duration: write 90s, 15m, 2h or 1d"),
        ("expiry", "0d", "0d is no duration"),
        ("expiry_urgent", "400d", "up to 365d"),
        ("expiry_urgent", "", "This field is required"),
        ("variables", "[1]", "Write a JSON object."),
        ("variables", '{"a": 1e999}', "a: numbers must be finite."),
        ("variables", '{"a": NaN}', "Numbers must be finite"),
        ("variables", '{"a": "\\u0000"}', "a: the text holds a NUL"),
        ("variables", '{"a": }', "Line 1, column 7: no valid JSON."),
        ("colour", "red", "Write the colour as #rrggbb."),
        ("code", "qa!", "Use letters, digits"),
        ("code", "dev", "unique"),
        ("position", "-1", "greater than or equal to 0"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(boss: Reader, field: str, value: str, reason: str) -> None:
    EnvironmentFactory.create(code="DEV")
    answer = boss.post("/admin/permissions/environment/add/", {**FORM, field: value})
    assert (answer.status_code, reason in words(answer)) == (200, True), words(answer)
    assert Environment.objects.count() == 1


def test_what_refers_to_it_stands_against_deleting_it(boss: Reader) -> None:
    job = JobFactory.at("RUN", "ready", name="N.DEV-1")
    for kind, row in (("environment", job.environment), ("user", job.created_by)):
        address = f"/admin/permissions/{kind}/{row.pk}/delete/"
        page = boss.get(address)
        assert page.status_code == 409
        assert "stays, because of what is listed here" in words(page)
        assert "job N.DEV-1" in words(page)
        boss.post(address, {"post": "yes"})
        bulk: dict[str, Any] = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        boss.post(f"/admin/permissions/{kind}/", bulk)
        assert type(row).objects.filter(pk=row.pk).exists()
    assert "made inactive instead" in words(boss.get(f"/admin/permissions/user/{job.created_by.pk}/delete/"))


def test_what_goes_along_is_named_as_people_know_it(boss: Reader) -> None:
    dev: Environment = EnvironmentFactory.create(code="DEV")
    ops, ana = GroupFactory.create(name="ops"), UserFactory.create(username="ana")
    ana.groups.add(ops)
    for principal in (ops, ana):
        grant(principal, Right.RESTART, dev)
    grant(ops, Right.CREATE, None)
    tokens.issue(ana, name="ci")
    ProjectEnvironment.objects.create(
        project=ProjectFactory.create(code="shop"), environment=dev, variables={}
    )
    of_ops = words(boss.get(f"/admin/auth/group/{ops.pk}/delete/"))
    assert "Membership: ana – ops" in of_ops
    assert "Right of a group: group:ops: action.job.restart (DEV)" in of_ops
    assert "Permission: ops – action.job.create (*)" in of_ops
    assert "Memberships" not in of_ops
    of_ana = words(boss.get(f"/admin/permissions/user/{ana.pk}/delete/"))
    assert "Right of a user: user:ana: action.job.restart (DEV)" in of_ana
    assert "Membership: ana – ops" in of_ana
    assert "API token: clv_" in of_ana
    of_dev = words(boss.get(f"/admin/permissions/environment/{dev.pk}/delete/"))
    assert "group:ops: action.job.restart (DEV)" in of_dev
    assert "user:ana: action.job.restart (DEV)" in of_dev
    assert "shop" in of_dev
    assert "object (" not in of_ops + of_ana + of_dev, "everything has a name"


def test_long_lists_are_cut(boss: Reader) -> None:
    ops = GroupFactory.create(name="ops")
    for user in UserFactory.create_batch(60):
        user.groups.add(ops)
    assert "Membership: and 10 more" in words(boss.get(f"/admin/auth/group/{ops.pk}/delete/"))
    assert User.objects.count() == 61


def test_codes_of_projects_and_natures_stay(boss: Reader) -> None:
    """Subscriptions, views and rules know them."""
    for row in (ProjectFactory.create(code="shop"), NatureFactory.create(code="shop", include=["*"])):
        address = f"/admin/jobs/{row._meta.model_name}/{row.pk}/change/"
        assert 'name="code"' not in text(boss.get(address))
        sent = {
            "code": "store", "name": "Store", "variables": "{}", "include": "*",
            "environments-TOTAL_FORMS": "0", "environments-INITIAL_FORMS": "0",
        }  # fmt: skip
        assert boss.post(address, sent).status_code == 302
        row.refresh_from_db()
        assert (row.code, row.name) == ("shop", "Store")
