"""Fixtures for every test: the database on the tests' own server, and real workers on it."""

import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final
from urllib.parse import quote

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from pytest_django.plugin import DjangoDbBlocker

from clarive_monitor.supervisor import servers, services
from clarive_monitor.supervisor.births import bear
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, Service, stop_together
from tests import roomy, template, turns
from tests.emptying import Emptier
from tests.hashing import quick
from tests.unit.supervisor_stubs import QuietRequests
from tests.zygote import Zygotes

pytest.MonkeyPatch().setattr(settings, "PASSWORD_HASHERS", quick(settings.PASSWORD_HASHERS))

TESTS = Path(__file__).parent
BROWSER_TESTS = TESTS / "browser"


HEAVY: Final = ("browser", "chaos", "integration/processes")
"""Folders of tests that start much or watch the clock: beside those that only compute they would be late."""

HEAVY_FIXTURES: Final = frozenset({"workers", "crew", "running"})

LONGEST: Final = (
    "model", "matrix", "integration/test_export", "chaos", "integration/test_supervisor_run", "acceptance/test_engine",
    "acceptance/test_rolling", "browser/test_browser_audit", "browser/test_browser_pages", "browser/test_browser_live",
    "browser/test_browser_decisions", "browser/test_browser_log",
)  # fmt: skip
"""What takes longest begins first, while there is something else to do beside it."""


def pytest_report_header() -> str:
    """Say what tries the same once more."""
    return f"TURN={turns.TURN or 'all'}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Mark what is heavy before markers choose, and order what is left after it was shuffled.

    Heavy ones come when those that only compute are done, and the browser's last of all: from the first one on an event
    loop runs in this thread.
    """
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        starts_much = HEAVY_FIXTURES & set(getattr(item, "fixturenames", ()))
        if starts_much or place.startswith(HEAVY) or "supervisor" in item.path.name:
            item.add_marker(pytest.mark.heavy)
    yield
    heavy = {item.path for item in items if item.get_closest_marker("heavy")}
    items.sort(key=lambda item: (item.path.is_relative_to(BROWSER_TESTS), item.path in heavy, _turn(item)))


def _turn(item: pytest.Item) -> int:
    place = item.path.relative_to(TESTS).as_posix()
    return next((turn for turn, name in enumerate(LONGEST) if place.startswith(name)), len(LONGEST))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, postgres_server: None
) -> None:
    """Start the server before pytest-django makes the test database in it, a copy where the controller makes one."""
    home = Path(os.environ["CLARIVE_TEST_HOME"])
    is_copied = "PYTEST_XDIST_WORKER" in os.environ and not os.environ.get("TEST_DATABASE_URL")
    if is_copied and template.is_made(home):
        connection.settings_dict["TEST"].update(TEMPLATE=template.NAME, MIGRATE=False)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Have tests that commit leave an empty database more quickly, where the user of the database may."""
    usual = vars(TransactionTestCase)["_fixture_teardown"]  # the types do not know it
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            may = cursor.fetchone() == (True,)
        if may:
            emptier = Emptier(usual)
            patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptier.empty(case))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Call each test where the interpreter has room for all that it calls."""
    function = pyfuncitem.obj
    pyfuncitem.obj = lambda **arguments: roomy.call(function, arguments)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


@pytest.fixture(autouse=True)
def _language_of_the_settings() -> None:
    """Begin in the language of the settings: the one of the last request stays with the thread."""
    translation.deactivate()


class Worker:
    """A real process of the product: ``kill()`` as a crash does, ``term()`` as the supervisor does."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        """Process id of the parent process."""
        assert self._child.pid is not None
        return self._child.pid

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._child.service.log

    @property
    def log(self) -> str:
        """All it has said."""
        return self._child.new_output().decode(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the parent process lives."""
        return self._child.returncode() is None

    @property
    def returncode(self) -> int | None:
        """How the parent process ended, ``None`` while it lives."""
        return self._child.returncode()

    def wait_ready(self, seconds: float = 60.0) -> "Worker":
        """Wait until it takes work; a failure shows the end of its log."""
        servers.wait_until_ready(self._child, seconds)
        return self

    def kill(self) -> None:
        """Kill the parent process alone, with -9, and wait for its end."""
        self._child.send(SIGKILL)
        self._child.wait()

    def kill_group(self) -> None:
        """Kill parent and pool with -9, and wait for the parent's end."""
        self._child.send_to_group(SIGKILL)
        self._child.wait()

    def term(self) -> None:
        """Ask it to end, without waiting."""
        self._child.send(SIGTERM)

    def stop(self) -> None:
        """Ask it to end and wait; what takes too long is killed."""
        stop_together([self._child])


