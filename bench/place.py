"""Where it is measured: servers of the bench's own that keep what they commit, and databases with so many jobs."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.processes import Processes, running
from clarive_monitor.supervisor import servers
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together

if TYPE_CHECKING:
    import psycopg

CONNECTIONS: Final = 300
SEED: Final = 7


@dataclass(frozen=True)
class Bench:
    """What a suite may use.

    Attributes:
        layout: Where the servers and the processes keep their things.
        sizes: Numbers of jobs that are asked for, smallest first.
        large: Whether suites may take their time, and the disk, for what a few minutes do not tell.
    """

    layout: Layout
    sizes: Sequence[int]
    large: bool = False

    @property
    def home(self) -> Path:
        """A folder for whatever a suite writes."""
        return self.layout.home

    @contextlib.contextmanager
    def database(self, size: int) -> Iterator[None]:
        """Let Django's connection be one to a database with so many jobs; 0 is one without any, new each time.

        A seeded database is made once and found again in the same home.
        """
        name = self._seeded(size) if size else self._empty()
        with self._connected_to(name):
            yield

    @contextlib.contextmanager
    def processes(self, workers: int = 2) -> Iterator[Processes]:
        """Run the product, web, workers and beat, on the database at hand; see ``bench.processes``.

        Args:
            workers: Jobs at once.
        """
        home = self.home / "product"
        with running(home, self.variables(), token=self.token(), workers=workers) as found:
            yield found

    @staticmethod
    def token() -> str:
        """Return a token of an administrator in the database at hand; each is another one."""
        from permissions import tokens
        from permissions.models import User

        user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
        return tokens.issue(user, name=f"bench {time.time_ns()}")

    def variables(self) -> dict[str, str]:
        """Return what tells another process where the database at hand and the broker are."""
        return {
            name: os.environ[name] for name in ("DATABASE_URL", "CLARIVE_BROKER_URL", "CLARIVE_SECRET_KEY")
        }

    def _empty(self) -> str:
        name = "bench_empty"
        self._copy_of_migrated(name)
        return name

    def _seeded(self, size: int) -> str:
        from django.core.management import call_command

        name = f"bench_{size}"
        if self._copy_of_migrated(f"{name}_new", unless=name):
            print(f"Seeding {size:,} jobs", file=sys.stderr)
            with self._connected_to(f"{name}_new"):
                call_command("seed_history", jobs=size, seed=SEED, yes=True, verbosity=0)
            with _server() as server:
                server.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
        return name

    def _copy_of_migrated(self, name: str, *, unless: str = "") -> bool:
        """Make a database of this name with every table and no job; return ``False`` when ``unless`` is there."""
        from django.core.management import call_command

        with _server() as server:
            there = {row[0] for row in server.execute("SELECT datname FROM pg_database")}
            if unless in there:
                return False
            if "bench_migrated" not in there:
                server.execute("CREATE DATABASE bench_migrated")
                with self._connected_to("bench_migrated"):
                    call_command("migrate", verbosity=0)
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE bench_migrated')
        return True

    @contextlib.contextmanager
    def _connected_to(self, name: str) -> Iterator[None]:
        from django.db import connection

        before = connection.settings_dict["NAME"], os.environ["DATABASE_URL"]
        self._switch(name, urlsplit(before[1])._replace(path=f"/{name}").geturl())
        try:
            yield
        finally:
            self._switch(*before)

    @staticmethod
    def _switch(name: str, url: str) -> None:
        """Let this process and those that it starts use another database."""
        from django.db import connection

        connection.close()
        connection.settings_dict["NAME"] = name
        os.environ["DATABASE_URL"] = url


@contextlib.contextmanager
def place(home: Path, sizes: Sequence[int], *, large: bool = False) -> Iterator[Bench]:
    """Start the servers, unless they are given, and set Django up.

    Args:
        home: An empty folder, or one of a run before.
        sizes: See ``Bench``.
        large: See ``Bench``.
    """
    layout = Layout.at(home)
    layout.logs.mkdir(parents=True, exist_ok=True)
    for name in [name for name in os.environ if name.startswith("CLARIVE_") or name == "DATABASE_URL"]:
        del os.environ[name]
    database, broker = os.environ.get("BENCH_DATABASE_URL", ""), os.environ.get("BENCH_BROKER_URL", "")
    os.environ.update(
        CLARIVE_HOME=str(layout.home),
        CLARIVE_ENV_FILE=os.devnull,
        CLARIVE_SECRET_KEY="only-for-the-bench-" + "0" * 32,
        CLARIVE_DEMO="0",
        # Pages that this process makes name their files as they are in the sources.
        CLARIVE_STATIC_COLLECTED="0",
        CLARIVE_API_RATE="0",
        DATABASE_URL=database or layout.database_url,
        CLARIVE_BROKER_URL=broker or layout.broker_url,
    )
    with contextlib.ExitStack() as stack:
        children: list[Child] = []
        stack.callback(lambda: stop_together(children))
        services = [] if database else [servers.postgres(layout, connections=CONNECTIONS)]
        services += [] if broker else [servers.valkey(layout)]
        for service in services:
            child = Child(service)
            children.append(child)
            child.start()
            servers.wait_until_ready(child)
        if not database:
            servers.create_database(layout)
        _set_up()
        yield Bench(layout, sorted(sizes), large)


def _set_up() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clarive_monitor.settings")
    django.setup()


@contextlib.contextmanager
def _server() -> Iterator[psycopg.Connection]:
    """A connection from which databases are made."""
    import psycopg

    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
