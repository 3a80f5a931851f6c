"""``manage.py export``: what it prints, that ``apply`` reads all of it, and that the way round changes nothing."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.setup import set_up
from jobs.acting import COMMAND
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.export import export_text
from jobs.configuration.items import parse_span, span_text
from jobs.models import AuditRecord, Nature, Project, ProjectEnvironment, Schedule, Secret, Semaphore
from jobs.secrets import vault
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.names import is_line, is_name
from rules.actions.publish_rule import publish_rule
from rules.models import Rule
from tests.examples import examples
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, moment
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db

RULE = "name: %s\ndescription: %s\nsteps:\n  RUN:\n    - log: hello\n"

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
LINE = TEXT.filter(is_line)
NAME = TEXT.filter(is_name)
CODE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,5}", fullmatch=True)
NUMBER = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT | st.just("a\r\nb "),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VARIABLE = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True)
VARIABLES = st.dictionaries(VARIABLE | st.sampled_from(["yes", "null", "_0", "on"]), JSON, max_size=3)
PLAIN_VARIABLES = st.dictionaries(st.sampled_from(["a", "b"]), TEXT | st.booleans(), max_size=2)
SPAN = st.timedeltas(timedelta(microseconds=1), timedelta(days=100_000))
ADDRESS = st.sampled_from([
    "", "/srv/shop.git", "https://git.example.com/x.git", "https://bob:s3cret@git.example.com/x.git",
    "https://t0ken@git.example.com:8443/x", "ssh://git@git.example.com/x", "ssh://a@b:s3cret@git.example.com/x",
    "file://bob:s3cret@/srv/x", "git@git.example.com:x.git", "https://bob:p/s3cret@git.example.com/x",
])  # fmt: skip
SLUG = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
RIGHTS = st.sets(st.sampled_from(list(Right)), min_size=1)


def unique(codes: list[str]) -> list[str]:
    """Return codes that differ in more than their letters' case."""
    return list({code.upper(): code for code in codes}.values())


@st.composite
def configurations(draw: Any) -> dict[str, Any]:
    """Return by name of a function below what it is called with, to fill an empty database."""
    codes = st.lists(CODE, max_size=3).map(unique)
    environments, projects = draw(codes), draw(codes)
    groups, users = (
        draw(st.lists(NAME if kind else CODE, max_size=2, unique=True)) for kind in (True, False)
    )
    everywhere = [None, *environments]
    rules = draw(st.dictionaries(SLUG, TEXT, max_size=2))
    can_be_scheduled = bool(environments and users and rules)
    owners = [*(("group", name) for name in groups), *(("user", name) for name in users)]
    return {
        "environment": [(code, draw(LINE), draw(st.integers(0, 99)), draw(SPAN), draw(VARIABLES)) for code in environments],
        "project": [(code, draw(LINE), draw(ADDRESS), draw(VARIABLES)) for code in projects],
        "values": [(p, e, draw(VARIABLES)) for p in projects for e in environments if draw(st.booleans())],
        "nature": [(code, draw(st.lists(st.sampled_from(["*.py", "a b/", "#x"]), max_size=2))) for code in draw(codes)],
        "group": [(name, draw(st.booleans())) for name in groups],
        "user": [(name, draw(NAME), draw(st.booleans()), groups[:1]) for name in users],
        "rights": [(owner, where, draw(RIGHTS)) for owner in owners for where in everywhere if draw(st.booleans())],
        "semaphore": list(draw(st.dictionaries(NAME, st.integers(1, 99), max_size=2)).items()),
        "set_secret": list(draw(st.sets(st.tuples(
            st.sampled_from(["key", "token"]), st.sampled_from(everywhere), st.sampled_from([None, *projects])
        ), max_size=3))),
        "rule": list(rules.items()),
        "schedule": [
            (code, users[0], next(iter(rules)), environments[0], draw(st.booleans()), draw(PLAIN_VARIABLES))
            for code in (draw(codes) if can_be_scheduled else [])
        ],
    }  # fmt: skip


def environment(code: str, name: str, order: int, span: timedelta, variables: dict[str, Any]) -> None:
    Environment.objects.create(
        code=code, name=name, position=order, expiry=span, expiry_urgent=span, variables=variables
    )


