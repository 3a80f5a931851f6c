"""A stand-in for a worker child: runs one command, so that a test can kill it. Run as a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def leak() -> None:
    """Give every socket of this process to a child that stays."""
    sockets = [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.is_socket()]
    subprocess.Popen(["/bin/sleep", "67"], pass_fds=sockets, start_new_session=True)


def main() -> None:
    """Run the command given as JSON: ``argv``, ``cwd``, ``marker``, ``leak``; print two pids."""
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from rules.processes.client import Command, get_launcher

    order = json.loads(sys.argv[1])
    launcher = get_launcher()
    command = Command(order["argv"], Path(order["cwd"]), dict(os.environ))
    with launcher.start(command, marker=order["marker"]) as running:
        if order["leak"]:
            leak()
        print(launcher.pid, running.pid, flush=True)  # noqa: T201
        running.pump(lambda _stream, _data: None)


if __name__ == "__main__":
    main()
