"""A project names the secret that opens its repository: at creation, on the worker, on pages; and it is seen nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs import creation, runner
from jobs.actions.lookup import make_plan
from jobs.audit import Actor, Author
from jobs.contents import offering
from jobs.execution import naming
from jobs.execution.origins import repository_of
from jobs.log.reader import read_entries
from jobs.models import CreationRequest, Job, Project, Secret
from jobs.repositories import RepositoryError
from jobs.secrets import vault
from jobs.wishes import Wish
from permissions.models import Environment
from tests.api import Api
from tests.factories import EnvironmentFactory, ProjectFactory, RuleFactory, UserFactory
from tests.git_server import GitServer, git_server
from tests.pages import Reader, words
from tests.repositories import make_repository
from tests.ssh_server import SshServer, looping

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "s3cr%t tok/en"
SOURCE = "name: {slug}\nsteps:\n  PRE:\n    - git: {directory: work}\n    - run: cat work/version.txt\n  RUN:\n    - log: x\n"


def keep(name: str, value: str, project: Project | None = None) -> None:
    vault.keep(name, value, vault.Scope(None, project), by=Author("ana", "admin"), now=timezone.now())


class World:
    """A project whose repository opens with the right secret alone, ``opener``."""

    def __init__(
        self, address: str, opener: str, wrong: str, shas: dict[str, str], username: str = ""
    ) -> None:
        self.opener, self.wrong, self.shas = opener, wrong, shas
        self.environment: Environment = EnvironmentFactory.create(code="DEV")
        self.project: Project = ProjectFactory.create(
            code="shop", repository=address, credential="git_access", username=username
        )
        self.project.full_clean()
        self.rule = RuleFactory.create(source=SOURCE)
        self.root = UserFactory.create(is_superuser=True, is_staff=True)

    def create(self) -> CreationRequest:
        """Ask for a job, serve it as a worker does, and return what became of it."""
        now = timezone.now()
        wish = Wish(self.rule.slug, environment="DEV", project="shop", revisions=("v1",))
        plan = make_plan(wish, Actor(self.root, "api"), now)
        request = CreationRequest.objects.create(
            wish=plan.to_data(), actor=self.root, source="api", created_at=now,
            deadline=now + timedelta(seconds=60),
        )  # fmt: skip
        creation.serve(str(request.pk), "test")
        request.refresh_from_db()
        return request

    def finish(self) -> Job:
        """Let what is due run to its end."""
        while (taken := runner.take_due("test")) is not None:
            runner.run(taken)
        return Job.objects.get()

    def refs(self) -> str:
        return words(Reader(self.root, "en").get("/jobs/new/revisions/?project=shop"))


@pytest.fixture
def shas(tmp_path: Path) -> dict[str, str]:
    return make_repository(tmp_path / "root" / "shop", {"v1": "one"})


@pytest.fixture
def http(tmp_path: Path, shas: dict[str, str]) -> Iterator[GitServer]:
    with git_server(tmp_path / "root", user="bob", password=TOKEN) as server:
        yield server


@pytest.fixture
def over_http(http: GitServer, shas: dict[str, str], broker: str) -> World:
    return World(http.address("shop/.git"), TOKEN, "wrong-s3cret", shas, username="bob")


@pytest.fixture
def over_ssh(tmp_path: Path, shas: dict[str, str], settings: Any, broker: str) -> Iterator[World]:
    with looping() as loop:
        server = SshServer(loop, tmp_path / "host")
        settings.CLARIVE_SSH_KNOWN_HOSTS = str(server.known_hosts(tmp_path / "known hosts"))
        address = f"ssh://git@127.0.0.1:{server.port}{tmp_path}/root/shop"
        other = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
        yield World(address, server.key, other.read_text(), shas)
        server.stop()


def stored(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def middle_of(secret: str) -> str:
    """Return a part of it that is in nothing else."""
    return secret.splitlines()[len(secret.splitlines()) // 2]


@pytest.mark.parametrize("kind", ["over_http", "over_ssh"])
def test_the_secret_of_the_project_opens_its_repository_everywhere_and_is_written_nowhere(
    kind: str, request: pytest.FixtureRequest
) -> None:
    world: World = request.getfixturevalue(kind)
    for value, named in ((None, "which is not set"), (world.wrong, "was not accepted")):
        if value is not None:
            keep("git_access", value)
        refused = world.create()
        (said,) = refused.refusal["errors"]["project"]
        page = world.refs()
        for text in (said, page):
            assert "project shop" in text
            assert "git_access" in text
            assert named in text
            assert middle_of(value or world.opener) not in text
    keep("git_access", world.opener)
    offering._kept.clear()  # as it is after a few seconds
    assert "v1" in world.refs()
    assert world.create().state == "done"
    job = world.finish()
    log = "\n".join(entry.text for entry in read_entries(job.pk, limit=500).entries)
    assert (job.status, job.contents.state, "one" in log) == ("finished", "settled", True), log
    # A secret that is no good any more: what is new is not seen, and the log says why without saying what.
    keep("git_access", world.wrong)
    with pytest.raises(
        RepositoryError, match="The secret git_access, which the project shop names, was not accepted"
    ):
        repository_of(world.project).resolve("v1", seconds=20)
    everything = log + stored(naming.mirrors().parent)
    assert middle_of(world.opener) not in everything
    assert middle_of(world.wrong) not in everything


def test_a_host_that_is_not_known_is_not_believed(over_ssh: World, settings: Any, tmp_path: Path) -> None:
    keep("git_access", over_ssh.opener)
    (tmp_path / "empty").touch()
    settings.CLARIVE_SSH_KNOWN_HOSTS = str(tmp_path / "empty")
    with pytest.raises(RepositoryError, match="Host key verification failed"):
        repository_of(over_ssh.project).resolve("v1", seconds=20)


@pytest.mark.parametrize(
    ("value", "why"),
    [("not a key at all", "is no private key"), ("-----BEGIN PRIVATE KEY-----\nxxxx\n", "was not accepted")],
)
def test_what_is_no_key_is_said(over_ssh: World, value: str, why: str) -> None:
    keep("git_access", value)
    with pytest.raises(RepositoryError, match=f"project shop names, {why}"):
        repository_of(over_ssh.project).resolve("v1", seconds=20)


def test_a_machine_that_cannot_keep_what_it_lends_says_so(
    over_http: World, settings: Any, tmp_path: Path
) -> None:
    """As with a disk that is full: here a file is where the folder would be."""
    keep("git_access", TOKEN)
    settings.CLARIVE_HOME = tmp_path / "home"
    settings.CLARIVE_HOME.mkdir()
    naming.mirrors().with_name("lent").write_text("")
    with pytest.raises(RepositoryError, match="cannot lend git what opens it: "):
        repository_of(over_http.project).resolve("v1", seconds=20)


def test_a_password_of_several_lines_is_refused(over_http: World) -> None:
    keep("git_access", "one line\nand another")
    with pytest.raises(RepositoryError, match="control character"):
        repository_of(over_http.project).resolve("v1", seconds=20)


def test_no_list_of_processes_shows_it_and_a_killed_worker_leaves_it_to_the_next_to_take_away(
    over_http: World, http: GitServer, tmp_path: Path
) -> None:
    keep("git_access", TOKEN)
    http.stops_after, http.hangs = 100, True
    program = (
        "import sys; from pathlib import Path\n"
        "from jobs.lending import Credential; from jobs.addresses import Account\n"
        "from jobs.repositories import GitRunner, Repository\n"
        "address, mirrors, sha, marker = sys.argv[1:]\n"
        "credential = Credential('shop', 'git_access', '1', Account.at(address, 'bob', sys.stdin.read()))\n"
        "Repository(address, Path(mirrors), GitRunner(marker), credential)._resolve_commit"
        "(Repository(address, Path(mirrors), GitRunner(marker), credential)._git(60), sha)"
    )
    mirrors = tmp_path / "home" / "repositories"
    command = [
        sys.executable,
        "-c",
        program,
        over_http.project.repository,
        str(mirrors),
        over_http.shas["v1"],
        "x",
    ]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert worker.stdin is not None
    worker.stdin.write(TOKEN)
    worker.stdin.close()
    assert http.is_sending.wait(20)
    processes = [process for process in psutil.process_iter() if process.pid not in {os.getpid(), worker.pid}]
    seen = "\n".join(_told(process) for process in processes)
    assert "credential.http://127.0.0.1" in seen, "git was looked at"
    assert "s3cr%t" not in seen
    lent = mirrors.with_name("lent")
    (left,) = [path for path in lent.iterdir() if path.is_dir()]
    assert (left / "account").stat().st_mode & 0o777 == 0o600
    worker.kill()
    worker.wait()
    assert "s3cr%t" in stored(lent), "nobody took it away"
    http.let_go.set()
    http.stops_after = None
    repository = repository_of(over_http.project)
    other = type(repository)(repository.address, mirrors, repository.runner, repository.credential)
    assert other.resolve("v1", seconds=20) == over_http.shas["v1"]
    assert [path for path in lent.iterdir() if path.is_dir()] == []


def _told(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) + str(process.environ())
    except psutil.Error:
        return ""


def test_uses_at_once_do_not_take_each_other_s_away(over_http: World, http: GitServer) -> None:
    keep("git_access", TOKEN)
    found: list[str] = []

    def look() -> None:
        for _ in range(3):
            found.append(repository.resolve("v1", seconds=30))

    repository = repository_of(over_http.project)
    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [over_http.shas["v1"]] * 12


def test_the_project_s_own_secret_comes_before_that_of_all_and_one_of_an_environment_does_not_count(
    over_http: World,
) -> None:

    def resolved() -> str:
        return repository_of(over_http.project).resolve("v1", seconds=20)

    author, now = Author("ana", "admin"), timezone.now()
    vault.keep("git_access", TOKEN, vault.Scope(over_http.environment), by=author, now=now)
    with pytest.raises(RepositoryError, match="is not set"):
        resolved()
    keep("git_access", "wrong-for-all")
    keep("git_access", TOKEN, over_http.project)
    assert resolved() == over_http.shas["v1"]


def test_what_one_project_s_secret_opened_is_not_open_to_another(over_http: World) -> None:
    keep("git_access", TOKEN)
    sha = over_http.shas["v1"]
    with repository_of(over_http.project).held([sha], seconds=20) as held:
        assert held.known == {sha}
    assert offering.refs_of(repository_of(over_http.project)).tags
    for fields in ({}, {"credential": "other_secret"}):
        stranger = ProjectFactory.create(repository=over_http.project.repository, **fields)
        with pytest.raises(RepositoryError), repository_of(stranger).held([sha], seconds=20):
            pass
        with pytest.raises(RepositoryError):
            offering.refs_of(repository_of(stranger))


def test_a_secret_that_a_project_names_stays(over_http: World) -> None:
    keep("git_access", TOKEN)
    secret = Secret.objects.get()
    page = Reader(over_http.root, "en").post(f"/admin/jobs/secret/{secret.pk}/delete/", {"post": "yes"})
    assert (page.status_code, "project shop" in words(page)) == (409, True), page.headers
    with pytest.raises(CommandError, match="cannot be deleted: project shop refers to it"):
        call_command("set_secret", "git_access", delete=True)
    # Another one that would open it keeps nobody from deleting this one; it is the one that is used then.
    keep("git_access", TOKEN, over_http.project)
    call_command("set_secret", "git_access", delete=True, stdout=StringIO())
    assert Secret.objects.get().project == over_http.project
    # The project has it and names it: first it stops to name it, then the secret goes, then the project.
    api, code = Api(over_http.root), over_http.project.code
    assert api.call("DELETE", f"projects/{code}/").problem(409, "referenced")
    with pytest.raises(CommandError, match=f"project {code} refers to it"):
        call_command("set_secret", "git_access", project=code, delete=True)
    unnamed = json.dumps({"credential": "", "username": ""})
    assert api.call("PATCH", f"projects/{code}/", unnamed).status == 200
    call_command("set_secret", "git_access", project=code, delete=True, stdout=StringIO())
    assert api.call("DELETE", f"projects/{code}/").status == 204
    assert not Secret.objects.exists()


def test_the_api_names_it_and_refuses_what_opens_nothing(over_http: World) -> None:
    api = Api(over_http.root)
    body = {"code": "api", "repository": "https://git.example.com/api.git", "credential": "git_access"}
    assert api.post("projects/", body).field_errors().keys() == {"credential"}
    keep("git_access", TOKEN)
    made = api.post("projects/", {**body, "username": "deploy"})
    assert (made.status, made.json["credential"], made.json["username"]) == (201, "git_access", "deploy")
    assert api.call(
        "PATCH", "projects/api/", json.dumps({"repository": "/srv/git/api"})
    ).field_errors().keys() == {
        "credential",
        "username",
    }
    assert api.call(
        "PATCH", "projects/api/", json.dumps({"credential": "no name"})
    ).field_errors().keys() == {
        "credential",
        "username",
    } - {"username"}
    plain = {"repository": "/srv/git/api", "credential": "", "username": ""}
    assert api.call("PATCH", "projects/api/", json.dumps(plain)).json["credential"] == ""
    assert TOKEN not in str(api.get("projects/").json)


def test_a_document_names_it_and_says_when_it_is_not_set(over_http: World, tmp_path: Path) -> None:
    out = StringIO()
    call_command("export", stdout=out)
    assert "credential: git_access" in out.getvalue()
    assert "username: bob" in out.getvalue()
    document = tmp_path / "project.yaml"
    document.write_text(
        "projects:\n  - code: shop\n    repository: ssh://git@git.example.com/shop\n"
        "    credential: deploy_key\n    username: ''\n"
    )
    out = StringIO()
    call_command("apply", str(document), stdout=out)
    assert (
        "its secret deploy_key has no value: manage.py set_secret deploy_key --project shop\n"
        in out.getvalue()
    )
    over_http.project.refresh_from_db()
    assert (over_http.project.credential, over_http.project.username) == ("deploy_key", "")
    for scope, more in ((", project: shop", " --project shop"), ("", "")):
        text = f"{document.read_text()}secrets: [{{name: deploy_key{scope}}}]\n"
        named = tmp_path / "named.yaml"
        named.write_text(text)
        out = StringIO()
        call_command("apply", str(named), stdout=out)
        notes = [line for line in out.getvalue().splitlines() if line.startswith("note:")]
        assert len(notes) == 1
        assert notes[0].endswith(f"has no value: manage.py set_secret deploy_key{more}")
    document.write_text("projects:\n  - code: shop\n    repository: /srv/git/shop\n")
    with pytest.raises(CommandError):
        call_command("apply", str(document), stdout=StringIO(), stderr=StringIO())


def test_who_does_not_see_all_environments_cannot_send_a_secret_anywhere(over_http: World) -> None:
    keep("git_access", TOKEN)
    staff = UserFactory.create(is_staff=True)
    from django.contrib.auth.models import Permission

    staff.user_permissions.add(*Permission.objects.filter(codename__in=["change_project", "view_project"]))
    address = f"/admin/jobs/project/{over_http.project.pk}/change/"
    body = {
        "code": "shop", "name": "The shop", "repository": "https://evil.example.com/x", "credential": "git_access",
        "username": "eve", "variables": "{}", "environments-TOTAL_FORMS": "0", "environments-INITIAL_FORMS": "0",
    }  # fmt: skip
    before = over_http.project.repository
    Reader(staff, "en").post(address, body)
    over_http.project.refresh_from_db()
    found = over_http.project
    assert (found.name, found.repository, found.username) == ("The shop", before, "bob")
