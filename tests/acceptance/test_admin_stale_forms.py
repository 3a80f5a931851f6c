"""A form of the administration that was opened a while ago takes back nothing that somebody else changed meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db.models import Model

from jobs.models import AuditRecord, ProjectEnvironment, Semaphore
from permissions.models import Environment, User
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    NatureFactory,
    ProjectFactory,
    ScheduleFactory,
    UserFactory,
    user_with,
)
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db


class _Fields(HTMLParser):
    """Collects what a browser would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self._in_form = False
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field."""
        found = {name: value or "" for name, value in attrs}
        name = found.get("name", "")
        if tag == "form":
            self._in_form = found.get("id", "").endswith("_form") and found["id"] != "logout-form"
        elif not self._in_form:
            return
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in found:
            self.sent.setdefault(self._select, []).append(found["value"])
        elif tag == "textarea":
            self._area = name
            self.sent[name] = [""]
        elif tag == "input" and name and found.get("type") not in ("submit", "button"):
            is_box = found.get("type") in ("checkbox", "radio")
            if "checked" in found or not is_box:
                self.sent.setdefault(name, []).append(found.get("value", "on" if is_box else ""))

    def handle_data(self, data: str) -> None:
        """Note what stands in a text area; a browser drops the first line break."""
        if self._area:
            self.sent[self._area][0] += data

    def handle_endtag(self, tag: str) -> None:
        """End a text area or the form."""
        if tag == "textarea":
            self.sent[self._area][0] = re.sub(r"\A\r?\n", "", self.sent[self._area][0])
            self._area = ""
        elif tag == "form":
            self._in_form = False


def form_of(answer: Any) -> dict[str, Any]:
    parser = _Fields()
    parser.feed(text(answer))
    assert "_shown" in parser.sent
    return dict(parser.sent)


@pytest.fixture
def boss() -> Reader:
    return Reader(UserFactory.create(username="boss", is_staff=True, is_superuser=True), "en")


@pytest.fixture
def ana() -> User:
    found = UserFactory.create(username="ana", email="old@example.org", is_staff=True, is_superuser=True)
    found.groups.add(GroupFactory.create(name="ops"))
    return found


def address_of(row: Model) -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


def test_a_stale_form_of_a_user_gives_nothing_back(boss: Reader, ana: User) -> None:
    address = address_of(ana)
    form = {**form_of(boss.get(address)), "email": "new@example.org"}
    ana.groups.clear()
    User.objects.filter(pk=ana.pk).update(is_superuser=False, is_active=False)
    refused = boss.post(address, form)
    assert refused.status_code == 409
    assert "Changed meanwhile: Active, Superuser status, Groups. Nothing was saved." in words(refused)
    found = User.objects.get(pk=ana.pk)
    assert (found.email, found.is_superuser, found.is_active) == ("old@example.org", False, False)
    assert not found.groups.exists()
    assert not AuditRecord.objects.exists()
    # What was wished for is still in the form, what was not touched shows what is there.
    again = form_of(refused)
    assert again["email"] == ["new@example.org"]
    assert {"is_superuser", "is_active", "groups"} & set(again) == set()
    assert boss.post(address, again).status_code == 302
    found.refresh_from_db()
    assert (found.email, found.is_superuser, found.is_active) == ("new@example.org", False, False)
    assert not found.groups.exists()


def test_the_page_says_what_becoming_inactive_means(boss: Reader, ana: User) -> None:
    assert "Becoming inactive ends all sessions for good; API tokens are refused" in words(
        boss.get(address_of(ana))
    )


def test_what_both_changed_is_shown_beside_what_was_wished(boss: Reader, ana: User) -> None:
    address = address_of(ana)
    form = {**form_of(boss.get(address)), "email": "mine@example.org"}
    User.objects.filter(pk=ana.pk).update(email="theirs@example.org")
    refused = boss.post(address, form)
    assert (refused.status_code, "Changed meanwhile to: theirs@example.org" in words(refused)) == (409, True)
    assert boss.post(address, form_of(refused)).status_code == 302
    ana.refresh_from_db()
    assert ana.email == "mine@example.org"


def test_a_form_with_a_mistake_stays_as_old_as_it_is(boss: Reader, ana: User) -> None:
    address = address_of(ana)
    form = {**form_of(boss.get(address)), "email": "no address"}
    wrong = boss.post(address, form)
    assert wrong.status_code == 200
    User.objects.filter(pk=ana.pk).update(is_superuser=False)
    assert boss.post(address, {**form_of(wrong), "email": "new@example.org"}).status_code == 409
    ana.refresh_from_db()
    assert not ana.is_superuser


def test_fields_that_were_not_shown_are_not_taken_for_empty(boss: Reader, ana: User) -> None:
    address = address_of(ana)
    assert boss.post(address, {**form_of(boss.get(address)), "_shown": "[mangled"}).status_code == 409
    without = {name: value for name, value in form_of(boss.get(address)).items() if name != "_shown"}
    assert boss.post(address, without).status_code == 302, "programs do not say what they saw"


def test_every_form_of_the_configuration_asks(boss: Reader) -> None:
    environment = EnvironmentFactory.create(name="old", variables={"a": 1})
    nature = NatureFactory.create(include=["*.py"])
    project = ProjectFactory.create(name="old", variables={"a": {"b": [1]}})
    owner = user_with("view_monitor", "create")
    schedule = ScheduleFactory.create(comment="old", owner=owner, delay=timedelta(minutes=5))
    semaphore = Semaphore.objects.create(name="deploy", slots=3)
    changes: list[tuple[Any, dict[str, Any]]] = [
        (environment, {"variables": {"a": 2}}),
        (nature, {"include": ["*.js"]}),
        (project, {"variables": {"a": {"b": [2]}}}),
        (schedule, {"urgent": True, "comment": "theirs"}),
        (semaphore, {"slots": 1}),
    ]
    for row, change in changes:
        address = address_of(row)
        form = form_of(boss.get(address))
        same = boss.post(address, form)
        assert same.status_code == 302, (address, words(same))
        type(row)._base_manager.filter(pk=row.pk).update(**change)
        refused = boss.post(address, form)
        assert refused.status_code == 409, address
        row.refresh_from_db()
        assert {name: getattr(row, name) for name in change} == change
        assert boss.post(address, form_of(refused)).status_code == 302, address
        row.refresh_from_db()
        assert {name: getattr(row, name) for name in change} == change


def test_the_form_of_a_group_asks(boss: Reader) -> None:
    group = Group.objects.create(name="qa")
    address, theirs = address_of(group), Permission.objects.get(codename="view_project")
    form = form_of(boss.get(address))
    assert boss.post(address, form).status_code == 302
    group.permissions.add(theirs)
    refused = boss.post(address, form)
    assert refused.status_code == 409
    assert boss.post(address, form_of(refused)).status_code == 302
    assert group.permissions.get() == theirs


def test_rows_below_a_form_ask_too(boss: Reader) -> None:
    project, prod = ProjectFactory.create(), EnvironmentFactory.create(code="PROD")
    row = ProjectEnvironment.objects.create(project=project, environment=prod, variables={"a": 1})
    address = address_of(project)
    form = {**form_of(boss.get(address)), "name": "new name"}
    ProjectEnvironment.objects.update(variables={"a": 2})
    refused = boss.post(address, form)
    assert refused.status_code == 409
    assert boss.post(address, form_of(refused)).status_code == 302
    project.refresh_from_db()
    row.refresh_from_db()
    assert (project.name, row.variables) == ("new name", {"a": 2})
    form = form_of(boss.get(address))
    row.delete()
    assert boss.post(address, form).status_code == 409
    assert not ProjectEnvironment.objects.exists()
    assert Environment.objects.count() == 1


def test_trying_and_looking_ahead_keep_the_form_as_old_as_it_is(boss: Reader) -> None:
    owner = user_with("view_monitor", "create")
    schedule = ScheduleFactory.create(owner=owner)
    for row, button, change in (
        (NatureFactory.create(code="py"), "_try", {"name": "theirs"}),
        (schedule, "_preview", {"comment": "theirs"}),
    ):
        address = address_of(row)
        form = form_of(boss.get(address))
        looked = boss.post(address, {**form, button: "1", "paths": "a.py"})
        assert looked.status_code == 200
        type(row)._base_manager.filter(pk=row.pk).update(**change)
        assert boss.post(address, form_of(looked)).status_code == 409