def project(code: str, name: str, address: str, variables: dict[str, Any]) -> None:
    Project.objects.create(code=code, name=name, repository=address, variables=variables)


def values(of_project: str, where: str, variables: dict[str, Any]) -> None:
    owner, place = Project.objects.get(code=of_project), Environment.objects.get(code=where)
    ProjectEnvironment.objects.create(project=owner, environment=place, variables=variables)


def nature(code: str, patterns: list[str]) -> None:
    Nature.objects.create(code=code, name=code, include=["*.py"], exclude=patterns)


def group(name: str, sees_projects: bool) -> None:
    made = Group.objects.create(name=name)
    made.permissions.set(Permission.objects.filter(codename="view_project") if sees_projects else [])


def user(username: str, first_name: str, is_active: bool, groups: list[str]) -> None:
    made = User.objects.create_user(
        username, email="a@example.com", first_name=first_name, language="es", is_active=is_active
    )
    made.groups.set(Group.objects.filter(name__in=groups))


def rights(owner: tuple[str, str], where: str | None, held: set[Right]) -> None:
    kind, name = owner
    principal = Group.objects.get(name=name) if kind == "group" else User.objects.get(username=name)
    policy.set_rights(principal, Environment.objects.get(code=where) if where else None, held)


def semaphore(name: str, slots: int) -> None:
    Semaphore.objects.create(name=name, slots=slots)


def rule(slug: str, description: str) -> None:
    written = '"' + "".join(f"\\U{ord(sign):08x}" for sign in description) + '"'
    publish_rule(source=RULE % (slug, written), author=None, comment="", now=moment())


def schedule(code: str, owner: str, slug: str, where: str, by_cron: bool, variables: dict[str, Any]) -> None:
    Schedule.objects.create(
        name=code, owner=User.objects.get(username=owner), rule=Rule.objects.get(slug=slug), enabled=False,
        environment=Environment.objects.get(code=where), cron="0 3 * * *" if by_cron else "",
        interval=None if by_cron else timedelta(minutes=90), variables=variables, time_zone="Europe/Madrid",
    )  # fmt: skip


def fill(configuration: dict[str, Any]) -> None:
    """Make what a configuration says."""
    for name, calls in configuration.items():
        for arguments in calls:
            globals()[name](*arguments)


def set_secret(name: str, where: str | None, of_project: str | None) -> None:
    """Give a secret a value."""
    scope = vault.Scope(
        Environment.objects.get(code=where) if where else None,
        Project.objects.get(code=of_project) if of_project else None,
    )
    vault.keep(name, "a-long-value", scope, by=COMMAND, now=timezone.now())


def wipe() -> None:
    """Empty the database of everything that documents hold."""
    for model in (Schedule, Secret, Project, Environment, Nature, Rule, Semaphore, Group, User):
        model.objects.all().delete()


def applied(document: str, **options: Any) -> list[str]:
    return apply_documents([Source("site.yaml", document, Path())], now=timezone.now(), **options)


def comes_back(exported: str) -> None:
    """Check that an export changes nothing where it is from, and makes the same in an empty database."""
    assert "s3cret" not in exported
    assert applied(exported, prune=True) == []
    assert export_text() == exported
    secrets = list(Secret.objects.values_list("name", "environment__code", "project__code"))
    wipe()
    notes: list[str] = []
    applied(exported, notes=notes)
    assert len([note for note in notes if note.startswith("secret ")]) == len(secrets)
    for name, where, of_project in secrets:
        set_secret(name, where, of_project)
    assert export_text() == exported
    notes.clear()
    assert applied(exported, prune=True, notes=notes) == []


