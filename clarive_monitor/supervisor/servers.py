"""The embedded PostgreSQL and Valkey: made once, started on Unix sockets that only this user can open."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from clarive_monitor.supervisor.binaries import (
    Identity,
    ServerMissing,
    find_identity,
    find_postgres,
    find_valkey,
    version_of,
)
from clarive_monitor.supervisor.layout import (
    DATABASE_NAME,
    DATABASE_USER,
    LONGEST_SOCKET_FOLDER,
    Layout,
    make_private,
)
from clarive_monitor.supervisor.processes import Child, Service

# Nobody needs a test's database after a power cut.
THROWAWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
OLD_SERVER_SECONDS = 15.0


def prepare_sockets(layout: Layout, identity: Identity) -> None:
    """Make the private folder of both sockets.

    Raises:
        UnsafeFolder: Somebody else has made it.
        ServerMissing: Its path is too long for a socket.
    """
    if len(os.fsencode(layout.sockets)) > LONGEST_SOCKET_FOLDER:
        raise ServerMissing(f"{layout.sockets} is too long for a socket: give TMPDIR a shorter path.")
    owner = identity.run_as[0] if identity.run_as else None
    make_private(layout.sockets, also_owner=owner)
    if identity.run_as:
        os.chown(layout.sockets, *identity.run_as)
        # It has to reach its own folder; what is beside it stays closed.
        layout.home.chmod(0o711)


def postgres(layout: Layout, *, connections: int = 100, durable: bool = True) -> Service:
    """Make the cluster if there is none and return how its server is run.

    Args:
        layout: Where things are kept; the home exists.
        connections: How many clients at most.
        durable: False for tests, where a lost commit does not matter.

    Raises:
        ServerMissing: It cannot run here; the text says what to do.
        UnsafeFolder: The socket folder is somebody else's.
    """
    programs, identity = find_postgres(), find_identity()
    version = version_of(programs / "postgres")
    prepare_sockets(layout, identity)
    _make_cluster(layout, programs, version, identity, durable=durable)
    _clear_old_server(layout)
    options = [
        "listen_addresses=",
        f"unix_socket_directories={layout.sockets}",
        "unix_socket_permissions=0700",
        f"max_connections={connections}",
        "timezone=UTC",
        "log_timezone=UTC",
        "jit=off",
        *(() if durable else THROWAWAY),
    ]
    arguments = [word for option in options for word in ("-c", option)]
    return Service(
        name="postgres",
        command=(*identity.prefix, str(programs / "postgres"), "-D", str(layout.database), *arguments),
        log=layout.logs / "postgres.log",
        ready=lambda _child: _answers_sql(layout),
        # SIGINT ends open sessions and leaves a clean cluster; SIGTERM would wait for the clients.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        run_as=identity.run_as,
        lingers=lambda _child: _is_stopping(layout.database),
    )


def valkey(layout: Layout, *, durable: bool = True, databases: int = 16) -> Service:
    """Return how the broker is run.

    Args:
        layout: Where things are kept; the home exists.
        durable: Whether messages survive a fall of the broker; they are only hints either way.
        databases: How many numbered databases.

    Raises:
        ServerMissing: No program for it here.
        UnsafeFolder: The socket folder is somebody else's.
    """
    program = find_valkey()
    prepare_sockets(layout, find_identity())
    layout.broker.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep = ("--appendonly", "yes", "--appendfsync", "everysec") if durable else ("--appendonly", "no")
    return Service(
        name="valkey",
        command=(
            str(program), "--port", "0", "--unixsocket", str(layout.broker_socket), "--unixsocketperm", "700",
            "--dir", str(layout.broker), "--save", "", "--daemonize", "no",
            "--databases", str(databases), *keep,
        ),
        log=layout.logs / "valkey.log",
        ready=lambda _child: _answers_ping(layout.broker_socket),
    )  # fmt: skip


def create_database(layout: Layout) -> None:
    """Create the product's database in a running cluster, unless it is there."""
    with psycopg.connect(_address(layout, "postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE_NAME)))


def wait_until_ready(child: Child, seconds: float = 30.0) -> None:
    """Wait for a child's probe.

    Raises:
        ServerMissing: It ended or took too long; the text holds the end of its log.
    """
    deadline = time.monotonic() + seconds
    while not child.is_ready():
        if child.returncode() is not None or time.monotonic() > deadline:
            raise ServerMissing(f"{child.service.name} did not start:\n" + "\n".join(child.last_lines()))
        time.sleep(0.02)


def _make_cluster(layout: Layout, programs: Path, version: str, identity: Identity, *, durable: bool) -> None:
    """Run initdb beside the final place and move the whole in: a half-made cluster is never taken for one."""
    major = version.split(".")[0]
    marker = layout.database / "PG_VERSION"
    if marker.exists():
        kept = marker.read_text().strip()
        if kept != major:
            raise ServerMissing(
                f"{layout.database} was written by PostgreSQL {kept}, here is {major}: "
                f"move it away or dump it with {kept}."
            )
        return
    draft = layout.home / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    if identity.run_as:
        os.chown(draft, *identity.run_as)
    # Up to 16 the C locale is the one that is everywhere; from 17 on PostgreSQL brings Unicode rules itself.
    rules = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if int(major) >= 17 else ()
    user, group = identity.run_as or (None, None)
    made = subprocess.run(
        [
            *identity.prefix, str(programs / "initdb"), "-D", str(draft), "-U", DATABASE_USER, "--auth=trust",
            "--encoding=UTF8", "--locale=C", *rules, *(() if durable else ("--no-sync",)),
        ],
        capture_output=True, text=True, user=user, group=group, cwd="/",
    )  # fmt: skip
    if made.returncode != 0:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServerMissing(
            f"No database could be made in {layout.home}: {reason}\nGive one with DATABASE_URL instead."
        )
    draft.rename(layout.database)


def _clear_old_server(layout: Layout) -> None:
    """Wait for a server whose supervisor was killed, and remove its marks when a power cut has left them.

    PostgreSQL looks only at whether the old process id is in use, which after a restart of the machine may be
    anybody's.
    """
    marks = [layout.database / "postmaster.pid", *layout.sockets.glob(".s.PGSQL.*.lock")]
    deadline = time.monotonic() + OLD_SERVER_SECONDS
    while (pid := _running_postmaster(marks[0], layout.database)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT)
        time.sleep(0.1)
    if Path("/proc/self").exists():
        for mark in marks:
            mark.unlink(missing_ok=True)


def _is_stopping(data: Path) -> bool:
    """Return whether the server lets nobody in any more and waits for its clients, as after SIGTERM.

    They are our own processes, which keep their sessions for good and need new ones: neither would ever end.
    """
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "stopping"
    except (OSError, IndexError):
        return False


def _running_postmaster(mark: Path, data: Path) -> int | None:
    """Return the process id in a mark when a server of this cluster really has it."""
    try:
        pid = int(mark.read_text().splitlines()[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(data) in words else None


def _address(layout: Layout, database: str) -> str:
    """Return libpq's address of a database in the embedded cluster."""
    return make_conninfo(host=str(layout.sockets), user=DATABASE_USER, dbname=database, connect_timeout=5)


def _answers_sql(layout: Layout) -> bool:
    """Return whether the server takes a query."""
    try:
        with psycopg.connect(_address(layout, "postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False


def _answers_ping(path: Path) -> bool:
    """Return whether the broker answers on its socket and has loaded what it kept."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
