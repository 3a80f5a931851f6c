"""What has to be true before the product starts: tables, static files, an administrator.

Each is done by a management command, which takes a second or two to load, so a mark in the home says what
it was done for; the next start compares and goes on.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import psycopg

from clarive_monitor.configuration import Configuration
from clarive_monitor.supervisor.console import Requests, say, seconds_since
from clarive_monitor.supervisor.processes import Child, Service, stop_together
from clarive_monitor.supervisor.services import BASE_DIR

APPS: Final = ("clarive_monitor", "jobs", "permissions", "rules")
SETUP: Final = "clarive_setup"


class PreparationFailed(Exception):
    """A step has failed; the text holds its last words and where the rest is."""


class Preparation:
    """The steps before the start, for one configuration."""

    def __init__(
        self, configuration: Configuration, environment: Mapping[str, str], requests: Requests
    ) -> None:
        """Read the marks of the last start.

        Args:
            configuration: What the operator asked for.
            environment: Of the commands.
            requests: Stops a command when the end is asked for.
        """
        self._configuration = configuration
        self._layout = configuration.layout
        self._environment = environment
        self._requests = requests
        self._marks_file = self._layout.home / "prepared.json"
        self._marks = _read_marks(self._marks_file)

    def migrate(self) -> None:
        """Bring the tables up to date.

        Raises:
            PreparationFailed: A migration failed, or the database does not answer.
        """
        _check_database(self._configuration.database_url)
        code = _digest(_files(BASE_DIR, [f"{app}/migrations/*.py" for app in APPS]))

        def mark() -> str:
            return f"{code} {_text_digest(repr(_applied(self._configuration.database_url)))}"

        self._do("migrate", mark, lambda: self._manage("migrate", "--noinput"))

    def collect_static(self) -> None:
        """Collect and hash the static files, when they are served from the collected folder.

        Raises:
            PreparationFailed: A file refers to one that does not exist.
        """
        if not self._configuration.static_is_collected:
            return
        code = _digest(_files(BASE_DIR, [f"{app}/static/**/*" for app in APPS]))
        manifest = self._layout.static / "staticfiles.json"
        self._do(
            "static files",
            lambda: f"{code} {manifest.exists()}",
            lambda: self._manage("collectstatic", "--noinput", "--clear", "--verbosity", "0"),
        )

    def set_up(self) -> None:
        """Make the administrator and the demo; the command itself keeps how to sign in.

        Raises:
            PreparationFailed: One of them could not be made.
        """
        code = _files(BASE_DIR, ["demo/**/*", f"*/management/commands/{SETUP}.py"])
        if not any(path.stem == SETUP for path in code):
            return
        wanted = (
            self._configuration.demo,
            self._configuration.admin_user,
            self._configuration.admin_password,
        )

        def mark() -> str:
            # When its first migration ran tells one database from another.
            born = [when for _, _, when in _applied(self._configuration.database_url)][:1]
            return f"{_digest(code)} {_text_digest(repr((wanted, born)))}"

        self._do("set-up", mark, lambda: self._manage(SETUP))

    def _do(self, name: str, mark: Callable[[], str], work: Callable[[], object]) -> None:
        """Do a step unless its mark says that it was done for the same things, and keep the new mark."""
        if self._marks.get(name) == mark():
            return
        work()
        self._marks[name] = mark()
        _write_privately(self._marks_file, json.dumps(self._marks))

    def _manage(self, *arguments: str) -> None:
        """Run a management command.

        Raises:
            PreparationFailed: It did not end well.
            Interrupted: The end was asked for meanwhile.
        """
        command = Child(
            Service(
                name=arguments[0],
                command=(sys.executable, "manage.py", *arguments),
                log=self._layout.logs / "preparation.log",
                ready=lambda _child: False,
                environment=self._environment,
                folder=BASE_DIR,
            )
        )
        command.start()
        try:
            while (code := command.returncode()) is None:
                self._requests.wait_unless_asked(0.2)
        finally:
            stop_together([command])
        if code != 0:
            words = "\n".join(f"    {line}" for line in command.last_lines(3))
            raise PreparationFailed(f"manage.py {arguments[0]} failed; see {command.service.log}\n{words}")
        say(arguments[0], f"done in {seconds_since(command.started_at)}")


def _check_database(database_url: str) -> None:
    """Say in a line what a management command would say in a page.

    Raises:
        PreparationFailed: The database cannot be reached with this address.
    """
    try:
        psycopg.connect(database_url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise PreparationFailed(f"The database of DATABASE_URL does not answer: {reason}") from None


def _applied(database_url: str) -> list[tuple[str, str, str]]:
    """Return app, name and moment of the applied migrations, oldest first; none without their table."""
    try:
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            rows = connection.execute(
                "SELECT app, name, applied FROM django_migrations ORDER BY id"
            ).fetchall()
    except psycopg.Error:
        return []
    return [(str(app), str(name), str(when)) for app, name, when in rows]


def _files(folder: Path, patterns: list[str]) -> list[Path]:
    """Return the files of some patterns and the lock of the dependencies, in a fixed order."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return [
        *sorted(path for path in found if "__pycache__" not in path.parts),
        folder / "requirements.txt",
    ]


def _digest(paths: Iterable[Path]) -> str:
    """Return a digest of names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _text_digest(text: str) -> str:
    """Return a digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _read_marks(path: Path) -> dict[str, str]:
    """Return the marks, none when the file is missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(mark) for name, mark in found.items()} if isinstance(found, dict) else {}


def _write_privately(path: Path, text: str) -> None:
    """Replace a file in one go; nobody else can read it."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
