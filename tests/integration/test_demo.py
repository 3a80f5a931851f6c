"""The demo: its repository is the same everywhere, its set-up adds and never overwrites, its rules are valid."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from demo.places import DemoPlaces
from demo.repository import make_repository
from demo.setup import set_up
from jobs.models import Project, Schedule
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.models import Rule, RuleVersion


def git(repository: Path, *arguments: str) -> str:
    """Return what git says."""
    done = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def unittest(tree: Path) -> int:
    """Run the tests of a working tree of the shop; the return code."""
    return subprocess.run([sys.executable, "-B", "-m", "unittest"], cwd=tree, capture_output=True).returncode


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's repository."""
    target = tmp_path_factory.mktemp("demo") / "shop.git"
    assert make_repository(target)
    return target


def test_the_repository_has_its_versions(repository: Path) -> None:
    assert git(repository, "tag").split() == ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0-broken"]
    assert git(repository, "show", "v1.1.0:VERSION") == "1.1.0"
    assert git(repository, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(repository, "rev-parse", "main") == git(repository, "rev-parse", "v1.2.0^{commit}")


def test_it_is_the_same_again_whatever_git_is_told(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n name = Somebody\n[init]\n defaultBranch = trunk\n[commit]\n gpgSign = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Nobody")
    make_repository(tmp_path / "shop.git")
    assert git(tmp_path / "shop.git", "show-ref") == git(repository, "show-ref")


def test_a_repository_that_is_there_is_left_alone(repository: Path) -> None:
    assert not make_repository(repository)


@pytest.mark.parametrize(
    ("tag", "passes"), [("v1.0.0", True), ("v1.1.0", True), ("v1.2.0", True), ("v1.3.0-broken", False)]
)
def test_the_tests_of_all_versions_but_the_broken_one_pass(
    repository: Path, tmp_path: Path, tag: str, passes: bool
) -> None:
    subprocess.run(
        ["git", "clone", "-q", "-b", tag, repository, tmp_path / "tree"], check=True, capture_output=True
    )
    assert (unittest(tmp_path / "tree") == 0) is passes


def accept(name: str) -> str:
    """Choose a password."""
    return f"a-password-for-{name}"


@pytest.mark.django_db
def test_the_set_up_makes_environments_users_and_valid_rules(tmp_path: Path) -> None:
    passwords = set_up(tmp_path, accept, now=timezone.now())
    places = DemoPlaces(tmp_path)
    assert set(passwords) == {"ana", "oscar", "quique", "vera"}
    assert Project.objects.get().repository == str(places.repository)
    for environment in places.environments:
        assert Environment.objects.get(code=environment.code).variables == {"path": str(environment.folder)}
        assert environment.releases.is_dir()
    assert set(Rule.objects.values_list("slug", flat=True)) == {"shop-deploy", "clean-releases"}
    vera, ana = User.objects.get(username="vera"), User.objects.get(username="ana")
    assert [environment.code for environment in policy.environments_for(vera)] == ["DEV"]
    assert policy.can(ana, Right.CREATE, Environment.objects.get(code="PROD"))
    assert not policy.can(ana, Right.APPROVE_ALL, Environment.objects.get(code="PROD"))
    assert vera.check_password("a-password-for-vera")


@pytest.mark.django_db
def test_the_second_set_up_leaves_what_people_changed(tmp_path: Path) -> None:
    set_up(tmp_path, accept, now=timezone.now())
    Environment.objects.filter(code="PROD").update(name="Live")
    assert set_up(tmp_path, accept, now=timezone.now()) == {}
    assert Environment.objects.get(code="PROD").name == "Live"


@pytest.mark.django_db
def test_a_set_up_after_an_upgrade_keeps_passwords(tmp_path: Path) -> None:
    set_up(tmp_path, accept, now=timezone.now())
    ana = User.objects.get(username="ana")
    ana.set_password("chosen-by-herself")
    ana.save()
    (DemoPlaces(tmp_path).folder / "applied").unlink()
    assert set_up(tmp_path, accept, now=timezone.now()) == {}
    ana.refresh_from_db()
    assert ana.check_password("chosen-by-herself")
    assert RuleVersion.objects.count() == 2


def clarive_setup() -> dict[str, Any]:
    """Run the command; the data of its last line."""
    printed = io.StringIO()
    call_command("clarive_setup", stdout=printed)
    found: dict[str, Any] = json.loads(printed.getvalue().splitlines()[-1])
    return found


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a home of its own, without the demo."""
    settings.CONFIGURATION = replace(
        settings.CONFIGURATION, layout=type(settings.CONFIGURATION.layout)(tmp_path)
    )
    settings.CLARIVE_HOME = tmp_path
    settings.CLARIVE_DEMO = False
    return settings


@pytest.mark.django_db
def test_the_administrator_is_made_once_with_a_password_only_the_owner_can_read(
    installation: Settings, tmp_path: Path
) -> None:
    sign_in = tmp_path / "sign-in.txt"
    assert clarive_setup() == {"created": ["admin"], "sign_in": str(sign_in)}
    assert sign_in.stat().st_mode & 0o777 == 0o600
    name, password = sign_in.read_text().split()
    admin = User.objects.get()
    assert (name, admin.is_superuser, admin.is_staff) == ("admin", True, True)
    assert admin.check_password(password)
    assert clarive_setup()["created"] == []
    assert not Project.objects.exists()


@pytest.mark.django_db
def test_a_given_name_and_password_are_used(installation: Settings) -> None:
    installation.CLARIVE_ADMIN_USER, installation.CLARIVE_ADMIN_PASSWORD = "root", "given to us"
    clarive_setup()
    assert User.objects.get(username="root").check_password("given to us")


@pytest.mark.django_db
def test_the_demo_has_simple_passwords_only_where_nobody_else_comes(
    installation: Settings, tmp_path: Path
) -> None:
    installation.CLARIVE_DEMO = True
    installation.CONFIGURATION = replace(installation.CONFIGURATION, host="0.0.0.0")
    assert clarive_setup()["created"] == ["admin", "ana", "oscar", "quique", "vera"]
    assert not User.objects.get(username="ana").check_password("clarive-ana")
    kept = dict(line.split() for line in (tmp_path / "sign-in.txt").read_text().splitlines())
    assert User.objects.get(username="ana").check_password(kept["ana"])
    Schedule.objects.all().delete()
    User.objects.all().delete()
    Project.objects.all().delete()
    installation.CONFIGURATION = replace(installation.CONFIGURATION, host="127.0.0.1")
    clarive_setup()
    assert User.objects.get(username="ana").check_password("clarive-ana")