class Workers:
    """Starts workers on the test database and stops them after the test."""

    def __init__(self, layout: Layout, environment: dict[str, str], zygotes: Zygotes) -> None:
        self._layout = layout
        self._zygotes = zygotes
        self.environment = environment
        self._started: list[Worker] = []

    def start_worker(
        self,
        queues: tuple[str, ...] = ("jobs",),
        concurrency: int = 1,
        *,
        environment: dict[str, str] | None = None,
        wait: bool = True,
    ) -> Worker:
        """Start one worker.

        Args:
            queues: Among jobs, daemon and create.
            concurrency: How many tasks at once.
            environment: Variables on top of the usual ones, such as ``CLARIVE_LEASE_SECONDS``.
            wait: False to start several and call ``wait_ready`` on each afterwards.
        """
        service = self._worker(queues, concurrency, environment or {}, len(self._started))
        return self._keep(service, wait=wait)

    def start_together(
        self,
        crew: Sequence[tuple[tuple[str, ...], int]],
        *,
        environment: dict[str, str] | None = None,
        anew: bool = False,
    ) -> list[Worker]:
        """Start several workers and the clock as the supervisor does: loaded once, forked into each.

        Args:
            crew: Queues and concurrency of each worker.
            environment: Variables on top of the usual ones.
            anew: Whether they are loaded by the supervisor's own nursery, not by the one that stays for all tests.

        Returns:
            The workers, which take work already, and last the clock.
        """
        extra = environment or {}
        planned = [
            self._worker(queues, concurrency, extra, len(self._started) + place)
            for place, (queues, concurrency) in enumerate(crew)
        ]
        planned.append(services.beat(self._layout, {**self.environment, **extra}))
        children = [Child(service) for service in planned]
        if anew:
            assert bear(children, QuietRequests()), children[0].new_output().decode()
        else:
            self._zygotes.bear(children)
        together = [Worker(child) for child in children]
        self._started.extend(together)
        return [worker.wait_ready() for worker in together]

    def _worker(
        self, queues: tuple[str, ...], concurrency: int, extra: dict[str, str], number: int
    ) -> Service:
        return services.worker(
            self._layout,
            {**self.environment, **extra},
            name=f"{queues[0]}-{number}",
            queues=queues,
            concurrency=concurrency,
        )

    def start_beat(self, *, environment: dict[str, str] | None = None, wait: bool = True) -> Worker:
        """Start the clock that fires the tick."""
        return self._keep(services.beat(self._layout, {**self.environment, **(environment or {})}), wait=wait)

    def stop(self) -> None:
        """Stop all that still run, quickly."""
        for worker in self._started:
            worker.kill_group()

    def _keep(self, service: Service, *, wait: bool) -> Worker:
        child = Child(service)
        self._zygotes.bear([child])
        worker = Worker(child)
        self._started.append(worker)
        return worker.wait_ready() if wait else worker


@pytest.fixture(scope="session")
def zygotes() -> Iterator[Zygotes]:
    """What bears the workers of all tests."""
    zygotes = Zygotes()
    yield zygotes
    zygotes.stop()


@pytest.fixture
def workers(transactional_db: None, broker: str, tmp_path: Path, zygotes: Zygotes) -> Iterator[Workers]:
    """A factory of real workers: ``workers.start_worker(("jobs",), concurrency=2)``."""
    database = connection.settings_dict
    user = quote(database["USER"], safe="") + (
        f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    )
    host = quote(database["HOST"], safe="") + (f":{database['PORT']}" if database["PORT"] else "")
    factory = Workers(
        Layout(tmp_path),
        {**os.environ, "DATABASE_URL": f"postgresql://{user}@{host}/{database['NAME']}"},
        zygotes,
    )
    yield factory
    factory.stop()
    empty_broker()


def broker_client() -> redis.Redis:
    """Return a connection to this test process's own broker database."""
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
    return redis.Redis.from_url(url)


def empty_broker() -> None:
    """Remove every message of this test process's own broker database."""
    with broker_client() as client:
        client.flushdb()


def messages_in(queue: str) -> int:
    """Return how many messages wait in ``queue``."""
    with broker_client() as client:
        return int(client.llen(queue))
