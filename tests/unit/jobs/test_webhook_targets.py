"""Where webhooks may lead, judged without a network."""

from __future__ import annotations

import socket
import threading
from typing import Any

import httpcore
import pytest
from pytest_django import Settings

from jobs.notifications import targets, webhooks, wire
from jobs.notifications.targets import TargetRefused, check, mistake_in_url

INSIDE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe",
    "2001:db8::1", "192.0.0.8", "192.0.0.170", "168.63.129.16", "192.88.99.1", "192.175.48.1", "203.0.113.9",
    "fec0::1", "3fff::1", "5f00::1", "100:0:0:1::1", "64:ff9b:1::1", "2001:1::1", "2001:20::1", "::7f00:1",
    "::ffff:168.63.129.16", "2002:c000:8::1",
]  # fmt: skip
OUTSIDE = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.fixture(autouse=True)
def nobody(settings: Settings) -> None:
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = []


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_inside_is_connected_to(address: str) -> None:
    with pytest.raises(TargetRefused):
        check("name.example", [address])
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    assert "not a public address" in str(mistake_in_url(f"http://{host}/hook"))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public_may_be_connected_to(address: str) -> None:
    check("name.example", [address])


@pytest.mark.parametrize(
    "url", ["https://münchen.example:8443/x", "http://a_b.example./", "http://intranet/"]
)
def test_names_of_hosts_have_many_forms(url: str) -> None:
    assert mistake_in_url(url, resolve=False) is None


def test_one_address_inside_is_enough_to_refuse_a_name() -> None:
    with pytest.raises(TargetRefused):
        check("name.example", ["8.8.8.8", "127.0.0.1"])


@pytest.mark.parametrize("written", ["127.0.0.0/8", "127.0.0.1", "here.internal", "HERE.internal"])
def test_the_operator_allows_networks_addresses_and_names(settings: Settings, written: str) -> None:
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = [written]
    check("here.internal", ["127.0.0.1"])
    if "internal" in written:
        with pytest.raises(TargetRefused):
            check("other.internal", ["127.0.0.1"])
    with pytest.raises(TargetRefused):
        check("other.internal", ["10.0.0.1"])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/", "begin with http"),
        ("example.org", "begin with http"),
        ("http://", "begin with http"),
        ("http://user:secret@example.org/", "User, password"),
        ("http://[::1/", "no address that can be read"),
        ("http://localhost/", "not a public address"),
        ("http://LOCALHOST./", "not a public address"),
        ("http://2130706433/", "not a public address"),
        ("http://0x7f000001/", "not a public address"),
        ("http://127.1/", "not a public address"),
        ("http://example.org:0/", "between 1 and 65535"),
        ("http://example.org:65536/", "between 1 and 65535"),
        ("http://example.org:-1/", "between 1 and 65535"),
        ("http://..../", "no name that can be looked up"),
        ("http://a..b/", "no name that can be looked up"),
        ("http://.example.org/", "no name that can be looked up"),
        ("http://a b/", "no name that can be looked up"),
        ("http://" + "a" * 64 + ".org/", "no name that can be looked up"),
        ("http://" + "a." * 130 + "org/", "no name that can be looked up"),
        ("https://example.org/" + "x" * 500, "At most 500"),
    ],
)
def test_what_is_no_target_is_refused_when_it_is_saved(url: str, said: str) -> None:
    assert said in str(mistake_in_url(url))


def _names(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let a name mean one address after the other, as a server that is out for no good has it."""
    asked: list[str] = []
    left = list(answers)

    def answer(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_a_name_that_leads_inside_is_refused_when_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, "127.0.0.1")
    assert "hook.example leads to 127.0.0.1" in str(mistake_in_url("https://hook.example/"))


def test_a_name_without_an_address_may_be_new(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    assert mistake_in_url("https://hook.example/") is None
    answer = webhooks.send(webhooks.Request("http://hook.example/", "ended", 1, b"{}", ("s" * 16,)))
    assert answer.error == "There is no address for the name hook.example: Name or service not known."


def test_a_name_that_leads_inside_later_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _names(monkeypatch, "93.184.216.34", "127.0.0.1")
    assert mistake_in_url("http://hook.example/") is None
    answer = webhooks.send(webhooks.Request("http://hook.example/", "ended", 1, b"{}", ("s" * 16,)))
    assert answer.error.startswith("hook.example leads to 127.0.0.1")
    assert asked == ["hook.example"] * 2


def test_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once for a connection: an answer that changes between the check and the connection gains nothing."""
    asked = _names(monkeypatch, "93.184.216.34", "127.0.0.1")
    connected: list[str] = []

    def connect(_self: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError("not today")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        wire.CheckedBackend(wire.Deadline(5)).connect_tcp("hook.example", 443)
    assert (asked, connected) == (["hook.example"], ["93.184.216.34"])


def test_a_resolver_that_does_not_answer_takes_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    with pytest.raises(targets.NoAddress, match="no answer in time"):
        targets.addresses_of("hook.example", 0.2)
    over.set()
