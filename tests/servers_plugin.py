"""Servers of the tests' own, from the same wheels and the same code as ``make run``.

Loaded by ``-p`` before Django's settings are, so that no setting of this machine reaches a test. The
servers are started by whoever first needs them: a run of unit tests starts none. With pytest-xdist the
controller starts them, and each of its workers has a database and a broker database of its own.
"""

import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clarive_monitor.supervisor import servers
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, Service, stop_together
from tests import compiling, template

CONNECTIONS = 300
CACHE = Path(__file__).parents[1] / ".pytest_cache"


def _is_xdist_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _broker_url(given: str, layout: Layout) -> str:
    """Return the broker's address with a database number for this pytest process."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    if given:
        return urlsplit(given)._replace(path=f"/{number}").geturl()
    return f"{layout.broker_url}?virtual_host={number}"


def _own_home(home: str) -> str:
    """Return the home of this pytest process, a folder below that of the servers for each of xdist's workers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return home
    own = Path(home, worker)
    own.mkdir(exist_ok=True)
    return str(own)


def _isolate() -> Layout:
    """Point every variable at a temporary home and drop those of the machine."""
    home = os.environ.get("CLARIVE_TEST_HOME") or tempfile.mkdtemp(prefix="clarive-test-")
    layout = Layout.at(home)
    for name in [name for name in os.environ if name.startswith("CLARIVE_") or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ.update(
        CLARIVE_TEST_HOME=home,
        # Each of its own: whoever looks for strays would take those of the others, whose databases it does not know.
        CLARIVE_HOME=_own_home(home),
        CLARIVE_ENV_FILE=os.devnull,
        CLARIVE_SECRET_KEY="only-for-tests-" + "0" * 32,
        CLARIVE_STATIC_COLLECTED="0",
        CLARIVE_DEMO="0",
        # Whoever tries out a great many requests tries something else than their rate.
        CLARIVE_API_RATE="0",
        DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or layout.database_url,
        CLARIVE_BROKER_URL=_broker_url(os.environ.get("TEST_BROKER_URL", ""), layout),
    )
    _share_compiled_modules(layout)
    return layout


def _share_compiled_modules(layout: Layout) -> None:
    """Compile once, for this process, xdist's and those that tests start, where nobody may write beside the sources.

    Compiling Django and Celery takes four of the five seconds in which a worker starts, and rewriting the asserts of all
    tests half of their collection.
    """
    if sys.dont_write_bytecode:
        kept = CACHE if os.access(CACHE.parent, os.W_OK) else layout.home
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(kept / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


class TestServers:
    """The servers of one pytest run."""

    __test__ = False

    def __init__(self, layout: Layout) -> None:
        """Start nothing yet."""
        self.layout = layout
        self._children: dict[str, Child] = {}
        self._maker: subprocess.Popen[bytes] | None = None

    def need_postgres(self) -> None:
        """Start PostgreSQL unless it runs or one was given."""
        if not os.environ.get("TEST_DATABASE_URL") and self._is_ours("postgres"):
            self._start(servers.postgres(self.layout, connections=CONNECTIONS, durable=False))

    def need_valkey(self) -> None:
        """Start Valkey unless it runs or one was given."""
        if not os.environ.get("TEST_BROKER_URL") and self._is_ours("valkey"):
            self._start(servers.valkey(self.layout, durable=False, databases=64))

    def need_template(self) -> None:
        """Have the database made that the processes of this run copy, where it can be nobody else's."""
        if "postgres" in self._children:
            self._maker = template.begin(Path(self.layout.home))

    def stop(self) -> None:
        """Stop what was started and remove its data."""
        if self._maker is not None:
            self._maker.kill()
            self._maker.wait()
            self._maker = None
        stop_together(self._children.values())
        if not _is_xdist_worker():
            shutil.rmtree(self.layout.sockets, ignore_errors=True)
            shutil.rmtree(self.layout.home, ignore_errors=True)

    def _is_ours(self, name: str) -> bool:
        return name not in self._children and not _is_xdist_worker()

    def _start(self, service: Service) -> None:
        child = self._children[service.name] = Child(service)
        child.start()
        servers.wait_until_ready(child)


SERVERS = TestServers(_isolate())
# Looking for garbage after each 700 objects takes a tenth of the time of everything.
gc.set_threshold(20_000, 20, 100)
# Also when pytest ends before it has configured itself, as it does when the settings cannot be read.
atexit.register(SERVERS.stop)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers before xdist starts its workers, which prepare what they are about to collect."""
    if _is_xdist_worker():
        compiling.compile_share(config)
    elif config.getoption("numprocesses", default=None):
        SERVERS.need_postgres()
        SERVERS.need_template()
        SERVERS.need_valkey()


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave out what is there by now: modules and tests, which stay until the end."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    SERVERS.stop()


@pytest.fixture(scope="session")
def home() -> Path:
    """The temporary ``CLARIVE_HOME`` of this run."""
    return Path(os.environ["CLARIVE_HOME"])


@pytest.fixture(scope="session")
def postgres_server() -> None:
    """A running PostgreSQL; the ``db`` fixtures ask for it themselves."""
    SERVERS.need_postgres()


@pytest.fixture(scope="session")
def broker() -> str:
    """A running broker; its address."""
    SERVERS.need_valkey()
    return os.environ["CLARIVE_BROKER_URL"]
