"""``python -m clarive_monitor.supervisor``: the whole product in one terminal."""

import sys

from clarive_monitor import configuration
from clarive_monitor.supervisor import places
from clarive_monitor.supervisor.binaries import ServerMissing
from clarive_monitor.supervisor.console import Foreground, Interrupted, Requests, announce
from clarive_monitor.supervisor.layout import UnsafeFolder
from clarive_monitor.supervisor.places import AlreadyRunning, NoFreePort
from clarive_monitor.supervisor.preparation import PreparationFailed
from clarive_monitor.supervisor.supervisor import NotReady, Supervisor

EXPLAINED = (
    AlreadyRunning,
    configuration.BadVariable,
    NoFreePort,
    NotReady,
    PreparationFailed,
    ServerMissing,
    UnsafeFolder,
)


def main() -> int:
    """Run until the end is asked for.

    Returns:
        0 after an ordered end, 1 when something could not be started, which has been explained then.
    """
    try:
        wanted = configuration.read()
        lock = places.take_home(wanted.layout.home)
        announce(f"Clarive Monitor starts in {wanted.layout.home}")
        requests = Requests()
        with lock, Foreground():
            Supervisor(wanted, requests, lock).run()
    except Interrupted:
        return 0
    except EXPLAINED as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
