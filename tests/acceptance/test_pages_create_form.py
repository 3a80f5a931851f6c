"""Section 9, the form of a new job: what it offers, what it keeps, and what it says before the job is there."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.actions.lookup import make_plan
from jobs.audit import Actor, Author
from jobs.contents import offering
from jobs.exceptions import InvalidInput, NoWorker
from jobs.lifecycle import Event
from jobs.models import CreationRequest, DaemonState, Job, Project, ProjectEnvironment, Timing, WorkerSeen
from jobs.monitor import creation
from jobs.repositories import Repository
from jobs.secrets import vault
from jobs.wishes import Wish
from permissions.models import Environment, User
from rules.models import Rule
from tests.engine import rule
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    ProjectFactory,
    happen,
    publish,
    user_with,
)
from tests.pages import HTMX, Reader, text, words
from tests.repositories import git, make_repository

pytestmark = pytest.mark.django_db

RICH = """
name: web
description: Builds the shop
variables:
  service: shop
  port: 8080
  debug: false
  hosts: [a, b]
  limits: {cpu: 2}
  note:
steps:
  PRE:
    - run: make {{ variables.service }}
      name: Build
    - approval: {approvers: ["group:qa", "user:ghost"], min: 2, exclude_creator: true}
      id: gate
      when: environment == "DEV"
  RUN:
    - run: ./deploy {{ variables.port }}
      when: variables.debug
"""


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", expiry=timedelta(hours=6), variables={"port": 9090})


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "create", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a repository that no test changes, and its commits by tag."""
    path = tmp_path_factory.mktemp("repositories") / "shop"
    commits = make_repository(path, {"v1.0.0": "1", "v1.1.0": "2", "v1.2.0": "3"})
    git("commit", "--quiet", "--allow-empty", "-m", "<img src=x>", cwd=path)
    git("branch", 'a"onx=<b>', cwd=path)
    return path, commits


@pytest.fixture
def shop(dev: Environment, repository: tuple[Path, dict[str, str]]) -> dict[str, str]:
    path, commits = repository
    ProjectFactory.create(code="shop", repository=str(path), variables={"service": "boutique"})
    return commits


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "environment": "DEV", "rule": "web", "rule_version": "", "project": "shop", "revisions": "v1.1.0", "type": "promote",
        "scheduled_at": "", "max_start_at": "", "comment": "why <b>", "variables": "", **changes,
    }  # fmt: skip


def ask(reader: Reader, do: str = "preview", **changes: Any) -> str:
    """Return the page for a button that creates nothing."""
    answer = reader.post("/jobs/new/", wish(do=do, **changes))
    assert answer.status_code == 200, words(answer)
    assert not Job.objects.exclude(status__in=("finished", "running")).exists()
    assert not CreationRequest.objects.exists()
    return text(answer)


