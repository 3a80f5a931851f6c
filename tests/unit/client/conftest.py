"""The client in this process, against a stub, without anything of this machine's own configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clarive_monitor.client import following, main, transport
from tests.unit.client.stub import TOKEN, Stub, serving


@dataclass(frozen=True)
class Ended:
    """A run of the client."""

    code: int
    out: str
    err: str


Client = Callable[..., Ended]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as found:
        yield found


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Client:
    """The client without a server that it knows."""
    for name in ("CLARIVE_URL", "CLARIVE_TOKEN", "CLARIVE_CONTEXT", "CLARIVE_CA_FILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.001)

    def client(*words: str) -> Ended:
        code = main.run(list(words))
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return client


@pytest.fixture
def client(bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client of somebody who is signed in to the stub."""
    monkeypatch.setenv("CLARIVE_URL", stub.address)
    monkeypatch.setenv("CLARIVE_TOKEN", TOKEN)
    return bare
