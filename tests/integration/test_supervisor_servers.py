"""The embedded servers under a supervisor that is killed, and what the next one finds."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from clarive_monitor.supervisor import servers
from clarive_monitor.supervisor.binaries import ServerMissing
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together
from tests.waiting import until

# A supervisor's first half: both servers, then it says so and goes on for ever.
STARTER = """
import sys, time
from clarive_monitor.supervisor import servers
from clarive_monitor.supervisor.binaries import ServerMissing
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child
layout = Layout.at(sys.argv[1])
for service in (servers.postgres(layout), servers.valkey(layout)):
    child = Child(service)
    child.start()
    servers.wait_until_ready(child)
    print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout.at(tmp_path)
    yield layout
    for left in layout.sockets.glob(".*"):
        left.unlink()
    for left in layout.sockets.glob("*"):
        left.unlink()
    layout.sockets.rmdir()


def start_postgres(layout: Layout) -> Child:
    child = Child(servers.postgres(layout, durable=False))
    child.start()
    servers.wait_until_ready(child)
    return child


def test_a_server_that_somebody_asked_to_end_while_clients_stay_is_seen_and_hurried(layout: Layout) -> None:
    postgres = start_postgres(layout)
    servers.create_database(layout)
    assert not postgres.service.lingers(postgres)
    with psycopg.connect(layout.database_url, autocommit=True) as client:
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGTERM)
        until(lambda: postgres.service.lingers(postgres), 20, "a server that waits for its client")
        assert client.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="shutting down"):
            psycopg.connect(layout.database_url)
        postgres.send(postgres.service.stop_signal)
        until(lambda: postgres.returncode() == 0, 20, "its end in order")


def test_kill_9_of_the_supervisor_leaves_no_process_and_all_data(layout: Layout) -> None:
    postgres = start_postgres(layout)
    servers.create_database(layout)
    with psycopg.connect(layout.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    stop_together([postgres])

    supervisor = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(layout.home)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pids = [int(supervisor.stdout.readline()) for _ in range(2)]
    family = [psutil.Process(pid) for pid in pids]
    family += [below for process in family for below in process.children(recursive=True)]
    supervisor.kill()
    supervisor.communicate()
    until(lambda: not any(process.is_running() for process in family), 20, "the end of both servers")

    again = start_postgres(layout)
    with psycopg.connect(layout.database_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    stop_together([again])


def test_the_mark_of_a_server_lost_in_a_power_cut_does_not_stand_in_the_way(layout: Layout) -> None:
    stop_together([start_postgres(layout)])
    # The id that the lost server had belongs to somebody else of this user now.
    stale = f"{os.getpid()}\n{layout.database}\n1\n5432\n{layout.sockets}\n\n"
    (layout.database / "postmaster.pid").write_text(stale)
    (layout.sockets / ".s.PGSQL.5432.lock").write_text(stale)
    stop_together([start_postgres(layout)])


def test_a_cluster_of_another_major_version_is_left_alone(layout: Layout) -> None:
    stop_together([start_postgres(layout)])
    (layout.database / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerMissing, match="written by PostgreSQL 9"):
        servers.postgres(layout)


def test_a_half_made_cluster_is_made_anew(layout: Layout) -> None:
    (layout.home / "postgres.new").mkdir()
    (layout.home / "postgres.new" / "PG_VERSION").write_text("18\n")
    stop_together([start_postgres(layout)])


def test_text_is_compared_as_unicode_whatever_the_machines_locale(layout: Layout) -> None:
    postgres = start_postgres(layout)
    servers.create_database(layout)
    servers.create_database(layout)
    with psycopg.connect(layout.database_url) as connection:
        row = connection.execute("SELECT upper('año'), current_setting('server_encoding')").fetchone()
    stop_together([postgres])
    assert row == ("AÑO", "UTF8")


def test_others_cannot_reach_the_sockets(layout: Layout) -> None:
    children = [start_postgres(layout), Child(servers.valkey(layout, durable=False))]
    children[1].start()
    servers.wait_until_ready(children[1])
    assert layout.sockets.stat().st_mode & 0o077 == 0
    listening = [
        connection
        for child in children
        for connection in psutil.Process(child.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    stop_together(children)
    assert listening == []