def said(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def field(markup: str, name: str) -> str:
    """Return the markup of a field."""
    found = re.search(
        rf'<(input|select|textarea)[^>]*name="{name}".*?(?=<p class="help"|<ul)', markup, re.DOTALL
    )
    assert found is not None, f"no field {name}"
    return found[0]


# --- revisions ------------------------------------------------------------------------------------------------------


def test_revisions_are_looked_up_in_the_repository(reader: Reader, shop: dict[str, str]) -> None:
    answer = reader.get("/jobs/new/revisions/?project=shop&q=v1.1", **HTMX)
    markup = text(answer)
    assert re.findall(r'data-value="([^"]+)"', markup)[0] == "v1.1.0"
    assert ("Version v1.1.0" in words(answer), "Ana" in words(answer), "<html" in markup) == (
        True,
        True,
        False,
    )
    commit = text(reader.get(f"/jobs/new/revisions/?project=shop&q={shop['v1.0.0'][:7]}"))
    assert f'data-value="{shop["v1.0.0"]}"' in commit


def test_what_a_repository_is_called_cannot_become_markup(reader: Reader, shop: dict[str, str]) -> None:
    markup = text(reader.get("/jobs/new/revisions/?project=shop&q="))
    assert "<img src=x" not in markup
    assert 'data-value="a&quot;onx=&lt;b&gt;"' in markup


@pytest.mark.parametrize("query", ["", "?project=nothing", "?project=%00", "?project=shop%00&q=v"])
def test_there_are_no_revisions_of_what_is_not_there(
    reader: Reader, shop: dict[str, str], query: str
) -> None:
    assert reader.get(f"/jobs/new/revisions/{query}").status_code == 404


def test_who_creates_nothing_looks_nothing_up(dev: Environment, shop: dict[str, str]) -> None:
    vera = Reader(user_with("view_monitor", "restart", environments=[dev]))
    assert vera.get("/jobs/new/revisions/?project=shop").status_code == 404


def test_a_repository_that_is_away_leaves_the_free_text(
    reader: Reader, dev: Environment, tmp_path: Path
) -> None:
    ProjectFactory.create(code="away", repository=str(tmp_path / "away"))
    ProjectFactory.create(code="none", repository="")
    assert "You can still write the revision" in words(reader.get("/jobs/new/revisions/?project=away"))
    assert "has no repository" in words(reader.get("/jobs/new/revisions/?project=none"))
    publish(RICH)
    page = said(ask(reader, project="away"))
    assert "The repository cannot be looked at, so the revision is not checked" in page


def test_looking_up_without_scripts_loses_nothing(reader: Reader, shop: dict[str, str]) -> None:
    publish(RICH)
    markup = ask(reader, "look", revisions="v1.0.0 v1.1", var_port="81", variables="x=1")
    assert 'name="pick" value="v1.1.0"' in markup
    assert all(kept in markup for kept in ('value="v1.0.0 v1.1"', "why &lt;b&gt;", 'value="81"', "x=1"))
    looked = re.search(r'name="looked" value="([^"]*)"', markup)
    assert looked is not None
    picked = ask(reader, "", revisions="v1.0.0 v1.1", looked=looked[1], pick="v1.1.0", var_port="81")
    assert 'value="v1.0.0 v1.1.0"' in picked
    assert 'value="81"' in picked
    assert 'value="v1.0.0 v1.1.0 v1.2.0"' in ask(
        reader, "", revisions="v1.0.0 v1.1.0", looked="", pick="v1.2.0"
    )
    assert "Choose a project first" in said(ask(reader, "look", project=""))


# --- variables and versions -----------------------------------------------------------------------------------------


def test_variables_have_fields_of_their_kinds(reader: Reader, shop: dict[str, str], dev: Environment) -> None:
    publish(RICH)
    markup = ask(reader, "update")
    assert 'type="number"' in field(markup, "var_port")
    assert 'placeholder="9090"' in field(markup, "var_port")
    assert 'placeholder="boutique"' in field(markup, "var_service")
    assert ("<select" in field(markup, "var_debug"), "— No" in field(markup, "var_debug")) == (True, True)
    assert "<textarea" in field(markup, "var_hosts")
    page = said(markup)
    assert "Left empty: 9090 · Environment" in page
    assert "Left empty: boutique · Project" in page
    ProjectEnvironment.objects.create(project=_project(), environment=dev, variables={"service": "corner"})
    assert "Left empty: corner · Project in the environment" in said(ask(reader, "update"))
    assert "Builds the shop" in page


def _project() -> Project:
    return Project.objects.get(code="shop")


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("port", "eighty", "Write a number"),
        ("port", "1e999", "Write a number"),
        ("port", "nan", "Write a number"),
        ("hosts", "a, b", "no valid JSON"),
        ("hosts", '{"a": 1}', "Write JSON such as"),
        ("limits", "[1]", "Write JSON such as"),
        ("debug", "maybe", "maybe is not one of the available choices"),
        ("service", "a\0b", "Null characters"),
    ],
)
def test_a_wrong_value_is_said_at_its_variable(
    reader: Reader, shop: dict[str, str], name: str, typed: str, message: str
) -> None:
    publish(RICH)
    answer = reader.post("/jobs/new/", wish(**{f"var_{name}": typed}))
    markup = text(answer)
    assert answer.status_code == 400
    errors = re.search(rf'<ul class="errors" id="id_var_{name}_error">(.*?)</ul>', markup, re.DOTALL)
    assert errors is not None
    assert message in said(errors[1])
    assert f'aria-describedby="id_var_{name}_help id_var_{name}_error"' in markup
    assert f"id_var_{name}_error" in ask(reader, **{f"var_{name}": typed}), "also before the job is asked for"


