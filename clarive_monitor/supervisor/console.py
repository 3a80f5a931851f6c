"""What the terminal shows: one line an event, and how it is asked to end."""

import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody wants everything to end."""


def say(name: str, text: str) -> None:
    """Print what has happened to a process."""
    sys.stdout.write(f"  {name:<14} {text}\n")
    sys.stdout.flush()


def announce(text: str) -> None:
    """Print something that is not about one process."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Requests:
    """Counts the requests to end and wakes whoever waits; one asks politely, two hurry."""

    def __init__(self) -> None:
        """Take over the signals of the terminal and of the children's ends."""
        self.count = 0
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        # Under make the parent has to stay: killed with -9 it leaves nobody who could pass Ctrl-C on.
        self._parent = os.getppid() if "MAKELEVEL" in os.environ else None
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in ENDING:
            signal.signal(number, self._ask)

    @property
    def asked(self) -> bool:
        """Whether the end has been asked for."""
        if self._parent is not None and os.getppid() != self._parent:
            self.count = max(self.count, 1)
        return self.count > 0

    @property
    def hurried(self) -> bool:
        """Whether it has been asked for twice."""
        return self.count > 1

    def wait(self, seconds: float) -> None:
        """Sleep until a signal comes or the time is over."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)

    def wait_unless_asked(self, seconds: float) -> None:
        """Sleep, and leave whatever is being done when the end is asked for.

        Raises:
            Interrupted: It was.
        """
        if not self.asked:
            self.wait(seconds)
        if self.asked:
            raise Interrupted

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1


class Foreground:
    """Takes Ctrl-C from the terminal alone: a ``make`` above would report an ordered end as a failure."""

    def __enter__(self) -> None:
        """Become the terminal's foreground group, if we are in it now."""
        self._before: int | None = None
        try:
            descriptor = sys.stdin.fileno()
            if not os.isatty(descriptor) or os.tcgetpgrp(descriptor) != os.getpgrp():
                return
            # From the background a terminal stops whoever asks; and nobody could bring us back from Ctrl-Z.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
            before = os.getpgrp()
            if before != os.getpid():
                os.setpgid(0, 0)
                os.tcsetpgrp(descriptor, os.getpid())
                self._before = before
        except (OSError, ValueError):
            return

    def __exit__(self, *_error: object) -> None:
        """Give the terminal back to whoever started us."""
        if self._before is not None:
            try:
                os.tcsetpgrp(sys.stdin.fileno(), self._before)
            except OSError:
                return


def seconds_since(start: float) -> str:
    """Return a monotonic duration for a message."""
    return f"{time.monotonic() - start:.1f} s"
