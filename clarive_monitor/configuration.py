"""Reads the environment strictly for settings.py: every bad value is one error naming its variable."""

import os
import secrets
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def boolean(name: str, *, default: bool) -> bool:
    """Return a switch: 1/0, true/false, yes/no, on/off.

    Raises:
        ImproperlyConfigured: The value is none of these.
    """
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")


def bounded_int(name: str, *, default: int, minimum: int, maximum: int) -> int:
    """Return a whole number between two bounds, both allowed.

    Raises:
        ImproperlyConfigured: No whole number, or out of bounds.
    """
    text = os.environ.get(name, "").strip()
    try:
        value = int(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from None
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum}, not {value}.")
    return value


def choice(name: str, *, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of a few words.

    Raises:
        ImproperlyConfigured: The value is not among them.
    """
    value = os.environ.get(name, "").strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def time_zone(name: str, *, default: str) -> str:
    """Return the name of a time zone that exists.

    Raises:
        ImproperlyConfigured: No such zone.
    """
    value = os.environ.get(name, "").strip() or default
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ImproperlyConfigured(f"{name} must be a time zone such as {default}, not {value!r}.") from None
    return value


def job_name_mask(name: str, *, default: str) -> str:
    """Return the mask of job names after trying it on an example.

    Raises:
        ImproperlyConfigured: It names an unknown field, has no ``{seq}`` or gives an empty or overlong name.
    """
    mask = os.environ.get(name, "") or default
    try:
        first, second = (mask.format(prefix="N", environment="PROD", seq=seq) for seq in (1, 2))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"{name} may use {{prefix}}, {{environment}} and {{seq}} only: {error}."
        ) from None
    if first == second or len(first) > 100:
        raise ImproperlyConfigured(
            f"{name} must hold {{seq}} and give names of at most 100 characters, not {mask!r}."
        )
    return mask


def database(url: str, *, pool_size: int) -> dict[str, Any]:
    """Return Django's settings of the one database.

    Args:
        url: A ``postgresql://`` address; a socket folder as host is percent-encoded, as libpq wants it.
        pool_size: Most connections of this process; 0 keeps one open connection a thread instead.

    Raises:
        ImproperlyConfigured: The address cannot be read or is no PostgreSQL.
    """
    try:
        # environ declares its result loosely, the keys are Django's.
        found: dict[str, Any] = dict(environ.Env.db_url_config(url))
    except (ValueError, KeyError):
        raise ImproperlyConfigured(
            "DATABASE_URL must be postgresql://USER:PASSWORD@HOST:PORT/NAME."
        ) from None
    if found.get("ENGINE") != "django.db.backends.postgresql" or not found.get("NAME"):
        raise ImproperlyConfigured("DATABASE_URL must be postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    found["HOST"] = unquote(found.get("HOST") or "")
    options: dict[str, Any] = {"connect_timeout": 5, **found.get("OPTIONS", {})}
    if pool_size:
        # A web request has a thread of its own, so a connection kept by thread would never be found again.
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    found["OPTIONS"] = options
    found["CONN_MAX_AGE"] = 0 if pool_size else None
    found["CONN_HEALTH_CHECKS"] = True
    return found


def secret_key(name: str, *, kept_in: Path, debug: bool) -> str:
    """Return the signing key: the one given, else the one kept in the home, made there the first time.

    Args:
        name: Variable that may give the key.
        kept_in: File of the kept key.
        debug: Whether this is a development set-up, where any home will do.

    Raises:
        ImproperlyConfigured: Not given, and the home belongs to somebody else or cannot be written.
    """
    given = os.environ.get(name, "")
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured(f"{name} must have at least 32 characters.")
        return given
    home = kept_in.parent
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not debug and home.stat().st_uid != os.getuid():
            raise ImproperlyConfigured(f"{name} is required: {home} belongs to another user.")
        if not kept_in.exists():
            _keep(kept_in, secrets.token_urlsafe(64))
        return kept_in.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is required: no key can be kept in {home} ({error.strerror})."
        ) from None


def _keep(path: Path, text: str) -> None:
    """Write a private file in one piece; whoever comes second keeps the first one's."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
    ) as file:
        file.write(text + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
