"""``manage.py apply``: what it writes, what it says, what it refuses."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from jobs.models import Nature, Project, ProjectEnvironment
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.models import Rule, RuleVersion

pytestmark = pytest.mark.django_db

WHOLE = """\
grants:
  - {principal: "group:ops", environment: PROD, rights: [view_monitor, restart]}
  - {principal: "user:ana", environment: "*", rights: [view_monitor]}
projects:
  - code: shop
    name: Shop
    repository: /srv/shop.git
    variables: {service: shop, ports: [80, 443]}
    environments:
      PROD: {variables: {path: /srv/prod}}
natures:
  - {code: python, name: Python, include: ["*.py"], exclude: ["tests/**"]}
rules:
  - source: |
      name: caller
      steps:
        RUN:
          - rule: called
  - file: rules/called.yaml
users:
  - {username: ana, email: ana@example.com, password: a-long-enough-secret, groups: [ops], language: en}
groups:
  - {name: ops}
environments:
  - {code: PROD, name: Production, order: 3, colour: "#aa0000", expiry: 2d, expiry_urgent: 90m}
"""
CALLED = "name: called\nsteps:\n  RUN:\n    - log: hello\n"
DONE = [
    "created environment PROD",
    "created group ops",
    "created user ana",
    "created nature python",
    "rule called version 1",
    "rule caller version 1",
    "created project shop",
    "changed project shop: variables in PROD",
    "created grant group:ops on PROD",
    "created grant user:ana on *",
]

Apply = Callable[..., list[str]]


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """Apply a document; what it printed, line by line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/called.yaml").write_text(CALLED)

    def run(text: str, **options: Any) -> list[str]:
        (tmp_path / "site.yaml").write_text(text)
        printed = io.StringIO()
        call_command("apply", "site.yaml", stdout=printed, stderr=io.StringIO(), **options)
        return printed.getvalue().splitlines()

    return run


def refused(apply: Apply, text: str, **options: Any) -> list[str]:
    """Apply a document with mistakes; the mistakes as ``line: sentence``."""
    with pytest.raises(CommandError) as error:
        apply(text, **options)
    heading, *lines = str(error.value).splitlines()
    assert heading.endswith("nothing was changed:")
    return [line.removeprefix("site.yaml:") for line in lines]


def test_a_whole_document_is_written_in_the_order_that_references_need(apply: Apply) -> None:
    assert apply(WHOLE) == DONE
    environment = Environment.objects.get(code="PROD")
    assert (environment.name, environment.position, environment.colour) == ("Production", 3, "#aa0000")
    assert (environment.expiry, environment.expiry_urgent) == (timedelta(days=2), timedelta(minutes=90))
    project = Project.objects.get(code="shop")
    assert project.repository == "/srv/shop.git"
    assert project.variables == {"service": "shop", "ports": [80, 443]}
    assert ProjectEnvironment.objects.get(project=project).variables == {"path": "/srv/prod"}
    ana = User.objects.get(username="ana")
    assert ana.check_password("a-long-enough-secret")
    assert policy.granted(ana) == {"*": {Right.VIEW_MONITOR}}
    assert policy.granted(Group.objects.get(name="ops")) == {"PROD": {Right.VIEW_MONITOR, Right.RESTART}}
    assert Nature.objects.get().exclude == ["tests/**"]
    assert RuleVersion.objects.get(name="called").source == CALLED


def test_the_second_time_there_is_nothing_to_change(apply: Apply) -> None:
    apply(WHOLE)
    password = User.objects.get().password
    assert apply(WHOLE) == ["nothing to change"]
    assert User.objects.get().password == password


def test_a_dry_run_says_the_same_and_changes_nothing(apply: Apply) -> None:
    assert apply(WHOLE, dry_run=True) == DONE
    for model in (Environment, Group, User, Nature, Rule, Project):
        assert not model.objects.exists()
    assert apply(WHOLE) == DONE


def test_only_what_changed_is_named_and_what_is_left_out_stays(apply: Apply) -> None:
    apply(WHOLE)
    changed = """\
environments:
  - {code: PROD, order: 5, name: Production}
projects:
  - {code: shop, repository: /srv/other.git, environments: {PROD: {variables: {path: /new}}}}
users:
  - {username: ana, password: another-long-secret, is_active: false, groups: []}
natures:
  - {code: python, exclude: []}
rules:
  - source: "name: called\\nsteps:\\n  RUN:\\n    - log: bye\\n"
grants:
  - {principal: "group:ops", environment: PROD, rights: [view_monitor]}
"""
    assert apply(changed) == [
        "changed environment PROD: order",
        "changed user ana: is_active, password, groups",
        "changed nature python: exclude",
        "rule called version 2",
        "changed project shop: repository",
        "changed project shop: variables in PROD",
        "changed grant group:ops on PROD: rights",
    ]
    assert Environment.objects.get().colour == "#aa0000"
    assert Project.objects.get().variables == {"service": "shop", "ports": [80, 443]}
    assert policy.granted(Group.objects.get()) == {"PROD": {Right.VIEW_MONITOR}}


