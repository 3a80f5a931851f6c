"""The product's variables, read strictly: every bad value is one error that names its variable.

Free of Django, because the supervisor reads the same variables before anything else is started.
"""

import os
import secrets
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import environ

from clarive_monitor.supervisor.layout import Layout

BASE_DIR: Final = Path(__file__).resolve().parent.parent
SHORTEST_SECRET: Final = 32
LONGEST_JOB_NAME: Final = 100
EMAIL_FROM: Final = "Clarive Monitor <clarive@localhost>"
JOB_NAME_MASK: Final = "{prefix}.{environment}-{seq:08d}"


class BadVariable(Exception):
    """A variable has a value that cannot be used."""


@dataclass(frozen=True)
class Configuration:
    """What the operator has asked for; ``.env.example`` explains each field's variable."""

    layout: Layout
    host: str
    port: int
    allowed_hosts: list[str]
    trusted_origins: list[str]
    https: bool
    debug: bool
    static_is_collected: bool
    database_url: str
    embeds_database: bool
    broker_url: str
    embeds_broker: bool
    pool_size: int
    secrets_keys: list[str]
    admin_user: str
    admin_password: str
    demo: bool
    workers: int
    tick_seconds: int
    lease_seconds: int
    create_timeout_seconds: int
    job_name_mask: str
    language: str
    time_zone: str
    ssh_known_hosts: str
    email: Mapping[str, Any]
    email_from: str