def test_values_come_to_the_job_as_what_they_are(
    reader: Reader, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(RICH)
    asked = _caught(monkeypatch)
    given = {
        "var_port": "81",
        "var_debug": "true",
        "var_hosts": '["c"]',
        "var_service": "",
        "variables": "more=1",
    }
    reader.post("/jobs/new/", wish(**given))
    reader.post(
        "/jobs/new/", wish(var_port="0.5", var_limits='{"cpu": 1}', variables='{"service": "typed here"}')
    )
    assert [one.variables for one in asked] == [
        {"more": "1", "port": 81, "debug": True, "hosts": ["c"]},
        {"service": "typed here", "port": 0.5, "limits": {"cpu": 1}},
    ]
    reader.post("/jobs/new/", wish(variables="port=82\ndebug=true\nservice=7"))
    reader.post("/jobs/new/", wish(variables='{"port": "82"}'))
    assert [one.variables for one in asked[2:]] == [
        {"port": 82, "debug": True, "service": "7"},
        {"port": "82"},
    ]
    wrong = reader.post("/jobs/new/", wish(variables="port=many"))
    assert (wrong.status_code, "port: Write a number" in words(wrong)) == (400, True), words(wrong)
    del asked[2:]
    twice = reader.post("/jobs/new/", wish(var_port="81", variables="port=82"))
    assert (twice.status_code, "port has a field of its own" in words(twice)) == (400, True)
    assert len(asked) == 2


def _caught(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return where the wishes go instead of to a worker."""
    asked: list[Any] = []

    def refuse(wanted: Any, *, actor: Actor, **_options: Any) -> Job:
        asked.append(wanted)
        raise NoWorker(1)

    monkeypatch.setattr(creation, "create_job_once", refuse)
    return asked


def test_another_rule_has_other_variables_and_those_typed_come_back(
    reader: Reader, shop: dict[str, str]
) -> None:
    publish(RICH)
    publish("name: db\nvariables: {size: 3}\nsteps:\n  RUN:\n    - log: x\n")
    shape = re.search(r'name="shape" value="([^"]+)"', ask(reader, "update"))
    assert shape is not None
    other = ask(reader, "update", rule="db", shape=shape[1], var_port="81", rule_version="web@1")
    assert "_error" not in other, "nothing is wrong yet"
    assert ('name="var_size"' in other, '<input type="hidden" name="var_port" value="81">' in other) == (
        True,
        True,
    )
    assert 'type="number" name="var_port" value="81"' in ask(reader, "update", var_port="81")
    refused = reader.post("/jobs/new/", wish(rule="db", shape=shape[1], var_port="81"))
    assert (refused.status_code, "The rule is another one now" in words(refused)) == (400, True)
    mixed = reader.post("/jobs/new/", wish(rule="db", rule_version="web@1"))
    assert (mixed.status_code, "Choose the version again" in words(mixed)) == (400, True)


def test_an_older_version_can_be_chosen_and_what_that_means_is_said(
    reader: Reader, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(RICH.replace("  note:\n", "  old: 1\n"))
    publish(RICH)
    markup = ask(reader, rule_version="web@1")
    assert '<option value="web@1" selected>' in markup
    assert 'name="var_old"' in markup
    assert "it has the approvals and checks of version 2" in said(markup)
    asked = _caught(monkeypatch)
    for version in ("web@1", ""):
        reader.post("/jobs/new/", wish(rule_version=version))
    assert [one.rule_version for one in asked] == [1, None]


def test_an_older_version_is_no_way_around_an_approval_that_was_added(
    reader: Reader, ana: User, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(RICH.replace("min: 2", "min: 1"))
    publish(RICH)
    asked = _caught(monkeypatch)
    refusal = (
        "Version 1 of the rule lacks approvals or checks that version 2 has: only administrators may still"
    )
    assert refusal in said(ask(reader, rule_version="web@1"))

    def create() -> str:
        with pytest.raises(InvalidInput) as refused:
            make_plan(
                Wish(rule="web", environment="DEV", project="shop", rule_version=1),
                Actor(ana, "page"),
                timezone.now(),
            )
        return refused.value.errors["rule_version"][0]

    assert create().startswith(refusal)
    User.objects.filter(pk=ana.pk).update(is_superuser=True)
    assert "lacks approvals or checks that version 2 has. " in said(ask(reader, rule_version="web@1"))
    reader.post("/jobs/new/", wish(rule_version="web@1"))
    assert [one.rule_version for one in asked] == [1]
    ana.refresh_from_db()
    plan = make_plan(
        Wish(rule="web", environment="DEV", project="shop", rule_version=1),
        Actor(ana, "page"),
        timezone.now(),
    )
    assert plan.rule_version_id == Rule.objects.get().versions.get(number=1).pk


# --- what would run -------------------------------------------------------------------------------------------------


def test_the_preview_says_what_would_run(reader: Reader, shop: dict[str, str], dev: Environment) -> None:
    publish(RICH)
    qa = GroupFactory.create(name="qa")
    user_with("view_monitor", "approve_all", environments=[dev], username="boss")
    for person in ("pia", "pol"):
        user_with("view_monitor", environments=[dev], username=person).groups.add(qa)
    page = said(ask(reader))
    assert "make boutique" in page
    assert "skipped run ./deploy {{ variables.port }} Its condition does not hold." in page
    assert "PRE gate 2 signatures of group:qa" in page
    assert "others are named who do not see this environment" in page
    assert "not by who creates the job" in page
    assert "May sign any of them: user:boss" in page
    assert "ghost" not in page.partition("Approvals")[2].partition("operation")[0]
    assert "./deploy 81" in said(ask(reader, var_debug="true", var_port="81"))
    assert "Empty: 6 h after the scheduled date" in page
    assert "No worker is there: the job would wait for one." in page
    assert "CHECK" not in page.partition("What would run")[2], "the rule has none"


def test_the_preview_says_that_check_would_refuse(reader: Reader, dev: Environment) -> None:
    rule("web", 'CHECK:\n  - fail: "Not on <{{ environment }}>\\nnor elsewhere"\nRUN:\n  - log: x')
    answer = ask(reader, project="", revisions="")
    page = said(answer)
    assert "As it is, CHECK would fail: Not on <DEV> nor elsewhere" in page
    assert "Not on &lt;DEV&gt;<br>nor elsewhere" in answer, "its lines stay apart"
    assert "CHECK refuses, so there is no job." in page


def test_the_preview_knows_what_is_there_and_who_is_on_the_way(
    reader: Reader, shop: dict[str, str], dev: Environment
) -> None:
    publish(RICH)
    made: dict[str, Any] = {"environment": dev, "project": _project(), "rule": Rule.objects.get()}
    there = JobFactory.at("END", "finished", revisions=[("v1.0.0", shop["v1.0.0"])], **made)
    page = said(ask(reader))
    assert f"There now v1.0.0 {there.name} " in page
    assert "1 commit would go" in page
    assert "Version v1.1.0 Ana" in page
    assert "deployed there already" in said(ask(reader, revisions="v1.0.0"))
    assert "no tag, branch or commit v7." in said(ask(reader, revisions="v7"))
    active = JobFactory.at("RUN", "running", **made)
    active.revisions.update(ref="v1.2.0", sha=shop["v1.2.0"])
    assert f"is in the active job {active.name} already" in said(ask(reader, revisions="v1.2.0"))
    # What is there is there also without the job that brought it.
    happen(there, Event.DELETE)
    assert f"There now v1.0.0 {there.name}, deleted since" in said(ask(reader))


def test_secrets_in_commits_are_hidden_wherever_they_are_shown(
    reader: Reader, shop: dict[str, str], dev: Environment
) -> None:
    publish(RICH)
    made: dict[str, Any] = {"environment": dev, "project": _project(), "rule": Rule.objects.get()}
    JobFactory.at("END", "finished", revisions=[("v1.0.0", shop["v1.0.0"])], **made)
    elsewhere = EnvironmentFactory.create(code="ELSEWHERE")
    for value, scope in (("Version", vault.Scope(dev, _project())), ("v1.2.0", vault.Scope(elsewhere))):
        vault.keep(f"s{len(value)}", value, scope, by=Author("ana", "command"), now=timezone.now())
    page = said(ask(reader))
    assert "1 commit would go" in page
    assert "*** v1.1.0 Ana" in page
    # Where the job will go is not known to the list of revisions.
    listed = said(text(reader.get("/jobs/new/revisions/?project=shop&q=")))
    assert "*** v1.1.0" in listed
    assert "*** ***" in listed
    assert "Version" not in listed


def test_the_preview_says_why_it_does_not_know_what_would_go(
    reader: Reader, shop: dict[str, str], dev: Environment
) -> None:
    publish(RICH)
    made: dict[str, Any] = {"environment": dev, "project": _project(), "rule": Rule.objects.get()}
    there = JobFactory.at("END", "finished", revisions=[("v0", "1" * 40)], **made)
    page = said(ask(reader))
    assert f"The commit {'1' * 40}, which {there.name} brought to DEV, is no longer in the repository" in page
    assert "would go" not in page
    assert f"There is no tag, branch or commit '{'2' * 40}' in" in said(ask(reader, revisions="2" * 40))


def test_how_long_it_takes_comes_with_its_basis(
    reader: Reader, shop: dict[str, str], dev: Environment
) -> None:
    publish(RICH)
    assert "not known yet: too few jobs" in said(ask(reader))
    for _number in range(4):
        JobFactory.at("END", "finished", environment=dev, rule=Rule.objects.get())
    Timing.objects.update(seconds={"PRE/0": ["a", "run", 60.0]})
    page = said(ask(reader))
    assert "from the last 4 jobs of this rule in DEV" in page
    assert re.search(r"Usually takes [\d–]+ (s|min)", page), page


def test_all_is_well_when_all_are_there(reader: Reader, shop: dict[str, str]) -> None:
    publish(RICH)
    now = timezone.now()
    WorkerSeen.objects.create(name="w", pid=1, queues=["jobs", "create"], started_at=now, seen_at=now)
    DaemonState.objects.update_or_create(pk=1, defaults={"ticked_at": now, "steady_since": now})
    assert "preview-warnings" not in ask(reader)


def test_the_page_itself_asks_no_repository(
    reader: Reader, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(RICH)
    monkeypatch.setattr(offering, "_asked", lambda *_args: pytest.fail("asked"))
    monkeypatch.setattr(Repository, "held", lambda *_args, **_options: pytest.fail("asked"))
    page = reader.get("/jobs/new/?project=shop&rule=web&environment=DEV&revisions=v1.0.0&var_port=7")
    assert (page.status_code, 'value="7"' in text(page), 'value="v1.0.0"' in text(page)) == (200, True, True)
    assert "“Preview” shows what would run" in words(page)
    publish("name: db\nsteps:\n  RUN:\n    - log: x\n")
    assert "Choose an environment and a rule" in words(reader.get("/jobs/new/"))


def test_only_what_has_changed_comes_with_the_panel(reader: Reader, shop: dict[str, str]) -> None:
    publish(RICH)
    shape = "web 1 DEV shop"
    same = reader.client.post("/jobs/new/", wish(do="preview", shape=shape), headers=HTMX)
    other = reader.client.post("/jobs/new/", wish(do="preview", shape="- - DEV shop"), headers=HTMX)
    assert ("hx-swap-oob" in text(same), "<html" in text(same), "make boutique" in text(same)) == (
        False,
        False,
        True,
    )
    for part in ("rule-part", "version-part", "variables-part", "expiry-help"):
        assert re.search(rf'id="{part}"\s+hx-swap-oob="true"', text(other)), part


def test_nothing_is_said_of_what_is_still_empty(reader: Reader, shop: dict[str, str]) -> None:
    markup = ask(reader, "update", environment="", rule="", revisions="")
    assert "_error" not in markup
    assert "max_start_at_error" not in ask(reader, scheduled_at="2030-01-01T10:00")


def test_the_number_of_queries_does_not_grow(reader: Reader, shop: dict[str, str], dev: Environment) -> None:
    publish(RICH)
    counts = []
    for _turn in range(2):
        with CaptureQueriesContext(
            connection,
        ) as caught:
            ask(reader)
        counts.append(len(caught))
        for number in range(3):
            ProjectFactory.create(code=f"p{number}-{_turn}")
            publish(RICH.replace("name: web", f"name: web{number}{_turn}"))
            publish(
                RICH
                + f"    - approval: {{approvers: ['user:p{number}{_turn}']}}\n    - log: number {number}\n"
            )
            user_with("create", "view_monitor", environments=[EnvironmentFactory.create()])
    assert counts[0] == counts[1]


# --- once, like another, and rights ---------------------------------------------------------------------------------


def test_a_form_that_is_sent_twice_makes_one_wish(
    reader: Reader, shop: dict[str, str], ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(RICH)
    keys: list[Any] = []

    def create(*_args: object, key: object, **_options: object) -> Job:
        keys.append(key)
        return JobFactory.create()

    monkeypatch.setattr(creation, "create_job_once", create)
    key = re.search(r'name="key" value="(\w+)"', text(reader.get("/jobs/new/")))
    assert key is not None
    for changes in ({}, {}, {"comment": "another wish"}):
        reader.post("/jobs/new/", wish(key=key[1], **changes))
    eva = Reader(user_with("view_monitor", "create", environments=list(Environment.objects.all())))
    eva.post("/jobs/new/", wish(key=key[1]))
    reader.post("/jobs/new/", wish())
    reader.post("/jobs/new/", wish())
    assert keys[0] == keys[1]
    assert len(set(keys)) == 5, "changed, by another person, and from no form at all: each is another wish"


def test_a_job_like_another(reader: Reader, shop: dict[str, str], dev: Environment) -> None:
    publish(RICH)
    given = {
        "port": {"value": 81, "origin": "job"}, "service": {"value": "shop", "origin": "rule"},
        "hosts": {"value": "no list", "origin": "job"}, "x": {"value": [1], "origin": "job"},
    }  # fmt: skip
    job = JobFactory.at(
        "END", "finished", environment=dev, project=_project(), rule=Rule.objects.get(), comment="as before",
        type="static", urgent=True, variables=given,
    )  # fmt: skip
    job.revisions.update(ref="v1.1.0", sha=shop["v1.1.0"])
    markup = text(reader.get(f"/jobs/new/?like={job.pk}"))
    for chosen in ("DEV", "web", "shop", "static"):
        assert f'<option value="{chosen}" selected>' in markup
    assert ('value="v1.1.0"' in markup, "as before" in markup, "checked" in markup) == (True, True, True)
    assert 'name="var_port" value="81"' in markup
    assert "no list" in markup.partition('name="variables"')[2], (
        "what does not fit its field is kept as it was"
    )
    assert not re.search(r'name="var_service" value=', markup), "what the rule said it says again"


def test_no_secret_is_shown_before_there_is_a_job(
    reader: Reader, shop: dict[str, str], dev: Environment
) -> None:
    """Contract, P9: a variable that holds the value of a secret is hidden as on the job's own page."""
    author = Author("ana", "page")
    vault.keep("token", "hunter22-of-dev", vault.Scope(dev), by=author, now=timezone.now())
    vault.keep("number", "40711", vault.Scope(), by=author, now=timezone.now())
    publish(
        RICH.replace("service: shop", "service: x hunter22-of-dev\n  secret: s").replace(
            "    - run: make", "    - run: make {{ variables.secret }}"
        )
        + "    - fail: no {{ variables.secret }}\n      name: name {{ variables.secret }}\n"
    )
    dev.variables = {"port": 40711, "hosts": ["hunter22-of-dev"]}
    dev.save()
    Project.objects.update(variables={})
    given = {
        "port": {"value": 40711, "origin": "job"},
        "note": {"value": "hunter22-of-dev", "origin": "job"},
        "more": {"value": {"deep": ["hunter22-of-dev"]}, "origin": "job"},
        "plain": {"value": "shown", "origin": "job"},
    }
    job = JobFactory.at("END", "finished", environment=dev, project=_project(), variables=given)
    Job.objects.filter(pk=job.pk).update(rule=Rule.objects.get(slug="web"))
    like = text(reader.get(f"/jobs/new/?like={job.pk}"))
    typed = {"var_secret": "hunter22-of-dev"}
    pages = {
        "like": like,
        "first": text(reader.get("/jobs/new/?environment=DEV&rule=web&project=shop")),
        "before an environment is chosen": text(reader.get("/jobs/new/?rule=web")),
        "preview": ask(reader).partition("preview-facts")[2],
        "preview of what is typed": ask(reader, **typed).partition("preview-facts")[2],
    }
    for name, page in pages.items():
        hidden = ["40711"] if name.startswith("before") else ["40711", "hunter22"]
        assert not [one for one in hidden if one in page], name
    assert "x ***" in pages["preview"]
    assert "make *** x ***" in pages["preview of what is typed"]
    assert "name ***" in pages["preview of what is typed"]
    assert "Not copied, because a secret is in it: more, note, port" in said(like)
    assert "shown" in like


def test_no_job_is_like_one_that_one_may_not_see(reader: Reader) -> None:
    hidden = JobFactory.create(environment=EnvironmentFactory.create(code="PROD"))
    for number in (hidden.pk, 10**18, "x", "-1", "9" * 40, "1\0"):
        assert reader.get(f"/jobs/new/?like={number}").status_code == 404


def test_an_environment_without_the_right_is_not_looked_into(
    reader: Reader, ana: User, shop: dict[str, str]
) -> None:
    publish(RICH)
    EnvironmentFactory.create(code="PROD", variables={"port": 4711})
    for do in ("preview", "update"):
        markup = ask(reader, do, environment="PROD")
        assert "4711" not in markup
        assert "make boutique" not in markup
    assert "PROD" not in text(reader.get("/jobs/new/?environment=PROD"))