def test_true_and_one_are_different_variables(apply: Apply) -> None:
    apply("projects:\n  - {code: shop, variables: {fast: 1}}\n")
    assert apply("projects:\n  - {code: shop, variables: {fast: true}}\n") == [
        "changed project shop: variables"
    ]


def test_a_new_user_without_password_cannot_sign_in(apply: Apply) -> None:
    apply("users:\n  - {username: robot}\n")
    assert not User.objects.get().has_usable_password()


def test_all_mistakes_are_named_at_once_with_their_lines(apply: Apply) -> None:
    text = """\
environments:
  - {code: DEV, colur: "#ffffff"}
  - {code: QA, colour: red}
  - {code: QA}
  - {name: Nameless}
  - {code: 7}
  - {code: PROD, expiry: tomorrow, order: "1"}
projects:
  - code: shop
    environments:
      DEVV: {variables: {}}
users:
  - username: ana
    password: 123
    groups: [opps]
groups:
  - {name: ops}
grants:
  - {principal: ops, environment: DEV, rights: [view_monitor]}
  - {principal: "group:ops", environment: DEW, rights: [view_monitor, restarts]}
rules:
  - {file: missing.yaml}
  - {source: "name: x", file: y}
subscriptions: [{name: chat, events: [trappd], addresses: [a@example.org]}]
enviroments: []
"""
    assert refused(apply, text) == [
        "2: environment has no key colur. Did you mean colour?",
        "3: colour: Write the colour as #rrggbb.",
        "4: environment QA is written twice, first in site.yaml on line 3.",
        "5: environment needs code.",
        "6: code must be a text. Put it in quotes.",
        "7: expiry must be a duration above zero. Write it as 90s, 15m, 2h or 1d.",
        "7: order must be a whole number.",
        "11: There is no environment DEVV. Did you mean DEV?",
        "14: password must be a text. Put it in quotes.",
        "15: There is no group opps. Did you mean ops?",
        '19: principal must name a group or a user. Write "group:NAME" or "user:NAME".',
        "20: There is no environment DEW. Did you mean DEV?",
        "20: There is no right restarts. Did you mean restart?",
        "22: The file missing.yaml cannot be read: No such file or directory.",
        "23: rule needs either source or file.",
        "24: There is no event trappd. Did you mean trapped?",
        "25: There is no top key enviroments. Did you mean environments?",
    ]
    assert not Environment.objects.exists()


def test_a_mistake_at_the_end_takes_everything_back(apply: Apply) -> None:
    broken = WHOLE + "  - {code: prod}\n"
    assert refused(apply, broken) == [
        f"{len(broken.splitlines())}: The environment PROD exists and differs only in its letters' case."
    ]
    for model in (Environment, Group, User, Nature, Rule, Project):
        assert not model.objects.exists()


def test_a_reference_to_an_item_with_mistakes_is_no_mistake_of_its_own(apply: Apply) -> None:
    text = """\
environments:
  - {code: DEV, colour: blue}
grants:
  - {principal: "user:nobody", environment: DEV, rights: []}
"""
    assert refused(apply, text) == [
        "2: colour: Write the colour as #rrggbb.",
        "4: There is no user nobody.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("environments: [\n", "2: This is not YAML: expected the node content, but found '<stream end>'."),
        ("a: &x 1\nb: *x\n", '2: Aliases (*name) are not allowed. Write "*" in quotes when you mean it.'),
        ("groups:\n  - name: a\n    name: b\n", "3: The key name is written twice, first on line 2."),
        ("- just a list\n", "1: A document is a mapping with the keys environments, groups, users,"),
        ("groups: {name: a}\n", "1: groups must be a list."),
        ("groups:\n  - ops\n", "2: This must be a mapping with the keys of group: name, permissions."),
        ('groups:\n  - name: "a\\0b"\n', "2: The text holds a character that cannot be stored."),
        ("projects:\n  - {code: a, variables: {x: .nan}}\n", "2: This number cannot be stored."),
        (
            f"projects:\n  - {{code: a, variables: {{x: 0x{'f' * 5000}}}}}\n",
            "2: This number cannot be stored.",
        ),
        (f"projects:\n  - {{code: a, variables: {{x: {'1' * 4300}}}}}\n", "2: This number cannot be stored."),
        ('groups:\n  - name: "\\UFFFFFFFF"\n', "1: This is not YAML."),
        ("%YAML 1.99999999999999\n---\ngroups: []\n", "1: This is not YAML."),
        ("projects:\n  - {code: a, variables: [1]}\n", "2: variables must be a mapping."),
        (
            "groups:\n  - {name: !!python/name:os.system x}\n",
            "2: The tag tag:yaml.org,2002:python/name:os.system",
        ),
        (
            "users:\n  - {username: ana, time_zone: Mars/Base}\n",
            "2: time_zone: Mars/Base is not a time zone.",
        ),
        (
            'natures:\n  - code: a\n    include:\n      - "*.py"\n      - "src/[ab"\n',
            "5: include: 'src/[ab': The pattern opens a [ that no ] closes.",
        ),
        ("environments:\n  - {code: a b}\n", "2: code: Use letters, digits, dot, dash and underscore"),
        ("environments:\n  - {code: A, order: 99999999999}\n", "2: order: Ensure this value is less than"),
        ("groups:\n  - {name: " + "n" * 151 + "}\n", "2: name: Ensure this value has at most 150 characters"),
        ("x: " + "[" * 3000 + "]" * 3000, "1: The document is nested more than 100 deep."),
    ],
)
def test_bad_documents_get_a_line_and_a_reason(apply: Apply, text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in refused(apply, text)), refused(apply, text)


