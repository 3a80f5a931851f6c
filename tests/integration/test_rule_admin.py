"""The rule editor of the admin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from permissions.models import User
from rules.actions.publish_rule import publish_rule
from rules.models import Rule, RuleVersion
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LIST: Final = "/admin/rules/rule/"


def source(*operations: str, name: str = "web") -> str:
    return f"name: {name}\nsteps:\n  RUN:\n" + "".join(f"    - {operation}\n" for operation in operations)


def publish(text: str) -> Rule:
    version, _ = publish_rule(source=text, author=None, comment="", now=datetime(2026, 5, 4, tzinfo=UTC))
    return version.rule


@pytest.fixture
def administrator() -> User:
    user: User = UserFactory.create(language="en", is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def desk(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def test_the_list_names_the_current_version(desk: Client) -> None:
    for number in range(3):
        publish(source("log: a", name=f"rule-{number}"))
    publish(source("log: b", name="rule-1"))
    answer = desk.get(LIST)
    assert answer.status_code == 200
    rows = {row.slug: row.newest_number for row in answer.context["cl"].result_list}
    assert rows == {"rule-0": 1, "rule-1": 2, "rule-2": 1}


def test_a_new_rule_is_published(desk: Client, administrator: User) -> None:
    assert "my-rule" in desk.get(f"{LIST}add/").content.decode()
    answer = desk.post(f"{LIST}add/", {"source": source("log: a").replace("\n", "\r\n"), "comment": "begin"})
    version = RuleVersion.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}{version.rule_id}/change/")
    assert (version.source, version.author, version.comment) == (source("log: a"), administrator, "begin")
    assert LogEntry.objects.get().object_repr == "web"


def test_who_may_only_add_makes_new_rules_and_none_of_another(desk: Client) -> None:
    adder = UserFactory.create(language="en", is_staff=True)
    adder.user_permissions.add(Permission.objects.get(codename="add_rule"))
    client = Client()
    client.force_login(adder)
    answer = client.post(f"{LIST}add/", {"source": source("log: a")}, follow=True)
    assert (answer.status_code, answer.redirect_chain) == (200, [("/admin/", 302)]), (
        "not to what it may not see"
    )
    assert "Published version 1." in answer.content.decode()
    again = client.post(f"{LIST}add/", {"source": source("log: b")})
    assert (again.status_code, RuleVersion.objects.count()) == (422, 1)


def test_mistakes_are_shown_by_line_and_nothing_is_lost_or_published(desk: Client) -> None:
    rule = publish(source("log: a"))
    text = source("lgo: <b>", "rule: nowhere")
    answer = desk.post(f"{LIST}{rule.pk}/change/", {"source": text, "seen": 1})
    body = answer.content.decode()
    assert answer.status_code == 422
    assert "There is no operation lgo." in body
    assert "Did you mean log?" in body
    assert "- lgo: &lt;b&gt;" in body
    assert [(one["line"], one["column"]) for one in answer.context["problems"]] == [(4, 7), (5, 13)]
    assert RuleVersion.objects.count() == 1


def test_a_version_that_was_published_meanwhile_is_not_written_over(desk: Client) -> None:
    rule = publish(source("log: a"))
    publish(source("log: b"))
    answer = desk.post(f"{LIST}{rule.pk}/change/", {"source": source("log: mine"), "seen": 1})
    assert answer.status_code == 422
    assert "log: mine" in answer.content.decode()
    assert RuleVersion.objects.count() == 2


def test_the_name_cannot_change_and_a_rule_is_not_made_twice(desk: Client) -> None:
    rule = publish(source("log: a"))
    renamed = desk.post(f"{LIST}{rule.pk}/change/", {"source": source("log: a", name="other"), "seen": 1})
    again = desk.post(f"{LIST}add/", {"source": source("log: b")})
    assert (renamed.status_code, again.status_code) == (422, 422)
    assert RuleVersion.objects.count() == 1


def test_the_same_source_publishes_nothing(desk: Client) -> None:
    rule = publish(source("log: a"))
    answer = desk.post(f"{LIST}{rule.pk}/change/", {"source": source("log: a"), "seen": 1}, follow=True)
    assert answer.status_code == 200
    assert RuleVersion.objects.count() == 1


def test_versions_and_what_changed_between_them(desk: Client) -> None:
    rule = publish(source("log: one"))
    publish(source("log: two"))
    assert f"{LIST}{rule.pk}/versions/1/" in desk.get(f"{LIST}{rule.pk}/change/").content.decode()
    assert "log: one" in desk.get(f"{LIST}{rule.pk}/versions/1/").content.decode()
    diff = desk.get(f"{LIST}{rule.pk}/diff/", {"from": 1, "to": 2})
    assert ("removed", "-    - log: one") in diff.context["lines"]
    assert ("added", "+    - log: two") in diff.context["lines"]
    assert "The two versions are the same." in desk.get(f"{LIST}{rule.pk}/diff/?from=2&to=2").content.decode()


@pytest.mark.parametrize(
    "path",
    ["versions/9/", "diff/", "diff/?from=1&to=9", "diff/?from=x&to=1", "diff/?from=1&to=99999999999999"],
)
def test_what_is_not_there_is_404(desk: Client, path: str) -> None:
    rule = publish(source("log: a"))
    assert desk.get(f"{LIST}{rule.pk}/{path}").status_code == 404
    assert desk.get(f"{LIST}{rule.pk + 1}/versions/1/").status_code == 404


def test_who_may_only_view_publishes_nothing() -> None:
    rule = publish(source("log: a"))
    viewer: User = UserFactory.create(language="en", is_staff=True)
    client = Client()
    client.force_login(viewer)
    addresses = (
        f"{LIST}{rule.pk}/change/",
        f"{LIST}{rule.pk}/versions/1/",
        f"{LIST}{rule.pk}/diff/?from=1&to=1",
    )
    assert [client.get(address).status_code for address in addresses] == [403, 403, 403]
    viewer.user_permissions.add(Permission.objects.get(codename="view_rule"))
    assert [client.get(address).status_code for address in addresses] == [200, 200, 200]
    assert client.post(addresses[0], {"source": source("log: b"), "seen": 1}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert RuleVersion.objects.count() == 1
