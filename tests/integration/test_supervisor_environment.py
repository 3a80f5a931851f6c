"""The worker in an environment that has what ``make run`` installs and no tool of ours."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clarive_monitor.supervisor import services
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together
from clarive_monitor.supervisor.servers import wait_until_ready
from tests.conftest import Workers


@pytest.mark.workers
def test_the_worker_starts_with_the_runtime_lock_alone(workers: Workers, tmp_path: Path) -> None:
    python = tmp_path / "bare" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes",
         "--requirements", services.BASE_DIR / "requirements.txt"],
        check=True,
    )  # fmt: skip
    for tool in ("pytest", "mypy", "factory"):
        assert subprocess.run([python, "-c", f"import {tool}"], capture_output=True).returncode == 1
    usual = services.worker(
        Layout(tmp_path), workers.environment, name="bare", queues=("jobs",), concurrency=1
    )
    worker = Child(replace(usual, command=(str(python), *usual.command[1:])))
    worker.start()
    try:
        wait_until_ready(worker, 60)
    finally:
        stop_together([worker])
