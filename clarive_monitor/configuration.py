"""The product's variables, read strictly: every bad value is one error that names its variable.

Free of Django, because the supervisor reads the same variables before anything else is started.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import environ

from clarive_monitor.sign_in_variables import SignInConfiguration, read_sign_in
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.variables import SHORTEST_SECRET, BadVariable, Reader

__all__ = ["BASE_DIR", "BadVariable", "Configuration", "read", "secret_key"]

BASE_DIR: Final = Path(__file__).resolve().parent.parent
EMAIL_FROM: Final = "Clarive Monitor <clarive@localhost>"
API_RATE: Final = "3000/minute"
JOB_NAME_MASK: Final = "{prefix}.{environment}-{seq:08d}"


@dataclass(frozen=True)
class JobsConfiguration:
    """How jobs are called and run."""

    workers: int
    tick_seconds: int
    lease_seconds: int
    create_timeout_seconds: int
    contents_timeout_seconds: int
    event_hours: int
    job_name_mask: str


@dataclass(frozen=True)
class NoticesConfiguration:
    """How people and programs hear of something, and which address of the pages they are told.

    Attributes:
        email: Django's settings of mail by name.
    """

    email: Mapping[str, Any]
    email_from: str
    mail_is_sent: bool
    url: str
    webhook_private_targets: list[str]


@dataclass(frozen=True)
class ApiConfiguration:
    """What programs may do.

    Attributes:
        rate: Requests, and in how many seconds; ``None`` for no limit.
    """

    rate: tuple[int, int] | None
    cors_origins: list[str]
    metrics_token: str


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
    prepared_statements: bool
    secrets_keys: list[str]
    admin_user: str
    admin_password: str
    demo: bool
    jobs: JobsConfiguration
    language: str
    time_zone: str
    ssh_known_hosts: str
    notices: NoticesConfiguration
    sign_in: SignInConfiguration
    api: ApiConfiguration


def read(variables: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration that the environment and the ``.env`` file of the checkout describe.

    Args:
        variables: What to read instead, for tests.

    Raises:
        BadVariable: One of them cannot be used.
    """
    reader = Reader(_from_environment() if variables is None else variables)
    layout = Layout.at(reader.text("CLARIVE_HOME", str(BASE_DIR / "var")))
    debug = reader.boolean("CLARIVE_DEBUG", default=False)
    https = reader.boolean("CLARIVE_HTTPS", default=False)
    return Configuration(
        layout=layout,
        host=reader.text("CLARIVE_HOST", "127.0.0.1"),
        port=reader.number("CLARIVE_PORT", default=8000, maximum=65535),
        allowed_hosts=reader.words("CLARIVE_ALLOWED_HOSTS"),
        trusted_origins=reader.words("CLARIVE_TRUSTED_ORIGINS"),
        https=https,
        debug=debug,
        static_is_collected=reader.boolean("CLARIVE_STATIC_COLLECTED", default=not debug),
        database_url=reader.database_url("DATABASE_URL", default=layout.database_url),
        embeds_database=not reader.text("DATABASE_URL", ""),
        broker_url=reader.text("CLARIVE_BROKER_URL", layout.broker_url),
        embeds_broker=not reader.text("CLARIVE_BROKER_URL", ""),
        pool_size=reader.number("CLARIVE_POOL_SIZE", default=0, minimum=0, maximum=500),
        prepared_statements=reader.boolean("CLARIVE_PREPARED_STATEMENTS", default=True),
        secrets_keys=reader.keys("CLARIVE_SECRETS_KEY"),
        admin_user=reader.text("CLARIVE_ADMIN_USER", "admin"),
        admin_password=reader.text("CLARIVE_ADMIN_PASSWORD", ""),
        demo=reader.boolean("CLARIVE_DEMO", default=True),
        jobs=_jobs(reader),
        language=reader.choice("CLARIVE_LANGUAGE", default="es", allowed=("es", "en")),
        time_zone=reader.time_zone("CLARIVE_TIME_ZONE", default="Europe/Madrid"),
        ssh_known_hosts=reader.text("CLARIVE_SSH_KNOWN_HOSTS", ""),
        notices=_notices(reader, layout),
        sign_in=read_sign_in(reader, https=https),
        api=_api(reader),
    )


def _jobs(reader: Reader) -> JobsConfiguration:
    return JobsConfiguration(
        workers=reader.number("CLARIVE_WORKERS", default=2, maximum=256),
        tick_seconds=reader.number("CLARIVE_TICK_SECONDS", default=1, maximum=3600),
        lease_seconds=reader.number("CLARIVE_LEASE_SECONDS", default=15, maximum=3600),
        create_timeout_seconds=reader.number("CLARIVE_CREATE_TIMEOUT_SECONDS", default=10, maximum=300),
        contents_timeout_seconds=reader.number(
            "CLARIVE_CONTENTS_TIMEOUT_SECONDS", default=600, maximum=86400
        ),
        event_hours=reader.number("CLARIVE_EVENT_HOURS", default=24, maximum=720),
        job_name_mask=reader.job_name_mask("CLARIVE_JOB_NAME_MASK", default=JOB_NAME_MASK),
    )


def _notices(reader: Reader, layout: Layout) -> NoticesConfiguration:
    return NoticesConfiguration(
        email=reader.email_url("CLARIVE_EMAIL_URL", default=f"filemail:///{quote(str(layout.mail))}"),
        email_from=reader.text("CLARIVE_EMAIL_FROM", EMAIL_FROM),
        mail_is_sent=bool(reader.text("CLARIVE_EMAIL_URL", "")),
        url=reader.address("CLARIVE_URL", schemes=("https", "http")),
        webhook_private_targets=reader.targets("CLARIVE_WEBHOOK_PRIVATE_TARGETS"),
    )


def _api(reader: Reader) -> ApiConfiguration:
    return ApiConfiguration(
        rate=reader.rate("CLARIVE_API_RATE", default=API_RATE),
        cors_origins=reader.origins("CLARIVE_CORS_ORIGINS"),
        metrics_token=reader.secret("CLARIVE_METRICS_TOKEN"),
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
