"""The operation ssh against a real server: output, return codes, trust, and every way in which it can be cut short."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from rules.engine.outcomes import Completed, Failed
from rules.palette.output import KEPT_BYTES
from rules.palette.ssh import connecting
from tests.remote import Gone, RealHost, in_thread, perform
from tests.ssh_server import Loop, Mute, SshServer, looping
from tests.waiting import until


@pytest.fixture
def loop() -> Iterator[Loop]:
    with looping() as found:
        yield found


@pytest.fixture
def server(loop: Loop, tmp_path: Path) -> Iterator[SshServer]:
    found = SshServer(loop, tmp_path / "server")
    yield found
    found.stop()


@pytest.fixture
def host(server: SshServer, tmp_path: Path) -> RealHost:
    """A host that knows the server."""
    directory = tmp_path / "job"
    directory.mkdir()
    found = RealHost(directory)
    server.known_hosts(found.known_hosts_file)
    return found


def call(server: SshServer, run: str, **more: Any) -> dict[str, Any]:
    return {"host": f"127.0.0.1:{server.port}", "user": "deploy", "key": server.key, "run": run, **more}


def failure(outcome: Any) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.message


def test_output_comes_while_the_command_runs_and_is_kept(
    server: SshServer, host: RealHost, tmp_path: Path
) -> None:
    flag = tmp_path / "go on"
    command = f"echo one; echo two >&2; until [ -e '{flag}' ]; do sleep 0.02; done; echo three"
    thread, ended = in_thread(host, "ssh", call(server, command), save_as="there")
    until(lambda: host.said["stdout"] == b"one\n" and host.said["stderr"] == b"two\n", 10)
    assert thread.is_alive()
    flag.touch()
    thread.join(20)
    assert ended == [Completed()]
    assert host.said["stdout"] == b"one\nthree\n"
    assert host.record.value["returncode"] == 0
    assert sorted(host.record.value["output"].split()) == ["one", "three", "two"]
    assert server.users == ["deploy"]
    assert server.commands == [command]


def test_another_return_code_than_0_fails_and_is_kept(server: SshServer, host: RealHost) -> None:
    outcome = perform(host, "ssh", call(server, "echo no; exit 3"))
    assert failure(outcome) == f"The command on 127.0.0.1:{server.port} ended with return code 3."
    assert host.record.value == {"returncode": 3, "output": "no\n"}


def test_a_signal_is_named(server: SshServer, host: RealHost) -> None:
    outcome = perform(host, "ssh", call(server, "kill -KILL $$"))
    assert failure(outcome) == f"The command on 127.0.0.1:{server.port} was ended by SIGKILL."


def test_much_output_arrives_whole_and_its_end_is_kept(server: SshServer, host: RealHost) -> None:
    outcome = perform(host, "ssh", call(server, "seq 1 1000000"))
    assert outcome == Completed()
    assert bytes(host.said["stdout"]) == b"".join(b"%d\n" % number for number in range(1, 1_000_001))
    assert len(host.record.value["output"]) == KEPT_BYTES
    assert host.record.value["output"].endswith("999999\n1000000\n")


def test_only_the_text_of_run_is_sent(server: SshServer, host: RealHost) -> None:
    host.environ = {"CLARIVE_JOB": "N.DEV-1"}
    assert perform(host, "ssh", call(server, 'echo "[$CLARIVE_JOB]"')) == Completed()
    assert host.said["stdout"] == b"[]\n"


# --- trust ------------------------------------------------------------------------------------


def test_an_unknown_host_is_refused_and_the_line_to_add_is_said(server: SshServer, host: RealHost) -> None:
    host.known_hosts_file.unlink()
    message = failure(perform(host, "ssh", call(server, "true")))
    assert f"The key of 127.0.0.1:{server.port} is not known" in message
    assert server.fingerprint in message
    assert str(host.known_hosts_file) in message
    assert server.commands == []
    # What it says to do is what helps.
    host.records.clear()
    host.known_hosts_file.write_text(message.rpartition("under host_key: ")[2] + "\n")
    host.writes.clear()
    assert perform(host, "ssh", call(server, "true")) == Completed()


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_another_key_than_the_known_one_is_refused(kind: str, server: SshServer, host: RealHost) -> None:
    known = asyncssh.generate_private_key(kind)
    line = known.export_public_key().decode().strip()
    host.known_hosts_file.write_text(f"[127.0.0.1]:{server.port} {line}\n")
    message = failure(perform(host, "ssh", call(server, "true")))
    assert "has another key than the one that is known" in message
    assert server.fingerprint in message
    assert known.get_fingerprint() in message
    assert str(host.known_hosts_file) in message
    assert server.commands == []


def test_a_host_key_in_the_rule_is_expected_instead_of_the_file(server: SshServer, host: RealHost) -> None:
    host.known_hosts_file.unlink()
    assert perform(host, "ssh", call(server, "true", host_key=server.public_line)) == Completed()


def test_a_wrong_host_key_in_the_rule_is_refused_whatever_the_file_says(
    server: SshServer, host: RealHost
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    message = failure(perform(host, "ssh", call(server, "true", host_key=other)))
    assert "has another key than the one under host_key" in message
    assert server.fingerprint in message
    assert server.commands == []


def test_an_empty_file_of_known_hosts_does_not_lead_to_another_one(
    server: SshServer, host: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    server.known_hosts(tmp_path / "home" / ".ssh" / "known_hosts")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host.known_hosts_file.write_text("")
    assert "is not known" in failure(perform(host, "ssh", call(server, "true")))


def test_a_host_key_that_is_none_is_told(server: SshServer, host: RealHost) -> None:
    assert "host_key is no public key" in failure(perform(host, "ssh", call(server, "true", host_key="AAAA")))


def test_a_key_that_is_not_let_in_is_told(server: SshServer, host: RealHost) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    message = failure(perform(host, "ssh", call(server, "true", key=stranger)))
    assert message == f"127.0.0.1:{server.port} did not accept the key for deploy."


def test_a_text_that_is_no_key_is_told_and_not_shown(server: SshServer, host: RealHost) -> None:
    message = failure(perform(host, "ssh", call(server, "true", key="-----BEGIN hunter2-----")))
    assert message == "key is no private key that can be read."


def test_a_key_with_a_passphrase_is_told(server: SshServer, host: RealHost) -> None:
    locked = server.client_key.export_private_key("pkcs8-pem", passphrase="hunter2").decode()
    assert "passphrase" in failure(perform(host, "ssh", call(server, "true", key=locked)))


def test_the_worker_s_own_keys_are_used_without_one(
    server: SshServer, host: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    (tmp_path / "home" / ".ssh" / "id_ed25519").write_text(server.key)
    (tmp_path / "home" / ".ssh" / "id_ed25519").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    asked = call(server, "true")
    del asked["key"]
    assert perform(host, "ssh", asked) == Completed()


# --- what can go wrong on the way ---------------------------------------------------------------


def test_nobody_listens(server: SshServer, host: RealHost) -> None:
    port = server.port
    server.stop()
    message = failure(perform(host, "ssh", call(server, "true", host=f"127.0.0.1:{port}")))
    assert message == f"127.0.0.1:{port} cannot be reached: Connection refused."


def test_a_name_without_an_address(server: SshServer, host: RealHost) -> None:
    message = failure(perform(host, "ssh", call(server, "true", host="nowhere.invalid")))
    assert message.startswith("There is no address for the name nowhere.invalid")


def test_a_connection_dropped_in_mid_command(server: SshServer, host: RealHost) -> None:
    thread, ended = in_thread(host, "ssh", call(server, "echo begun; exec sleep 60"))
    assert host.heard.wait(10)
    server.drop()
    thread.join(5)
    assert failure(ended[0]) == "The connection was lost; whether the command goes on there is not known."
    assert host.record.value == {"returncode": None, "output": "begun\n"}


def test_a_host_that_vanishes_without_a_word_is_noticed(
    loop: Loop, server: SshServer, host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "KEEPALIVE_SECONDS", 0.3)
    way = Mute(loop, server.port)
    server.known_hosts(host.known_hosts_file, port=way.port)
    thread, ended = in_thread(
        host, "ssh", call(server, "echo begun; exec sleep 60", host=f"127.0.0.1:{way.port}")
    )
    assert host.heard.wait(10)
    way.be_silent()
    thread.join(10)
    way.stop()
    assert failure(ended[0]) == "The connection was lost; whether the command goes on there is not known."


def test_a_cancelled_job_closes_the_connection_at_once(server: SshServer, host: RealHost) -> None:
    thread, ended = in_thread(host, "ssh", call(server, "echo begun; exec sleep 60"))
    assert host.heard.wait(10)
    began = time.monotonic()
    host.take_away()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - began < 2
    assert isinstance(ended[0], Gone)
    until(lambda: server.open_connections == 0, 5, "the end of the connection")


def test_a_time_limit_closes_the_connection(server: SshServer, host: RealHost) -> None:
    outcome = perform(host, "ssh", call(server, "echo begun; exec sleep 60"), timeout="1s")
    assert failure(outcome) == "The time limit of 1s ran out."
    assert "The connection was closed; whether the command goes on there is not known." in host.log_lines
    until(lambda: server.open_connections == 0, 5, "the end of the connection")


def test_a_host_that_accepts_and_says_nothing_ends_with_the_time_limit(
    loop: Loop, server: SshServer, host: RealHost
) -> None:
    way = Mute(loop, server.port)
    way.be_silent()
    began = time.monotonic()
    outcome = perform(host, "ssh", call(server, "true", host=f"127.0.0.1:{way.port}"), timeout="1s")
    assert failure(outcome) == "The time limit of 1s ran out."
    assert time.monotonic() - began < 4
    way.stop()


def test_nothing_is_left_behind(server: SshServer, host: RealHost, caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with caplog.at_level(logging.WARNING):
        perform(host, "ssh", call(server, "exit 1"))
        host.records.clear()
        host.writes.clear()
        perform(host, "ssh", call(server, "sleep 60"), timeout="1s")
    until(lambda: set(threading.enumerate()) <= before, 5, "the end of all threads")
    assert caplog.records == []