def test_a_weak_password_is_refused_and_never_shown(apply: Apply) -> None:
    (problem,) = refused(apply, "users:\n  - username: ana\n    password: tiny7\n")
    assert problem.startswith("3: password: This password is too short.")
    assert "tiny7" not in problem


def test_an_empty_document_changes_nothing(apply: Apply) -> None:
    assert apply("") == ["nothing to change"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CommandError, match=r"gone\.yaml:1: The file cannot be read: No such file or directory"
    ):
        call_command("apply", str(tmp_path / "gone.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"groups:\n  - name: a\xf1o\n")
    with pytest.raises(CommandError, match=r"latin\.yaml:2: The document is not UTF-8 text"):
        call_command("apply", str(tmp_path / "latin.yaml"))


def test_several_documents_are_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("users:\n  - {username: ana, groups: [ops]}\n")
    (tmp_path / "b.yaml").write_text("groups:\n  - {name: ops}\n")
    printed = io.StringIO()
    call_command("apply", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), stdout=printed)
    assert printed.getvalue().splitlines() == ["created group ops", "created user ana"]


def test_standard_input_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"groups:\n  - {nam: ops}\n")))
    with pytest.raises(CommandError, match=r"<stdin>:2: group has no key nam. Did you mean name"):
        call_command("apply", "-")


def test_mistakes_inside_a_rule_point_into_the_document_or_its_file(apply: Apply, tmp_path: Path) -> None:
    (tmp_path / "rules/called.yaml").write_text("name: called\nsteps:\n  RUN:\n    - lug: hello\n")
    text = """\
rules:
  - source: |
      name: inline
      steps:
        RUN:
          - rum: make
  - file: rules/called.yaml
"""
    with pytest.raises(CommandError) as error:
        apply(text)
    problems = str(error.value)
    assert "site.yaml:6: " in problems
    assert "rules/called.yaml:4: " in problems
    assert not Rule.objects.exists()


def test_a_mistake_in_a_called_rule_is_not_repeated_for_those_that_call_it(apply: Apply) -> None:
    text = """\
rules:
  - source: |
      name: caller
      steps: {RUN: [{rule: called}]}
  - source: |
      name: called
      steps: {RUN: [{lug: hello}]}
"""
    (problem,) = refused(apply, text)
    assert problem.startswith("7: ")


def test_a_name_that_a_refused_rule_would_save_is_no_mistake_of_its_caller(apply: Apply) -> None:
    text = """\
rules:
  - source: |
      name: caller
      steps: {RUN: [{rule: called}, {log: "{{ built }}"}]}
  - source: |
      name: called
      steps: {RUN: [{run: make, save_as: built}, {rum: make}]}
"""
    problems = refused(apply, text)
    assert len(problems) == 1
    assert problems[0].startswith("7: ")


def test_rules_that_call_each_other_in_a_circle_are_named(apply: Apply) -> None:
    text = """\
rules:
  - source: |
      name: one
      steps: {RUN: [{rule: other}]}
  - source: |
      name: other
      steps: {RUN: [{rule: one}]}
"""
    assert (
        refused(apply, text)[0] == "4: The rules one and other call each other. Take one of these calls out."
    )


def test_the_last_active_superuser_is_kept(apply: Apply) -> None:
    User.objects.create_superuser("admin", "", "a-long-enough-secret")
    (problem,) = refused(apply, "users:\n  - {username: admin, is_active: false}\n")
    assert problem == "2: Without admin there would be no active superuser left."
    assert User.objects.get().is_active
