"""The product's own processes: web, workers, beat and the demo's hosts."""

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL
from typing import Final

from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, Service, log_says

BASE_DIR: Final = Path(__file__).resolve().parent.parent.parent
POOL_SIZE: Final = 20
# TERM is Celery's warm shutdown, which waits for its jobs without limit: they hand over after the operation at hand.
# One that takes longer than this is cut together with the worker, and its job is Abend at the next start (decision 20).
WORKER_GRACE_SECONDS: Final = 12.0
CELERY_PROGRAM: Final = (sys.executable, "-m", "celery")
CELERY: Final = (*CELERY_PROGRAM, "-A", "clarive_monitor")


def web(layout: Layout, environment: Mapping[str, str], *, host: str, port: int) -> Service:
    """Return how the web server is run.

    Args:
        layout: Where its log goes.
        environment: Of the process; the pool's size is added.
        host: Address to listen to.
        port: A free port.
    """
    return Service(
        name="web",
        command=(
            sys.executable, "-m", "uvicorn", "clarive_monitor.asgi:application",
            "--host", host, "--port", str(port), "--timeout-graceful-shutdown", "3",
            "--lifespan", "off", "--no-access-log", "--no-server-header",
            # Whose word on addresses counts is decided in permissions.addresses.
            "--no-proxy-headers",
        ),
        log=layout.logs / "web.log",
        ready=lambda _child: answers_http(host, port),
        environment={"CLARIVE_POOL_SIZE": str(POOL_SIZE), **environment},
        folder=BASE_DIR,
        grace_seconds=8.0,
    )  # fmt: skip


def worker(
    layout: Layout, environment: Mapping[str, str], *, name: str, queues: tuple[str, ...], concurrency: int
) -> Service:
    """Return how a Celery worker is run.

    Args:
        layout: Where its log goes.
        environment: Of the process.
        name: First part of the node's name and of the log's.
        queues: What it takes work from.
        concurrency: How many tasks at once.
    """
    return Service(
        name=f"worker-{name}",
        command=(
            *CELERY, "worker", "-Q", ",".join(queues), "-c", str(concurrency), "-n", f"{name}@%h",
            "--without-gossip", "--without-mingle",
        ),
        log=layout.logs / f"worker-{name}.log",
        ready=log_says(b" ready."),
        # The checks have been made by `migrate`.
        environment={**environment, "CELERY_SKIP_CHECKS": "1"},
        folder=BASE_DIR,
        # Its pool ends with it, and a job's own processes end with the worker's side of their pipe.
        death_signal=SIGKILL,
        grace_seconds=WORKER_GRACE_SECONDS,
    )  # fmt: skip


def beat(layout: Layout, environment: Mapping[str, str]) -> Service:
    """Return how the clock that fires the tick is run."""
    return Service(
        name="beat",
        command=(*CELERY, "beat", "--pidfile="),
        log=layout.logs / "beat.log",
        ready=log_says(b"beat: Starting..."),
        environment=environment,
        folder=BASE_DIR,
        # Its own handler of SIGTERM writes to the database and waits for itself for ever when the signal comes
        # in the middle of a query. It has nothing to lose: a tick is right whenever it comes.
        stop_signal=SIGKILL,
        death_signal=SIGKILL,
    )


def demo_hosts(layout: Layout, environment: Mapping[str, str]) -> Service | None:
    """Return how the demo's environments are served, or None when the demo is not installed."""
    if not (BASE_DIR / "demo" / "hosts.py").exists() and not (BASE_DIR / "demo" / "hosts").is_dir():
        return None
    return Service(
        name="demo-hosts",
        command=(sys.executable, "-m", "demo.hosts"),
        log=layout.logs / "demo-hosts.log",
        ready=_is_alive,
        environment=environment,
        folder=BASE_DIR,
        grace_seconds=5.0,
    )


def answers_http(host: str, port: int) -> bool:
    """Return whether the web server says that it is alive."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_alive(child: Child) -> bool:
    """Return true at once: the hosts wait for their releases, which may come much later."""
    return child.pid is not None
