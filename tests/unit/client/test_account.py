"""Signing in, and which server and token count."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from clarive_monitor.client import config
from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import TOKEN, Answer, Stub, problem, serving

ME = {
    "username": "ana", "is_superuser": False, "language": "es", "time_zone": "UTC",
    "rights": {"DEV": ["view_monitor", "create"]},
}  # fmt: skip


def login(client: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch, *more: str, token: str = TOKEN) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    return client("login", stub.address, "--token-stdin", *more).code


def test_a_token_is_tried_and_kept_for_its_owner_alone(
    bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET me/", Answer(ME))
    assert login(bare, stub, monkeypatch) == 0
    assert stub.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    place = config.path()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [each.name for each in place.parent.iterdir()] == ["config.toml"]
    ended = bare("whoami")
    assert ended.out.splitlines()[0] == f"ana at {stub.address}"
    assert "view_monitor, create" in ended.out
    assert bare("logout").code == 0
    assert bare("whoami").code == Exit.NOT_SIGNED_IN


def test_a_token_that_opens_nothing_is_not_kept(
    bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET me/", problem(401, "authentication_failed"))
    assert login(bare, stub, monkeypatch) == Exit.NOT_SIGNED_IN
    assert login(bare, stub, monkeypatch, token="two words") == Exit.USAGE
    assert not config.path().exists()


def test_several_servers_have_names(bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as other:
        stub.on("GET me/", Answer(ME))
        other.on("GET me/", Answer({**ME, "username": "eva"}))
        assert login(bare, stub, monkeypatch, "--context", "test") == 0
        assert login(bare, other, monkeypatch, "--context", 'pro "1"') == 0
        assert bare("whoami").out.startswith("eva")
        assert bare("whoami", "--context", "test").out.startswith("ana")
        assert bare("--context", "test", "whoami").out.startswith("ana")
        assert bare("use", "test").code == 0
        assert bare("whoami").out.startswith("ana")
        assert bare("whoami", "--context", "none").code == Exit.USAGE
        assert 'pro "1"' in bare("contexts").out
        assert TOKEN not in bare("contexts", "--json").out


def test_the_environment_wins_and_a_kept_token_goes_nowhere_else(
    bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET me/", Answer(ME))
    login(bare, stub, monkeypatch)
    with serving() as other:
        other.on("GET me/", Answer(ME))
        monkeypatch.setenv("CLARIVE_URL", other.address)
        assert bare("whoami").code == Exit.NOT_SIGNED_IN
        assert bare("whoami", "--url", other.address).code == Exit.NOT_SIGNED_IN
        assert other.asked == []
        monkeypatch.setenv("CLARIVE_TOKEN", "clv_other")
        assert bare("whoami").code == 0
        assert other.asked[0].headers["Authorization"] == "Bearer clv_other"
    monkeypatch.delenv("CLARIVE_URL")
    assert bare("whoami").code == 0
    assert stub.asked[-1].headers["Authorization"] == "Bearer clv_other"


def test_a_file_that_others_may_read_is_refused(
    bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET me/", Answer(ME))
    login(bare, stub, monkeypatch)
    config.path().chmod(0o644)
    ended = bare("whoami")
    assert ended.code == Exit.USAGE
    assert "chmod 600" in ended.err


@pytest.mark.parametrize("text", ["x = [", "[contexts.a]\nurl = 1", "contexts = 3", "[contexts]\na = 1"])
def test_a_broken_file_is_told(bare: Client, text: str) -> None:
    place: Path = config.path()
    place.parent.mkdir(parents=True)
    place.write_text(text)
    place.chmod(0o600)
    ended = bare("whoami")
    assert ended.code == Exit.USAGE
    assert "config.toml" in ended.err


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("clarive.example.org", "https://clarive.example.org"),
        ("https://a.example.org/", "https://a.example.org"),
        ("https://a.example.org/clarive/api/v1/", "https://a.example.org/clarive"),
    ],
)
def test_addresses_are_kept_plainly(typed: str, kept: str) -> None:
    assert config.plain_url(typed) == kept


@pytest.mark.parametrize("address", ["ftp://a", "https://", "https://user:secret@a.example.org"])
def test_what_is_no_address_is_refused(bare: Client, address: str) -> None:
    assert bare("login", address, "--token-stdin").code == Exit.USAGE
