"""What a job carries, from a repository on another host: over http with a password, and over ssh."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.models import Project
from tests.integration.test_contents import World, natures_of, said, world
from tests.integration.test_repository_credentials import SECRET, WRITTEN, Guarded
from tests.repositories import git
from tests.ssh_server import SshServer, looping

__all__ = ["world"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def http_address(world: World) -> Iterator[str]:
    """The address of a web server that gives the repository's files to bob alone."""
    handler = functools.partial(Guarded, directory=str(world.origin / ".git"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://bob:{WRITTEN}@127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def ssh_address(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the repository over ssh.

    ssh reads its user's own folder, whatever HOME says; so an ssh in front of it says which key and which known hosts.
    """
    real = shutil.which("ssh")
    assert real is not None
    with looping() as loop:
        server = SshServer(loop, tmp_path / "host")
        key = tmp_path / "key"
        key.touch(mode=0o600)
        key.write_text(server.key)
        known = server.known_hosts(tmp_path / "known_hosts")
        front = tmp_path / "bin" / "ssh"
        front.parent.mkdir()
        front.write_text(f'#!/bin/sh\nexec {real} -F none -i {key} -oUserKnownHostsFile={known} "$@"\n')
        front.chmod(0o755)
        monkeypatch.setenv("PATH", f"{front.parent}:{os.environ['PATH']}")
        yield f"ssh://git@127.0.0.1:{server.port}{world.origin}"
        server.stop()


@pytest.mark.parametrize("kind", ["http_address", "ssh_address"])
def test_contents_are_settled_from_another_host(
    kind: str, world: World, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(kind)
    Project.objects.filter(pk=world.project.pk).update(repository=address)
    world.project.refresh_from_db()
    world.commit("v2", {"shop/web.py": "x", "db/1.sql": "y"})
    git("update-server-info", cwd=world.origin)
    first = world.run("v2")
    assert (first.status, natures_of(first)) == ("finished", ["python", "sql"]), said(first)
    assert (first.contents.state, first.contents.files) == ("settled", 3)
    world.commit("v3", {"db/2.sql": "z"})
    git("update-server-info", cwd=world.origin)
    second = world.run("v3")
    assert (natures_of(second), second.contents.base_sha) == (["sql"], world.shas["v2"]), said(second)
    assert [commit["subject"] for commit in second.contents.commits] == ["Change v3"]
    everything = "\n".join(said(first) + said(second))
    assert not [word for word in (SECRET, WRITTEN, "bob") if word in everything]
