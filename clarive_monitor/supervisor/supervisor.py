"""Starts everything in order, keeps it running, and stops it in the opposite order."""

import contextlib
import os
import time
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import IO, Final

from clarive_monitor.configuration import Configuration, secret_key
from clarive_monitor.supervisor import places, servers, services
from clarive_monitor.supervisor.births import bear
from clarive_monitor.supervisor.console import Requests, announce, say, seconds_since
from clarive_monitor.supervisor.preparation import Preparation
from clarive_monitor.supervisor.processes import Child, Service, schedule_restart, stop_together

# The order of stopping: nobody makes new work, then work ends, then what it was written to.
STAGES: Final = (
    ("beat", "web", "demo-hosts"),
    ("worker-jobs", "worker-create", "worker-daemon", "worker-notify"),
    ("valkey",),
    ("postgres",),
)
READY_SECONDS: Final = 90.0
# Of a supervisor that runs under make, and of nobody below it: a rule may call make itself.
MAKES_OWN: Final = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR")


class NotReady(Exception):
    """A process did not come up; the text holds the end of its log."""


class Supervisor:
    """Everything that runs for one home."""

    def __init__(self, configuration: Configuration, requests: Requests, lock: IO[str]) -> None:
        """Start nothing yet.

        Args:
            configuration: What the operator asked for.
            requests: Says when to end.
            lock: The held lock of the home.
        """
        self._configuration = configuration
        self._layout = configuration.layout
        self._requests = requests
        self._lock = lock
        self._children: dict[str, Child] = {}
        self._began = time.monotonic()

    def run(self) -> None:
        """Start, watch until the end is asked for, stop.

        Raises:
            Interrupted: The end was asked for before everything ran; all is stopped then, too.
            ServerMissing: A server cannot run here.
            UnsafeFolder: The folder of the sockets is somebody else's.
            PreparationFailed: Tables, static files or administrator could not be made.
            NotReady: A process did not come up.
            NoFreePort: Nothing to listen to.
        """
        try:
            self._end_leftovers()
            self._start_servers()
            port = self._start_product()
            self._tell(port)
            self._watch()
        finally:
            self._stop()

    def _start_servers(self) -> None:
        """Start the servers that were not given."""
        if self._configuration.embeds_database:
            connections = 60 + services.POOL_SIZE + 3 * self._configuration.jobs.workers
            self._start(servers.postgres(self._layout, connections=connections))
        if self._configuration.embeds_broker:
            self._start(servers.valkey(self._layout))
        self._wait_for(*self._children)
        if self._configuration.embeds_database:
            servers.create_database(self._layout)

    def _start_product(self) -> int:
        """Prepare and start web, workers and beat; return the port."""
        configuration = self._configuration
        port = places.free_port(configuration.host, configuration.port)
        if port != configuration.port:
            say("web", f"port {configuration.port} is taken, {port} is used instead")
        environment = self._environment(port)
        preparation = Preparation(configuration, environment, self._requests)
        preparation.migrate()
        preparation.collect_static()
        preparation.set_up()
        self._start(services.web(self._layout, environment, host=configuration.host, port=port))
        self._start_celery(environment)
        hosts = services.demo_hosts(self._layout, environment) if configuration.demo else None
        if hosts:
            self._start(hosts)
        self._wait_for(*self._children)
        return port

    def _start_celery(self, environment: dict[str, str]) -> None:
        """Start workers and beat: together, which is quicker, or else one after the other."""
        concurrency = self._configuration.jobs.workers
        children = [
            Child(service)
            for service in (
                services.worker(
                    self._layout, environment, name="jobs", queues=("jobs",), concurrency=concurrency
                ),
                services.worker(self._layout, environment, name="create", queues=("create",), concurrency=2),
                # By itself: a tick that waited behind somebody's CHECK would find nobody dead and nothing due.
                services.worker(self._layout, environment, name="daemon", queues=("daemon",), concurrency=1),
                # By itself, too: a receiver that does not answer holds up nobody else.
                services.worker(self._layout, environment, name="notify", queues=("notify",), concurrency=1),
                services.beat(self._layout, environment),
            )
        ]
        together = bear(children, self._requests)
        for child in children:
            self._children[child.service.name] = child
            if together:
                self._write_note(child)
            else:
                self._launch(child)

    def _environment(self, port: int) -> dict[str, str]:
        """Return the environment of the product's processes: ours, and what has been decided here."""
        configuration = self._configuration
        kept = {name: value for name, value in os.environ.items() if name not in MAKES_OWN}
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "clarive_monitor.settings",
            "PYTHONUNBUFFERED": "1",
            "CLARIVE_HOME": str(self._layout.home),
            "CLARIVE_PORT": str(port),
            "DATABASE_URL": configuration.database_url,
            "CLARIVE_BROKER_URL": configuration.broker_url,
            "CLARIVE_SECRET_KEY": secret_key(
                kept.get("CLARIVE_SECRET_KEY", ""),
                kept_in=self._layout.secret_key,
                debug=configuration.debug,
            ),
        }

    def _start(self, service: Service) -> None:
        """Start a process for the first time."""
        child = self._children[service.name] = Child(service)
        self._launch(child)

    def _launch(self, child: Child) -> None:
        """Start an instance."""
        child.start()
        self._write_note(child)

    def _write_note(self, child: Child) -> None:
        """Note a process id for a supervisor that comes after a kill of this one."""
        note = self._note(child.service.name)
        note.parent.mkdir(mode=0o700, exist_ok=True)
        note.write_text(f"{child.pid} {_birth(child.pid or 0)}")

    def _wait_for(self, *names: str) -> None:
        """Wait until some processes are ready, all at the same time.

        Raises:
            NotReady: One of them fell or took too long.
        """
        waiting = [self._children[name] for name in names if not self._children[name].was_ready]
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            for child in list(waiting):
                if child.is_ready():
                    say(child.service.name, f"ready after {seconds_since(child.started_at)}")
                    waiting.remove(child)
                elif child.returncode() is not None or time.monotonic() > deadline:
                    words = "\n".join(f"    {line}" for line in child.last_lines())
                    raise NotReady(f"{child.service.name} did not start; see {child.service.log}\n{words}")
            if waiting:
                self._requests.wait_unless_asked(0.03)

    def _tell(self, port: int) -> None:
        """Print where it is and how to sign in, which is all that most people want to know."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._configuration.host, self._configuration.host)
        address = f"http://{host}:{port}/"
        places.describe(self._lock, f"process {os.getpid()}, {address}")
        announce(f"\nReady in {seconds_since(self._began)}; Ctrl-C ends all of it.\n")
        announce(f"  Address   {address}")
        kept, user = self._layout.sign_in, self._configuration.admin_user
        first_start = time.time() - (time.monotonic() - self._began)
        if not kept.exists():
            announce(f"  Sign in   {user}, with its password\n")
        elif kept.stat().st_mtime < first_start:
            announce(f"  Sign in   {user}; the first passwords are in {kept}\n")
        else:
            pairs = [line.partition("  ") for line in kept.read_text(encoding="utf-8").splitlines()]
            lines = [f"{name:<10} {password}" for name, _, password in pairs]
            announce("  Sign in   " + "\n            ".join([*lines, f"(kept in {kept})\n"]))

    def _watch(self) -> None:
        """Restart what falls until the end is asked for."""
        while not self._requests.asked:
            now = time.monotonic()
            for child in self._children.values():
                self._look_after(child, now)
            self._requests.wait(0.5 if all(child.was_ready for child in self._children.values()) else 0.1)

    def _look_after(self, child: Child, now: float) -> None:
        """Do what one process needs now: nothing, a note that it is ready again, or a new start."""
        if child.restart_at is not None:
            if now >= child.restart_at:
                self._launch(child)
            return
        code = child.returncode()
        if code is not None:
            delay = schedule_restart(child, now)
            say(
                child.service.name,
                f"ended with {code}, starts again in {delay:.1f} s; see {child.service.log}",
            )
        elif not child.was_ready and child.is_ready():
            say(child.service.name, "ready again")
        elif child.was_ready and child.service.lingers(child):
            child.send(child.service.stop_signal)

    def _stop(self) -> None:
        """Stop stage by stage."""
        began = time.monotonic()
        if self._children:
            announce("\nStopping")
        for stage in STAGES:
            children = [self._children[name] for name in stage if name in self._children]
            killed = stop_together(children, lambda: self._requests.hurried)
            for child in children:
                name = child.service.name
                self._note(name).unlink(missing_ok=True)
                say(name, "killed, it did not end in time" if name in killed else "stopped")
        if self._children:
            announce(f"All stopped in {seconds_since(began)}.")

    def _note(self, name: str) -> Path:
        """Return the file with the process id of a child."""
        return self._layout.home / "pids" / name

    def _end_leftovers(self) -> None:
        """End what a killed supervisor has left, before something new writes to the same places."""
        for name in (name for stage in STAGES for name in stage):
            note = self._note(name)
            try:
                pid, birth = (int(word) for word in note.read_text().split())
            except (OSError, ValueError):
                continue
            deadline = time.monotonic() + 10
            with contextlib.suppress(ProcessLookupError, PermissionError):
                while _birth(pid) == birth:
                    gentle = name == "postgres" and time.monotonic() < deadline
                    os.killpg(pid, SIGINT if gentle else SIGKILL)
                    self._requests.wait_unless_asked(0.1)
            note.unlink(missing_ok=True)


def _birth(pid: int) -> int:
    """Return the kernel tick of a process's start, which no later owner of its id shares; 0 if gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in {"Z", "X"} else int(words[19])
