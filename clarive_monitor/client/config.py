"""Which server, and who asks: ``$XDG_CONFIG_HOME/clarive/config.toml``, which only its owner may read."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clarive_monitor.client.errors import BadUsage, NotSignedIn

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """A server and a key to it.

    Attributes:
        url: Of the server, without ``/api/v1/``.
        token: The API token.
        ca_file: Certificates to trust instead of the system's; empty for the system's.
    """

    url: str
    token: str = field(repr=False)
    ca_file: str = ""


@dataclass(slots=True)
class Config:
    """All contexts, and which one counts when none is named."""

    contexts: dict[str, Context] = field(default_factory=dict)
    current: str = DEFAULT


def path() -> Path:
    """Return where the contexts are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "clarive" / "config.toml"


def load() -> Config:
    """Return what is kept; nothing when there is no file.

    Raises:
        BadUsage: The file cannot be read, or others may read it.
    """
    place = path()
    try:
        with place.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            found = tomllib.load(file)
    except FileNotFoundError:
        return Config()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadUsage(f"{place} cannot be read: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadUsage(f"Others may read your tokens in {place}. Close it with: chmod 600 {place}")
    contexts = found.get("contexts", {})
    try:
        read = {name: _context(values) for name, values in contexts.items()}
    except (KeyError, TypeError, AttributeError):
        raise BadUsage(f"{place} is not as clarive login writes it.") from None
    return Config(read, str(found.get("current", DEFAULT)))


def save(config: Config) -> None:
    """Write the file, all of it or nothing, for its owner alone.

    Raises:
        BadUsage: It cannot be written.
    """
    place = path()
    try:
        _write(place, config)
    except OSError as error:
        raise BadUsage(f"{place} cannot be written: {error.strerror}.") from None


def _write(place: Path, config: Config) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [f"current = {_quoted(config.current)}"]
    for name, context in sorted(config.contexts.items()):
        lines += ["", f"[contexts.{_quoted(name)}]", f"url = {_quoted(context.url)}"]
        lines.append(f"token = {_quoted(context.token)}")
        if context.ca_file:
            lines.append(f"ca_file = {_quoted(context.ca_file)}")
    # Such a file is made with mode 0600.
    handle, temporary = tempfile.mkstemp(dir=place.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        Path(temporary).replace(place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def chosen(name: str = "", url: str = "", ca_file: str = "") -> Context:
    """Return the context that counts: options first, then the environment, then the file.

    A token of the file goes to the server it was given for and to no other.

    Raises:
        NotSignedIn: There is no server or no token.
        BadUsage: There is no context of this name.
    """
    url = plain_url(url or os.environ.get("CLARIVE_URL", ""))
    token = os.environ.get("CLARIVE_TOKEN", "").strip()
    ca_file = ca_file or os.environ.get("CLARIVE_CA_FILE", "")
    if url and token:
        return Context(url, usable_token(token), ca_file)
    config = load()
    name = name or os.environ.get("CLARIVE_CONTEXT", "")
    if name and name not in config.contexts:
        known = ", ".join(sorted(config.contexts)) or "none"
        raise BadUsage(f"There is no context {name}; there are: {known}.")
    kept = config.contexts.get(name or config.current)
    if kept is None and not url:
        raise NotSignedIn("No server is known. Sign in with: clarive login URL")
    if not token and (kept is None or (url and kept.url != url)):
        raise NotSignedIn(f"No token for {url} is known. Sign in with: clarive login {url}")
    return Context(
        url or (kept.url if kept else ""),
        usable_token(token or (kept.token if kept else "")),
        ca_file or (kept.ca_file if kept and not (url and kept.url != url) else ""),
    )


def plain_url(text: str) -> str:
    """Return the address of a server as it is kept: with its scheme, without a slash at its end and ``/api/v1``."""
    text = text.strip()
    if not text:
        return ""
    if "://" not in text:
        text = f"https://{text}"
    if not text.startswith(("http://", "https://")) or not _has_host(text):
        raise BadUsage(f"{text} is no address of a server, such as https://clarive.example.com.")
    return text.rstrip("/").removesuffix("/api/v1").removesuffix("/api").rstrip("/")


def usable_token(text: str) -> str:
    """Return a token that can be sent.

    Raises:
        BadUsage: It holds what no token holds. The message does not show it.
    """
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise BadUsage("This is no token: it has no spaces, line breaks or other such characters.")
    return text


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def _context(values: Any) -> Context:
    return Context(str(values["url"]), str(values["token"]), str(values.get("ca_file", "")))


def _quoted(text: str) -> str:
    """Return ``text`` as a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
