"""The operation copy against a real SFTP server: whole files, modes, odd names, links, and what is in the way."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.engine.outcomes import Completed, Failed
from rules.palette.ssh import connecting
from tests.remote import Gone, RealHost, in_thread, perform
from tests.ssh_server import Loop, Mute, SshServer, looping
from tests.waiting import until

ODD = (
    "with space",
    'it\'s "quoted"',
    "ñandú €",
    "-dash",
    "new\nline",
    "$(touch x); *",
    b"raw\xff".decode(errors="surrogateescape"),
)


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
    directory = tmp_path / "job"
    directory.mkdir()
    found = RealHost(directory)
    server.known_hosts(found.known_hosts_file)
    return found


def call(server: SshServer, source: str, to: str, **more: Any) -> dict[str, Any]:
    return {
        "host": f"127.0.0.1:{server.port}",
        "user": "deploy",
        "key": server.key,
        "from": source,
        "to": to,
        **more,
    }


def failure(outcome: Any) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.message


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def drafts(server: SshServer) -> list[Path]:
    return list(server.files.rglob(".clarive-*"))


def test_a_file_arrives_with_its_mode_and_the_directories_above_it(server: SshServer, host: RealHost) -> None:
    (host.directory / "run.sh").write_text("echo hi\n")
    (host.directory / "run.sh").chmod(0o750)
    assert perform(host, "copy", call(server, "run.sh", "/srv/app/bin/run.sh")) == Completed()
    there = server.files / "srv/app/bin/run.sh"
    assert there.read_text() == "echo hi\n"
    assert stat.S_IMODE(there.stat().st_mode) == 0o750
    assert host.record.value == {"files": 1, "bytes": 8}
    assert drafts(server) == []


def test_a_place_that_ends_in_a_slash_is_a_directory_to_copy_into(server: SshServer, host: RealHost) -> None:
    (host.directory / "sub").mkdir()
    (host.directory / "sub" / "a.txt").write_text("a")
    assert perform(host, "copy", call(server, "sub/a.txt", "/into/")) == Completed()
    assert (server.files / "into" / "a.txt").read_text() == "a"


def test_fifty_megabytes_arrive_whole_in_constant_memory(server: SshServer, host: RealHost) -> None:
    block = os.urandom(1024 * 1024)
    with (host.directory / "big.bin").open("wb") as file:
        for number in range(50):
            file.write(number.to_bytes(4, "big") + block[4:])
    tracemalloc.start()
    try:
        assert perform(host, "copy", call(server, "big.bin", "/big.bin")) == Completed()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert digest(server.files / "big.bin") == digest(host.directory / "big.bin")
    assert host.record.value == {"files": 1, "bytes": 50 * 1024 * 1024}
    # Client and server are both in this process.
    assert peak < 40 * 1024 * 1024


def test_a_directory_arrives_with_all_below_it_and_its_modes(server: SshServer, host: RealHost) -> None:
    top = host.directory / "out"
    (top / "a" / "b").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a" / "b" / "deep.txt").write_text("deep")
    (top / "a" / "tool").write_text("#!")
    (top / "a" / "tool").chmod(0o755)
    (top / "a" / "secret").write_text("s")
    (top / "a" / "secret").chmod(0o600)
    (top / "a" / "b").chmod(0o700)
    (top / "a").chmod(0o555)
    try:
        assert perform(host, "copy", call(server, "out", "/srv/out")) == Completed()
    finally:
        (top / "a").chmod(0o755)
    there = server.files / "srv/out"
    modes = {
        str(path.relative_to(there)): stat.S_IMODE(path.stat().st_mode) for path in sorted(there.rglob("*"))
    }
    (there / "a").chmod(0o755)
    assert modes["a"] == 0o555
    assert (modes["a/b"], modes["a/tool"], modes["a/secret"]) == (0o700, 0o755, 0o600)
    assert (there / "a/b/deep.txt").read_text() == "deep"
    assert (there / "empty").is_dir()
    assert host.record.value == {"files": 3, "bytes": 7}


def test_a_second_copy_replaces_files_and_leaves_what_was_there(server: SshServer, host: RealHost) -> None:
    (host.directory / "out").mkdir()
    (host.directory / "out" / "a").write_text("new")
    (server.files / "out").mkdir()
    (server.files / "out").chmod(0o711)
    (server.files / "out" / "a").write_text("something older and longer")
    (server.files / "out" / "other").write_text("stays")
    assert perform(host, "copy", call(server, "out", "/out")) == Completed()
    assert (server.files / "out" / "a").read_text() == "new"
    assert (server.files / "out" / "other").read_text() == "stays"
    assert stat.S_IMODE((server.files / "out").stat().st_mode) == 0o711


@pytest.mark.parametrize("name", ODD)
def test_odd_names_arrive_as_they_are(name: str, server: SshServer, host: RealHost) -> None:
    (host.directory / "out" / name).mkdir(parents=True)
    (host.directory / "out" / name / name).write_text("odd")
    assert perform(host, "copy", call(server, "out", "/o dd/ñ")) == Completed()
    found = [path for path in (server.files / "o dd" / "ñ").rglob("*") if path.is_file()]
    assert [os.fsencode(path.relative_to(server.files / "o dd" / "ñ")) for path in found] == [
        os.fsencode(f"{name}/{name}")
    ]


def test_the_names_in_the_arguments_may_be_odd(server: SshServer, host: RealHost) -> None:
    name = "a 'b' \"c\" ñ;$x"
    (host.directory / name).write_text("odd")
    assert perform(host, "copy", call(server, name, f"/{name}")) == Completed()
    assert (server.files / name).read_text() == "odd"


def test_links_inside_are_followed(server: SshServer, host: RealHost) -> None:
    (host.directory / "shared").mkdir()
    (host.directory / "shared" / "x").write_text("x")
    (host.directory / "out").mkdir()
    (host.directory / "out" / "file").symlink_to("../shared/x")
    (host.directory / "out" / "folder").symlink_to(host.directory / "shared")
    assert perform(host, "copy", call(server, "out", "/out")) == Completed()
    assert (server.files / "out/file").read_text() == "x"
    assert not (server.files / "out/file").is_symlink()
    assert (server.files / "out/folder/x").read_text() == "x"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/passwd", "leads out of the job's directory"),
        ("../../../outside", "leads out of the job's directory"),
        ("nowhere", "leads nowhere"),
        (".", "leads in a circle"),
        ("..", "leads in a circle"),
        ("link", "leads in a circle"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_before_anything_is_copied(
    target: str, said: str, server: SshServer, host: RealHost
) -> None:
    (host.directory.parent / "outside").write_text("secret")
    (host.directory / "out" / "sub").mkdir(parents=True)
    (host.directory / "out" / "a").write_text("a")
    (host.directory / "out" / "sub" / "link").symlink_to(target)
    message = failure(perform(host, "copy", call(server, "out", "/out")))
    assert "out/sub/link" in message
    assert said in message
    assert list(server.files.iterdir()) == []


def test_a_pipe_is_refused(server: SshServer, host: RealHost) -> None:
    (host.directory / "out").mkdir()
    os.mkfifo(host.directory / "out" / "pipe")
    assert "out/pipe is neither a file nor a directory" in failure(
        perform(host, "copy", call(server, "out", "/out"))
    )


@pytest.mark.parametrize("source", ["../known_hosts", "/etc/passwd"])
def test_nothing_from_outside_of_the_directory_is_copied(
    source: str, server: SshServer, host: RealHost
) -> None:
    assert "leads out of the job's directory" in failure(perform(host, "copy", call(server, source, "/x")))


def test_what_is_not_there_is_told(server: SshServer, host: RealHost) -> None:
    assert (
        failure(perform(host, "copy", call(server, "no", "/x"))) == "There is no no in the job's directory."
    )


def test_a_directory_in_the_way_of_a_file_is_told(server: SshServer, host: RealHost) -> None:
    (host.directory / "a").write_text("a")
    (server.files / "a").mkdir()
    assert "end to with / to copy into it" in failure(perform(host, "copy", call(server, "a", "/a")))


def test_a_file_in_the_way_of_a_directory_is_told(server: SshServer, host: RealHost) -> None:
    (host.directory / "a").mkdir()
    (server.files / "a").write_text("file")
    assert "refuses /a" in failure(perform(host, "copy", call(server, "a", "/a")))


def test_an_unknown_host_gets_nothing(server: SshServer, host: RealHost) -> None:
    (host.directory / "a").write_text("a")
    host.known_hosts_file.write_text("")
    assert "is not known" in failure(perform(host, "copy", call(server, "a", "/a")))
    assert list(server.files.iterdir()) == []


# --- cut short ----------------------------------------------------------------------------------


def big(host: RealHost) -> None:
    """Make a file of 4 GB that takes no room and a while to copy."""
    with (host.directory / "big").open("wb") as file:
        file.truncate(4 * 1024**3)


def under_way(server: SshServer) -> bool:
    found = drafts(server)
    return bool(found) and found[0].stat().st_size > 0


def test_a_cancelled_job_ends_the_copy_at_once_and_nothing_takes_its_place(
    server: SshServer, host: RealHost
) -> None:
    big(host)
    (server.files / "big").write_text("as it was")
    thread, ended = in_thread(host, "copy", call(server, "big", "/big"))
    until(lambda: under_way(server), 10, "the beginning of the copy")
    began = time.monotonic()
    host.take_away()
    thread.join(10)
    assert isinstance(ended[0], Gone)
    assert time.monotonic() - began < 4
    assert (server.files / "big").read_text() == "as it was"


def test_a_time_limit_ends_the_copy(server: SshServer, host: RealHost) -> None:
    big(host)
    assert (
        failure(perform(host, "copy", call(server, "big", "/big"), timeout="1s"))
        == "The time limit of 1s ran out."
    )
    assert not (server.files / "big").exists()


def test_a_connection_dropped_in_the_middle(server: SshServer, host: RealHost) -> None:
    big(host)
    (server.files / "big").write_text("as it was")
    thread, ended = in_thread(host, "copy", call(server, "big", "/big"))
    until(lambda: under_way(server), 10, "the beginning of the copy")
    server.drop()
    thread.join(10)
    assert (
        failure(ended[0]) == f"The connection to 127.0.0.1:{server.port} was lost in the middle of the copy."
    )
    assert (server.files / "big").read_text() == "as it was"


def test_a_host_that_vanishes_without_a_word_is_noticed(
    loop: Loop, server: SshServer, host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "KEEPALIVE_SECONDS", 0.3)
    big(host)
    way = Mute(loop, server.port)
    server.known_hosts(host.known_hosts_file, port=way.port)
    thread, ended = in_thread(host, "copy", call(server, "big", "/big", host=f"127.0.0.1:{way.port}"))
    until(lambda: under_way(server), 10, "the beginning of the copy")
    way.be_silent()
    thread.join(20)
    way.stop()
    assert "was lost in the middle of the copy" in failure(ended[0])