def read(variables: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration that the environment and the ``.env`` file of the checkout describe.

    Args:
        variables: What to read instead, for tests.

    Raises:
        BadVariable: One of them cannot be used.
    """
    reader = _Reader(_from_environment() if variables is None else variables)
    layout = Layout.at(reader.text("CLARIVE_HOME", str(BASE_DIR / "var")))
    debug = reader.boolean("CLARIVE_DEBUG", default=False)
    return Configuration(
        layout=layout,
        host=reader.text("CLARIVE_HOST", "127.0.0.1"),
        port=reader.number("CLARIVE_PORT", default=8000, maximum=65535),
        allowed_hosts=reader.words("CLARIVE_ALLOWED_HOSTS"),
        trusted_origins=reader.words("CLARIVE_TRUSTED_ORIGINS"),
        https=reader.boolean("CLARIVE_HTTPS", default=False),
        debug=debug,
        static_is_collected=reader.boolean("CLARIVE_STATIC_COLLECTED", default=not debug),
        database_url=reader.database_url("DATABASE_URL", default=layout.database_url),
        embeds_database=not reader.text("DATABASE_URL", ""),
        broker_url=reader.text("CLARIVE_BROKER_URL", layout.broker_url),
        embeds_broker=not reader.text("CLARIVE_BROKER_URL", ""),
        pool_size=reader.number("CLARIVE_POOL_SIZE", default=0, minimum=0, maximum=500),
        secrets_keys=reader.keys("CLARIVE_SECRETS_KEY"),
        admin_user=reader.text("CLARIVE_ADMIN_USER", "admin"),
        admin_password=reader.text("CLARIVE_ADMIN_PASSWORD", ""),
        demo=reader.boolean("CLARIVE_DEMO", default=True),
        workers=reader.number("CLARIVE_WORKERS", default=2, maximum=256),
        tick_seconds=reader.number("CLARIVE_TICK_SECONDS", default=1, maximum=3600),
        lease_seconds=reader.number("CLARIVE_LEASE_SECONDS", default=15, maximum=3600),
        create_timeout_seconds=reader.number("CLARIVE_CREATE_TIMEOUT_SECONDS", default=10, maximum=300),
        job_name_mask=reader.job_name_mask("CLARIVE_JOB_NAME_MASK", default=JOB_NAME_MASK),
        language=reader.choice("CLARIVE_LANGUAGE", default="es", allowed=("es", "en")),
        time_zone=reader.time_zone("CLARIVE_TIME_ZONE", default="Europe/Madrid"),
        ssh_known_hosts=reader.text("CLARIVE_SSH_KNOWN_HOSTS", ""),
        email=reader.email_url("CLARIVE_EMAIL_URL", default=f"filemail:///{quote(str(layout.mail))}"),
        email_from=reader.text("CLARIVE_EMAIL_FROM", EMAIL_FROM),
    )


def _from_environment() -> Mapping[str, str]:
    environ.Env.read_env(os.environ.get("CLARIVE_ENV_FILE") or BASE_DIR / ".env")
    return os.environ


def secret_key(given: str, *, kept_in: Path, debug: bool) -> str:
    """Return the signing key: the one given, else the one kept in the home, made there the first time.

    Args:
        given: Value of ``CLARIVE_SECRET_KEY``, or nothing.
        kept_in: File of the kept key.
        debug: Whether this is a development set-up, where any home will do.

    Raises:
        BadVariable: Too short; or none, and the home belongs to somebody else or cannot be written.
    """
    if given:
        if len(given) < SHORTEST_SECRET:
            raise BadVariable(f"CLARIVE_SECRET_KEY must have at least {SHORTEST_SECRET} characters.")
        return given
    home = kept_in.parent
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not debug and home.stat().st_uid != os.getuid():
            raise BadVariable(f"CLARIVE_SECRET_KEY is required: {home} belongs to another user.")
        if not kept_in.exists():
            _keep(kept_in, secrets.token_urlsafe(64))
        return kept_in.read_text(encoding="ascii").strip()
    except OSError as error:
        raise BadVariable(f"CLARIVE_SECRET_KEY is required: {home} keeps none ({error.strerror}).") from None


class _Reader:
    """Reads single variables; an empty one counts as not given."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str) -> str:
        """Return the value without blanks around it."""
        return self._variables.get(name, "").strip() or default

    def words(self, name: str) -> list[str]:
        """Return the words between commas."""
        return [word.strip() for word in self.text(name, "").split(",") if word.strip()]

    def keys(self, name: str) -> list[str]:
        """Return the keys between commas; no message shows one."""
        found = self.words(name)
        if any(len(key) < SHORTEST_SECRET for key in found):
            raise BadVariable(f"{name}: each key must have at least {SHORTEST_SECRET} characters.")
        return found

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return a switch: 1/0, true/false, yes/no, on/off."""
        text = self.text(name, str(int(default))).lower()
        if text in {"1", "true", "yes", "on"}:
            return True
        if text in {"0", "false", "no", "off"}:
            return False
        raise BadVariable(f"{name} must be 1 or 0, not {text!r}.")

    def number(self, name: str, *, default: int, maximum: int, minimum: int = 1) -> int:
        """Return a whole number between two bounds, both allowed."""
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError:
            raise BadVariable(f"{name} must be a whole number, not {text!r}.") from None
        if not minimum <= value <= maximum:
            raise BadVariable(f"{name} must be between {minimum} and {maximum}, not {value}.")
        return value

    def choice(self, name: str, *, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of a few words."""
        value = self.text(name, default)
        if value not in allowed:
            raise BadVariable(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
        return value

    def database_url(self, name: str, *, default: str) -> str:
        """Return the address of a PostgreSQL database."""
        value = self.text(name, default)
        parts = urlsplit(value)
        if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
            # The value is not shown: it may hold a password.
            raise BadVariable(f"{name} must be postgresql://USER:PASSWORD@HOST:PORT/NAME.")
        return value

    def email_url(self, name: str, *, default: str) -> Mapping[str, Any]:
        """Return Django's settings of the mail server behind an address."""
        try:
            found = dict(environ.Env.email_url_config(self.text(name, default)))
        except (environ.ImproperlyConfigured, ValueError):
            found = {}
        server = found.get("EMAIL_BACKEND", "")
        # The value is not shown: it may hold a password.
        if not server or (server.endswith("smtp.EmailBackend") and not found["EMAIL_HOST"]):
            raise BadVariable(
                f"{name} must be smtp://, smtp+tls:// or smtp+ssl://USER:PASSWORD@HOST:PORT, or filemail:///FOLDER."
            )
        if found["EMAIL_PORT"] is None:
            found["EMAIL_PORT"] = (
                465 if found.get("EMAIL_USE_SSL") else 587 if found.get("EMAIL_USE_TLS") else 25
            )
        # An absolute folder, whether or not its own slash was written behind the three of the address.
        found["EMAIL_FILE_PATH"] = "/" + found["EMAIL_FILE_PATH"].lstrip("/")
        return {key: value for key, value in found.items() if key.startswith("EMAIL_")}

    def time_zone(self, name: str, *, default: str) -> str:
        """Return the name of a time zone that exists."""
        value = self.text(name, default)
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise BadVariable(f"{name} must be a time zone such as {default}, not {value!r}.") from None
        return value

    def job_name_mask(self, name: str, *, default: str) -> str:
        """Return the mask of job names after trying it on two examples."""
        mask = self.text(name, default)
        try:
            first, second = (mask.format(prefix="N", environment="PROD", seq=seq) for seq in (1, 2))
        except (KeyError, IndexError, ValueError, AttributeError):
            raise BadVariable(
                f"{name} may use {{prefix}}, {{environment}} and {{seq}} only, not {mask!r}."
            ) from None
        if first == second or len(first) > LONGEST_JOB_NAME:
            raise BadVariable(
                f"{name} must hold {{seq}} and give at most {LONGEST_JOB_NAME} characters, not {mask!r}."
            )
        return mask


def _keep(path: Path, text: str) -> None:
    """Write a private file in one piece; whoever comes second keeps the first one's."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
