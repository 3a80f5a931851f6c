"""``manage.py apply --prune``: what is removed, and what is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from jobs.configuration.export import export_text
from jobs.models import Nature, Project, ProjectEnvironment, RetentionPolicy
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.models import Rule
from tests.factories import JobFactory, RuleFactory

pytestmark = pytest.mark.django_db


def prune(folder: Path, text: str, *, dry_run: bool = False) -> list[str]:
    """Apply a document with ``--prune``; what it printed, line by line."""
    document = folder / "site.yaml"
    document.write_text(text)
    printed = io.StringIO()
    call_command("apply", str(document), prune=True, dry_run=dry_run, stdout=printed, stderr=io.StringIO())
    return printed.getvalue().splitlines()


def test_what_is_not_named_goes_and_other_kinds_stay(tmp_path: Path) -> None:
    Environment.objects.create(code="OLD", name="Old")
    Environment.objects.create(code="DEV", name="Dev")
    Nature.objects.create(code="cobol", name="Cobol")
    Group.objects.create(name="ops")
    assert prune(tmp_path, "environments:\n  - {code: DEV}\nnatures: []\n") == [
        "removed nature cobol",
        "removed environment OLD",
    ]
    assert [environment.code for environment in Environment.objects.all()] == ["DEV"]
    assert Group.objects.filter(name="ops").exists()


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    Group.objects.create(name="ops")
    assert prune(tmp_path, "groups: []\n", dry_run=True) == ["removed group ops"]
    assert Group.objects.filter(name="ops").exists()


def test_without_the_switch_nothing_is_removed(tmp_path: Path) -> None:
    Group.objects.create(name="ops")
    (tmp_path / "site.yaml").write_text("groups: []\n")
    call_command("apply", str(tmp_path / "site.yaml"), stdout=io.StringIO())
    assert Group.objects.filter(name="ops").exists()


def test_what_a_job_refers_to_is_kept_and_everything_else_too(tmp_path: Path) -> None:
    job = JobFactory.create()
    Environment.objects.create(code="UNUSED", name="Unused")
    with pytest.raises(CommandError) as error:
        prune(tmp_path, "environments: []\nprojects: []\nrules: []\nusers: []\n")
    problems = str(error.value).splitlines()[1:]
    assert len(problems) == 4
    for problem in problems:
        assert "is not in the documents and cannot be removed: job " + job.name + " refers to it." in problem
    assert Environment.objects.filter(code="UNUSED").exists()


def test_superusers_are_never_removed(tmp_path: Path) -> None:
    User.objects.create_superuser("admin")
    User.objects.create_user("ana")
    assert prune(tmp_path, "users: []\n") == [
        "removed user ana",
        "note: user admin is a superuser and stays",
    ]
    assert User.objects.get().username == "admin"


def test_grants_that_no_document_names_are_taken(tmp_path: Path) -> None:
    environment = Environment.objects.create(code="DEV", name="Dev")
    ops, ana = Group.objects.create(name="ops"), User.objects.create_user("ana")
    policy.grant(ops, Right.VIEW_MONITOR, environment)
    policy.grant(ops, Right.CREATE, None)
    policy.grant(ana, Right.CREATE, environment)
    kept = "grants:\n  - {principal: 'group:ops', environment: DEV, rights: [view_monitor]}\n"
    assert prune(tmp_path, kept) == ["removed grant group:ops on *", "removed grant user:ana on DEV"]
    assert policy.granted(ops) == {"DEV": {Right.VIEW_MONITOR}}
    assert policy.granted(ana) == {}


def test_variables_of_an_environment_that_a_project_no_longer_lists_go(tmp_path: Path) -> None:
    project = Project.objects.create(code="shop", name="Shop")
    for code in ("DEV", "QA"):
        environment = Environment.objects.create(code=code, name=code)
        ProjectEnvironment.objects.create(project=project, environment=environment, variables={"a": 1})
    text = "projects:\n  - {code: shop, environments: {DEV: {variables: {a: 1}}}}\n"
    assert prune(tmp_path, text) == ["removed variables of shop in QA"]
    assert ProjectEnvironment.objects.get().environment.code == "DEV"


def test_what_goes_with_an_environment_or_a_rule_is_named(tmp_path: Path) -> None:
    old, shop = (
        Environment.objects.create(code="OLD", name="Old"),
        Project.objects.create(code="shop", name="s"),
    )
    rule = RuleFactory.create(slug="web")
    policy.set_rights(Group.objects.create(name="ops"), old, {Right.VIEW_MONITOR, Right.CREATE})
    ProjectEnvironment.objects.create(project=shop, environment=old, variables={"a": 1})
    RetentionPolicy.objects.create(environment=old, removes="log", keep_days=3)
    RetentionPolicy.objects.create(rule=rule, removes="job", keep_days=3)
    named = [
        "removed rule web",
        "removed retention policy job of * × web × any",
        "removed environment OLD",
        "removed grant group:ops on OLD",
        "removed variables of shop in OLD",
        "removed retention policy log of OLD × * × any",
    ]
    for dry_run in (True, False):
        assert prune(tmp_path, "environments: []\nrules: []\n", dry_run=dry_run) == named
    assert not RetentionPolicy.objects.exists()


def test_a_rule_that_another_calls_is_kept(tmp_path: Path) -> None:
    called = "  - source: |\n      name: called\n      steps: {RUN: [{log: hello}]}\n"
    caller = "  - source: |\n      name: caller\n      steps: {RUN: [{rule: called}]}\n"
    prune(tmp_path, f"rules:\n{called}{caller}")
    with pytest.raises(CommandError, match="cannot be removed: it is called by caller"):
        prune(tmp_path, f"rules:\n{caller}")
    assert prune(tmp_path, f"rules:\n{called}") == ["removed rule caller"]
    assert Rule.objects.get().slug == "called"


def test_rules_that_only_name_one_another_are_applied_and_pruned(tmp_path: Path) -> None:
    rule = "  - source: |\n      name: {}\n      steps:\n        RUN:\n          - create_job: {{rule: {}, environment: DEV}}\n"
    caller = "  - source: |\n      name: third\n      steps:\n        RUN:\n          - set: {rule: one}\n"
    document = f"rules:\n{rule.format('one', 'two')}{rule.format('two', 'one')}{caller}"
    assert len(prune(tmp_path, document)) == 3
    exported = export_text(["rules"])
    assert prune(tmp_path, exported) == ["nothing to change"]
    assert sorted(prune(tmp_path, "rules: []\n")) == [
        "removed rule one",
        "removed rule third",
        "removed rule two",
    ]
    assert len(prune(tmp_path, exported)) == 3, "into an empty database"
    assert export_text(["rules"]) == exported
    assert prune(tmp_path, f"rules:\n{caller}") == ["removed rule two", "removed rule one"]


def test_a_document_with_mistakes_removes_nothing(tmp_path: Path) -> None:
    Group.objects.create(name="ops")
    with pytest.raises(CommandError, match="There is no environment NOWHERE"):
        prune(tmp_path, "groups: []\ngrants:\n  - {principal: 'user:x', environment: NOWHERE, rights: []}\n")
    assert Group.objects.filter(name="ops").exists()
