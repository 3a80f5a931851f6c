"""Reads single variables strictly: every bad value is one error that names its variable."""

import ipaddress
import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import environ

SHORTEST_SECRET: Final = 32
LONGEST_JOB_NAME: Final = 100
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600}
_LONGEST_NUMBER: Final = 20
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9.])?")


class BadVariable(Exception):
    """A variable has a value that cannot be used."""


class Reader:
    """Reads single variables; an empty one counts as not given."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str) -> str:
        """Return the value without blanks around it."""
        return self._variables.get(name, "").strip() or default

    def words(self, name: str) -> list[str]:
        """Return the words between commas."""
        return [word.strip() for word in self.text(name, "").split(",") if word.strip()]

    def targets(self, name: str) -> list[str]:
        """Return networks, addresses and names of hosts between commas."""
        found = self.words(name)
        for word in found:
            if not _is_target(word):
                raise BadVariable(
                    f"{name} must be networks such as 10.0.0.0/8, addresses or names of hosts between commas, not {word!r}."
                )
        return found

    def keys(self, name: str) -> list[str]:
        """Return the keys between commas; no message shows one."""
        found = self.words(name)
        if any(len(key) < SHORTEST_SECRET for key in found):
            raise BadVariable(f"{name}: each key must have at least {SHORTEST_SECRET} characters.")
        return found

    def secret(self, name: str) -> str:
        """Return a secret of its own, or nothing; no message shows it."""
        value = self.text(name, "")
        if value and len(value) < SHORTEST_SECRET:
            raise BadVariable(f"{name} must have at least {SHORTEST_SECRET} characters.")
        return value

    def address(self, name: str, *, schemes: tuple[str, ...]) -> str:
        """Return the address of a server, or nothing."""
        value = self.text(name, "")
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            usable = (
                len(value) <= 300 and parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
            )
        except ValueError:
            usable = False
        if not usable or _has_more(parts):
            # The value is not shown: it may hold a password.
            raise BadVariable(
                f"{name} must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}."
            )
        return value

    def file(self, name: str) -> str:
        """Return the path of a file that is there, or nothing."""
        value = self.text(name, "")
        if value and not Path(value).is_file():
            raise BadVariable(f"{name}: there is no file {value}.")
        return value

    def pairs(self, name: str) -> dict[str, str]:
        """Return ``theirs=ours`` pairs between commas; a word alone stands for itself."""
        found: dict[str, str] = {}
        for word in self.words(name):
            theirs, sign, ours = word.partition("=")
            theirs, ours = theirs.strip(), ours.strip() if sign else theirs.strip()
            if not theirs or not ours or theirs in found:
                raise BadVariable(
                    f"{name} must be names or THEIRS=OURS between commas, each once, not {word!r}."
                )
            found[theirs] = ours
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

    def rate(self, name: str, *, default: str) -> tuple[int, int] | None:
        """Return how many in how many seconds, written ``600/minute``; ``None`` for ``0``, no limit."""
        text = self.text(name, default)
        if text == "0":
            return None
        number, _sign, unit = (part.strip() for part in text.partition("/"))
        is_number = number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER
        if not (is_number and 1 <= int(number) <= 1_000_000 and unit in _UNITS):
            raise BadVariable(f"{name} must be 0 or a rate such as 600/minute or 10/second, not {text!r}.")
        return int(number), _UNITS[unit]

    def origins(self, name: str) -> list[str]:
        """Return origins between commas, ``https://ci.example.com``, without a path."""
        found = self.words(name)
        for word in found:
            try:
                parts = urlsplit(word)
                usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable or parts.path or _has_more(parts):
                raise BadVariable(f"{name} must be origins such as https://ci.example.com, not {word!r}.")
        return found

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


def _is_target(word: str) -> bool:
    try:
        ipaddress.ip_network(word, strict=False)
    except ValueError:
        return "/" not in word and _HOST.fullmatch(word) is not None
    return True


def _has_more(parts: SplitResult) -> bool:
    """Return whether an address of a server names a person, a query or a fragment as well."""
    return bool(parts.query or parts.fragment or parts.username or parts.password)
