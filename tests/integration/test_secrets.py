"""Secrets in the database: sealed for their row, scoped, rotated, set by command and by the admin, never shown."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from pytest_django import Settings

from jobs.audit import Author
from jobs.models import AuditRecord, Project, Secret
from jobs.secrets import vault
from jobs.secrets.sealing import CannotOpen, KeyRing
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, ProjectFactory, UserFactory, user_with
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db

OLD, NEW = "o" * 32, "n" * 32
EVERYWHERE = vault.Scope()


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def shop() -> Project:
    return ProjectFactory.create(code="shop")


def keep(name: str, value: str, scope: vault.Scope = EVERYWHERE) -> Secret:
    vault.keep(name, value, scope, by=Author("ana", "command"), now=timezone.now())
    return Secret.objects.get(name=name, environment=scope.environment, project=scope.project)


def values(environment: Environment, project: Project | None = None) -> dict[str, str]:
    return dict(vault.open_for(environment.pk, project.pk if project else None).values)


# --- sealing ---


def test_what_is_kept_tells_nothing_and_is_sealed_differently_each_time(dev: Environment) -> None:
    first = bytes(keep("token", "swordfish").ciphertext)
    second = bytes(keep("token", "swordfish").ciphertext)
    assert first != second
    assert b"swordfish" not in first
    assert values(dev) == {"token": "swordfish"}
    assert Secret.objects.count() == 1


def test_a_ciphertext_opens_in_its_own_row_alone(dev: Environment, shop: Project) -> None:
    source = keep("token", "swordfish", vault.Scope(dev))
    for moved in (
        Secret(name="other", environment=dev),
        Secret(name="token"),
        Secret(name="token", project=shop),
        Secret(name="token", environment=dev, project=shop),
    ):
        with pytest.raises(CannotOpen):
            vault.key_ring().open(bytes(source.ciphertext), moved.identity)


def test_what_was_changed_does_not_open() -> None:
    ring = KeyRing([OLD])
    sealed = ring.seal("swordfish", b"row")
    assert ring.open(sealed, b"row") == "swordfish"
    for changed in (sealed[:-1], b"\x02" + sealed[1:], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"\x01"):
        with pytest.raises(CannotOpen):
            ring.open(changed, b"row")


def test_rotation_makes_the_old_key_superfluous(settings: Settings, dev: Environment) -> None:
    settings.CLARIVE_SECRETS_KEYS = [OLD]
    keep("token", "swordfish")
    settings.CLARIVE_SECRETS_KEYS = [NEW]
    assert values(dev) == {}
    settings.CLARIVE_SECRETS_KEYS = [NEW, OLD]
    assert values(dev) == {"token": "swordfish"}
    printed = io.StringIO()
    call_command("rotate_secrets", stdout=printed)
    assert printed.getvalue() == "1 secrets are encrypted under the first key.\n"
    settings.CLARIVE_SECRETS_KEYS = [NEW]
    assert values(dev) == {"token": "swordfish"}


def test_rotation_leaves_and_names_what_no_key_opens(settings: Settings, dev: Environment) -> None:
    settings.CLARIVE_SECRETS_KEYS = [OLD]
    before = bytes(keep("lost", "swordfish", vault.Scope(dev)).ciphertext)
    settings.CLARIVE_SECRETS_KEYS = [NEW]
    keep("token", "swordfish")
    with pytest.raises(CommandError, match="lost · DEV"):
        call_command("rotate_secrets", stdout=io.StringIO())
    assert bytes(Secret.objects.get(name="lost").ciphertext) == before


# --- scopes ---


def test_the_most_specific_scope_wins_name_by_name(dev: Environment, shop: Project) -> None:
    other: Environment = EnvironmentFactory.create()
    keep("a", "for all")
    keep("a", "of the project", vault.Scope(project=shop))
    keep("a", "in the environment", vault.Scope(dev))
    keep("a", "in both of them", vault.Scope(dev, shop))
    keep("b", "only for all")
    keep("c", "only elsewhere", vault.Scope(other, shop))
    assert values(dev, shop) == {"a": "in both of them", "b": "only for all"}
    assert values(dev) == {"a": "in the environment", "b": "only for all"}
    assert values(other, shop) == {"a": "of the project", "b": "only for all", "c": "only elsewhere"}
    assert values(other, ProjectFactory.create()) == {"a": "for all", "b": "only for all"}


def test_weaker_values_are_hidden_as_well_and_are_no_substitute(dev: Environment) -> None:
    keep("a", "the weak value")
    strong = keep("a", "the strong value", vault.Scope(dev))
    opened = vault.open_for(dev.pk, None)
    assert opened.mask.text("the weak value, the strong value") == "***, ***"
    strong.ciphertext = b"\x01nonsense"
    strong.save()
    opened = vault.open_for(dev.pk, None)
    assert (dict(opened.values), opened.unreadable) == ({}, ("a",))
    assert "The secret a cannot be decrypted" in opened.warnings[0]
    assert "the weak value" not in repr(opened)


def test_secrets_keep_their_environment_and_project(dev: Environment, shop: Project) -> None:
    keep("a", "in the environment", vault.Scope(dev))
    keep("b", "of the project", vault.Scope(project=shop))
    keep("c", "for everybody")
    for owner in (dev, shop):
        with pytest.raises(ProtectedError):
            owner.delete()
    assert sorted(secret.name for secret in Secret.objects.all()) == ["a", "b", "c"]
    assert vault.open_for(dev.pk, shop.pk).values == {
        "a": "in the environment", "b": "of the project", "c": "for everybody"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("secret_once_per_scope", {"name": "a"}),
        ("secret_name_is_identifier", {"name": "a-b"}),
        ("secret_name_is_identifier", {"name": "1a"}),
        ("secret_name_is_identifier", {"name": ""}),
    ],
)
def test_the_database_refuses(constraint: str, fields: dict[str, Any]) -> None:
    keep("a", "for everybody")
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        Secret.objects.create(ciphertext=b"x", changed_at=timezone.now(), **fields)
    assert error.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


# --- what can be kept ---


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "at least 4 characters"),
        ("  abc \n", "at least 4 characters"),
        ("", "at least 4 characters"),
        ("*****", "asterisks"),
        ("a\0bcd", "Null characters"),
        ("ä" * 40_000, "at most 64 KiB"),
    ],
)
def test_a_value_that_cannot_be_hidden_or_kept_is_refused_without_showing_it(value: str, reason: str) -> None:
    with pytest.raises(vault.BadSecret, match=reason) as error:
        keep("token", value)
    assert error.value.field == "value"
    assert not value or value not in str(error.value)


@pytest.mark.parametrize("name", ["a b", "if", "1a", "a" * 65, "ñ", ""])
def test_a_name_that_rules_cannot_read_is_refused(name: str) -> None:
    with pytest.raises(vault.BadSecret) as error:
        keep(name, "swordfish")
    assert error.value.field == "name"


def test_the_end_of_a_single_line_is_no_part_of_the_value(dev: Environment) -> None:
    keep("single", "swordfish\r\n")
    keep("several", "first line\r\nsecond line\r\n")
    assert values(dev) == {"single": "swordfish", "several": "first line\nsecond line\n"}


# --- the command ---


def command(monkeypatch: pytest.MonkeyPatch, data: bytes, *arguments: str) -> str:
    """Run ``set_secret`` with ``data`` on its standard input; what it printed."""
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    call_command("set_secret", *arguments, stdout=printed)
    return printed.getvalue()


def test_the_command_sets_changes_and_deletes(
    monkeypatch: pytest.MonkeyPatch, dev: Environment, shop: Project
) -> None:
    where = ("--environment", "DEV", "--project", "shop")
    assert command(monkeypatch, b"sw\xc3\xb6rdfish\n", "token", *where) == "set token in DEV of shop\n"
    assert values(dev, shop) == {"token": "swördfish"}
    assert command(monkeypatch, b"other fish", "token", *where) == "changed token in DEV of shop\n"
    assert values(dev, shop) == {"token": "other fish"}
    assert command(monkeypatch, b"", "token", *where, "--delete") == "deleted token in DEV of shop\n"
    assert values(dev, shop) == {}
    records = AuditRecord.objects.order_by("id").values_list("action", "source", "environment", "comment")
    told = ("command", "DEV", "token in DEV of shop")
    assert list(records) == [("set_secret", *told), ("set_secret", *told), ("delete_secret", *told)]


@pytest.mark.parametrize(
    ("data", "arguments", "reason"),
    [
        (b"swordfish", ["token", "--environment", "NONE"], "There is no environment NONE"),
        (b"swordfish", ["token", "--project", "none"], "There is no project none"),
        (b"swordfish", ["not-a-name"], "'not-a-name' cannot be the name"),
        (b"", ["token", "--delete"], "There is no secret token"),
        (b"abc", ["token"], "at least 4 characters"),
        (b"sword\xff", ["token"], "UTF-8"),
        (b"x" * 70_000, ["token"], "at most 64 KiB"),
    ],
)
def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, data: bytes, arguments: list[str], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason) as error:
        command(monkeypatch, data, *arguments)
    assert data.decode(errors="replace")[:3] not in str(error.value) or not data
    assert not Secret.objects.exists()


# --- the admin ---


@pytest.fixture
def admin() -> Reader:
    return Reader(UserFactory.create(username="root", is_staff=True, is_superuser=True), language="en")


def test_the_admin_sets_and_never_shows(admin: Reader, dev: Environment) -> None:
    form = {"name": "token", "environment": dev.pk, "project": "", "value": "first\r\nswordfish"}
    assert admin.post("/admin/jobs/secret/add/", form).status_code == 302
    secret = Secret.objects.get()
    assert (secret.changed_by, values(dev)) == ("root", {"token": "first\nswordfish"})
    address = f"/admin/jobs/secret/{secret.pk}/change/"
    for page in (address, "/admin/jobs/secret/", f"/admin/jobs/secret/{secret.pk}/history/"):
        markup = text(admin.get(page))
        assert "token" in markup
        assert "swordfish" not in markup
    assert (
        admin.post(address, {"value": "another fish", "name": "renamed", "environment": ""}).status_code
        == 302
    )
    assert values(dev) == {"token": "another fish"}
    assert admin.post(f"/admin/jobs/secret/{secret.pk}/delete/", {"post": "yes"}).status_code == 302
    records = AuditRecord.objects.order_by("id").values_list("action", "user", "source", "comment")
    told = ("root", "admin", "token in DEV")
    assert list(records) == [("set_secret", *told), ("set_secret", *told), ("delete_secret", *told)]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "a-b", "value": "swordfish"}, "name"),
        ({"name": "", "value": "swordfish"}, "name"),
        ({"name": "token", "value": "abc"}, "value"),
        ({"name": "token", "value": ""}, "value"),
    ],
)
def test_the_admin_s_mistakes_do_not_show_the_value(admin: Reader, form: dict[str, str], field: str) -> None:
    answer: Any = admin.post("/admin/jobs/secret/add/", form)
    assert list(answer.context["adminform"].form.errors) == [field]
    assert "swordfish" not in text(answer)
    assert not Secret.objects.exists()


def test_the_admin_refuses_a_second_one_of_the_same_scope(admin: Reader) -> None:
    keep("token", "swordfish")
    answer: Any = admin.post("/admin/jobs/secret/add/", {"name": "token", "value": "another fish"})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors
    assert Secret.objects.count() == 1


def test_staff_neither_see_nor_choose_environments_that_are_not_theirs(dev: Environment) -> None:
    hidden: Environment = EnvironmentFactory.create(code="HIDDEN")
    theirs, other = keep("theirs", "swordfish", vault.Scope(dev)), keep("other", "fish", vault.Scope(hidden))
    user: User = user_with("view_monitor", environments=[dev], is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__model="secret"))
    staff = Reader(user, language="en")
    for address in ("", "add/", f"{theirs.pk}/change/"):
        markup = text(staff.get(f"/admin/jobs/secret/{address}"))
        assert "HIDDEN" not in markup
    assert staff.get(f"/admin/jobs/secret/{other.pk}/change/").status_code == 302