@settings(
    max_examples=examples(6, 100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(configurations())
def test_the_way_round_is_the_identity(configuration: dict[str, Any]) -> None:
    with transaction.atomic():
        wipe()
        fill(configuration)
        comes_back(export_text())
        transaction.set_rollback(True)


def test_the_way_round_of_the_demo(tmp_path: Path) -> None:
    set_up(tmp_path, lambda name: f"a-long-secret-{name}", now=moment())
    exported = export_text()
    assert "shop-deploy" in exported
    comes_back(exported)


@given(SPAN)
def test_spans_come_back(span: timedelta) -> None:
    assert parse_span(span_text(span)) == span


@pytest.mark.parametrize(
    "written", ["", "1", "0s", "0.0s", "1.5m", "-1s", "1.1234567s", "999999999999999d", "s", "1 s"]
)
def test_what_is_no_span(written: str) -> None:
    assert parse_span(written) is None


def printed(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("export", *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_command_prints_what_is_asked_for() -> None:
    EnvironmentFactory.create(code="PROD", name="Production")
    UserFactory.create(username="ana", password="a-long-secret")
    some = printed("environments")
    assert some.startswith(
        "# The configuration of Clarive Monitor, for manage.py apply.\n# Not in it: passwords"
    )
    assert "code: PROD" in some
    assert "users:" not in some
    assert "password:" not in printed("users")
    assert "users:\n  - username: ana\n" in printed()
    with pytest.raises(CommandError, match=r"There is no kind nonesuch\. Known are: environments, "):
        printed("nonesuch")


def test_it_goes_into_a_file_or_a_folder_that_apply_reads(tmp_path: Path) -> None:
    EnvironmentFactory.create(code="PROD")
    for slug, end in (("unix", "\n"), ("dos", "\r\n")):
        source = (RULE % (slug, "x")).replace("\n", end)
        publish_rule(source=source, author=None, comment="", now=moment())
    assert printed(output=str(tmp_path / "all.yaml")) == ""
    assert (tmp_path / "all.yaml").read_bytes().decode() == export_text()
    folder = tmp_path / "site"
    for _ in range(2):
        printed(output_dir=str(folder))
    assert [path.name for path in (folder / "rules").iterdir()] == ["unix.yaml"]
    out = io.StringIO()
    call_command("apply", *map(str, sorted(folder.glob("*.yaml"))), prune=True, stdout=out)
    assert out.getvalue() == "nothing to change\n"
    with pytest.raises(CommandError, match="cannot be written"):
        printed(output=str(tmp_path / "nowhere" / "all.yaml"))


def test_passwords_in_addresses_stay_where_they_are_and_are_missed_where_they_are_not() -> None:
    address = "https://bob:s3cret@git.example.com/x.git"
    shop = ProjectFactory.create(code="shop", repository=address)
    document = 'projects:\n  - {code: shop, repository: "https://***@git.example.com/x.git"}\n'
    notes: list[str] = []
    assert applied(document, notes=notes) == []
    shop.refresh_from_db()
    assert (shop.repository, notes) == (address, [])
    elsewhere = document.replace("git.example.com", "evil.example.com")
    assert applied(elsewhere, notes=notes) == ["changed project shop: repository"]
    shop.refresh_from_db()
    assert shop.repository == "https://***@evil.example.com/x.git"
    assert notes == [
        "project shop: *** in the repository's address stands for a user and password, which are not in documents: "
        "write them in the administration"
    ]


def test_secrets_are_missed_and_neither_made_nor_removed() -> None:
    EnvironmentFactory.create(code="PROD")
    ProjectFactory.create(code="shop")
    document = (
        "secrets:\n  - {name: key, environment: PROD}\n  - {name: key, environment: PROD, project: shop}\n"
    )
    notes: list[str] = []
    assert applied(document, notes=notes) == []
    assert notes == [
        "secret key of PROD has no value: manage.py set_secret key --environment PROD",
        "secret key of PROD for shop has no value: manage.py set_secret key --environment PROD --project shop",
    ]
    set_secret("other", None, None)
    assert applied("secrets: []\n", prune=True) == []
    assert Secret.objects.count() == 1
    with pytest.raises(Exception, match=r"There is no environment PRO\. Did you mean PROD") as error:
        applied("secrets:\n  - {name: key, environment: PRO}\n  - {name: if}\n")
    assert "words of the language such as if are taken" in str(error.value)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("[1]", "Write a JSON object"),
        ("7", "Write a JSON object"),
        ('{"a": NaN}', "Numbers must be finite"),
        ('{"a": "\\u0000"}', "holds a NUL"),
        ('{"a": ' + "[" * 30 + "]" * 30 + "}", "nested too deeply"),
    ],
)
def test_the_admin_keeps_no_variables_that_documents_cannot_say(written: str, why: str) -> None:
    environment = EnvironmentFactory.create()
    root = Reader(User.objects.create_superuser("root"), language="en")
    sent = {
        "code": "PROD", "name": "P", "position": 1, "colour": "#aabbcc", "expiry": "1d",
        "expiry_urgent": "1h", "variables": written,
    }  # fmt: skip
    answer = root.post(f"/admin/permissions/environment/{environment.pk}/change/", sent)
    assert answer.status_code == 200
    assert why in text(answer)
    document = "environments:\n  - {code: P, variables: {a: %s}}\n" % ("[" * 30 + "]" * 30)
    with pytest.raises(Exception, match="nested at most 20 deep"):
        applied(document)


def test_semaphores_are_made_changed_and_removed_unless_in_use() -> None:
    Semaphore.objects.create(name="idle")
    busy = Semaphore.objects.create(name="busy")
    busy.requests.create(job=JobFactory.create(), path="RUN/0", asked_at=moment())
    notes: list[str] = []
    document = "semaphores:\n  - {name: host, slots: 3}\n"
    assert applied(document, prune=True, notes=notes) == ["created semaphore host", "removed semaphore idle"]
    assert notes == ["semaphore busy is in use and stays"]
    assert applied(document.replace("3", "4")) == ["changed semaphore host: slots"]
    records = AuditRecord.objects.order_by("id").values_list("action", "comment", "source")
    assert sorted(records) == [
        ("delete_semaphore", "idle", "command"),
        ("set_semaphore", "host: 3", "command"),
        ("set_semaphore", "host: 4", "command"),
    ]
    with pytest.raises(Exception, match="slots must be 1 or more"):
        applied(document.replace("3", "0"))


def test_permissions_of_the_administration() -> None:
    ops = Group.objects.create(name="ops")
    policy.grant(ops, Right.CREATE, None)
    document = "groups:\n  - {name: ops, permissions: [jobs.view_project, jobs.change_project]}\n"
    assert applied(document) == ["changed group ops: permissions"]
    assert applied(document) == []
    of_user = "users:\n  - {username: ana, is_staff: true, permissions: [jobs.view_nature]}\n"
    assert applied(of_user) == ["created user ana"]
    assert applied(of_user.replace("view_nature", "add_nature")) == ["changed user ana: permissions"]
    assert applied("groups:\n  - {name: ops}\n") == []
    assert applied("groups:\n  - {name: ops, permissions: []}\n") == ["changed group ops: permissions"]
    assert policy.granted(ops) == {"*": {Right.CREATE}}
    for name, message in (
        ("jobs.view_projekt", "Did you mean jobs.view_project?"),
        ("permissions.action.job.create", "Write it under grants"),
    ):
        with pytest.raises(Exception, match=message):
            applied(f"groups:\n  - {{name: ops, permissions: [{name}]}}\n")


def test_apply_is_in_the_audit_and_a_dry_run_is_not() -> None:
    document = (
        "environments:\n  - {code: PROD, name: Production}\ngroups:\n  - {name: ops}\n"
        "users:\n  - {username: ana, password: a-long-enough-secret, groups: [ops]}\n"
        'grants:\n  - {principal: "group:ops", environment: PROD, rights: [view_monitor]}\n'
    )
    applied(document, dry_run=True)
    assert not AuditRecord.objects.exists()
    applied(document)
    applied("users: []\ngroups: []\ngrants: []\n", prune=True)
    records = AuditRecord.objects.order_by("id").values_list("action", "environment", "comment")
    assert list(records) == [
        ("create_environment", "PROD", 'PROD: name "Production"'),
        ("create_group", "", "ops"),
        ("create_user", "", 'ana: password; groups ["ops"]'),
        ("grant", "PROD", 'group:ops on PROD: rights [] → ["view_monitor"]'),
        ("grant", "PROD", 'group:ops on PROD: rights ["view_monitor"] → []'),
        ("delete_user", "", "ana"),
        ("delete_group", "", "ops"),
    ]
    assert set(AuditRecord.objects.values_list("user", "source", "address")) == {("", "command", "")}


def test_the_command_names_the_user_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("groups:\n  - {name: ops}\n")
    UserFactory.create(username="ana")
    call_command("apply", str(tmp_path / "site.yaml"), user="ana", stdout=io.StringIO())
    assert set(AuditRecord.objects.values_list("user", "source")) == {("ana", "command")}
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("apply", str(tmp_path / "site.yaml"), user="nobody", stdout=io.StringIO())
