"""The floor as real processes beside the product's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from bench.ports import free_port
from bench.processes import ROOT, START_SECONDS, Api, NotStarted, answers, bare_environment

_LOOK_SECONDS: Final = 0.05
_TABLES: Final = (ROOT / "bench" / "floor" / "tables.sql").read_text()


@contextmanager
def running(folder: Path, variables: Mapping[str, str], *, workers: int = 2) -> Iterator[str]:
    """Run the floor until the block ends and return its address.

    Args:
        folder: Where its logs go.
        variables: Where database and broker are, ``DATABASE_URL`` and ``CLARIVE_BROKER_URL``.
        workers: Tasks at once.

    Raises:
        NotStarted: It did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(variables["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute("TRUNCATE floor_job, floor_step")
    port = free_port()
    environment = {
        **bare_environment(),
        **variables,
        "DJANGO_SETTINGS_MODULE": "bench.floor.settings",
        "PYTHONUNBUFFERED": "1",
    }
    web = [sys.executable, "-m", "uvicorn", "bench.floor.web:application", "--port", str(port), "--lifespan", "off",
           "--no-access-log", "--no-server-header", "--no-proxy-headers"]  # fmt: skip
    worker = [sys.executable, "-m", "celery", "-A", "bench.floor.work", "worker", "-Q", "floor", "-c", str(workers),
              "-n", "floor@%h", "--without-gossip", "--without-mingle"]  # fmt: skip
    logs = [folder / "floor-web.log", folder / "floor-worker.log"]
    processes = [
        _start(web, logs[0], {**environment, "CLARIVE_POOL_SIZE": "20"}),
        _start(worker, logs[1], {**environment, "CELERY_SKIP_CHECKS": "1"}),
    ]
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait(address, variables["DATABASE_URL"], logs, processes)
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _start(command: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait(address: str, database: str, logs: list[Path], processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until a job that is asked for is done.

    Raises:
        NotStarted: A process fell, or it took too long.
    """
    until = time.monotonic() + START_SECONDS
    asked = False
    with psycopg.connect(database, autocommit=True) as connection:
        while (
            connection.execute("SELECT FROM floor_job WHERE step = 4 AND status = 'ready'").fetchone() is None
        ):
            if time.monotonic() > until or any(process.poll() is not None for process in processes):
                raise NotStarted("\n".join(log.read_text()[-2000:] for log in logs))
            if not asked and answers(f"{address}jobs/"):
                Api(address, "")("POST", "jobs/", {})
                asked = True
            time.sleep(_LOOK_SECONDS)
