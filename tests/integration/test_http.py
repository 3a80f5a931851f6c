"""The operation http against a real server: statuses, JSON, bounds, and every way in which no answer comes."""

from __future__ import annotations

import http.server
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rules.engine.outcomes import Completed, Failed
from rules.palette.http import asking
from rules.palette.output import KEPT_BYTES
from tests.remote import Gone, RealHost, in_thread, perform
from tests.waiting import until


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; ``/hang`` waits until the server is told to go on."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    hanging: ClassVar[threading.Event] = threading.Event()
    go_on: ClassVar[threading.Event] = threading.Event()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append((self.command, self.path, dict(self.headers.items()), body))
        name, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        getattr(self, f"_{name}")(rest)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def _say(self, status: int, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _status(self, rest: str) -> None:
        self._say(int(rest), f"status {rest}\n".encode(), Location="/json", X_Kind="test")

    def _json(self, _rest: str) -> None:
        self._say(200, json.dumps({"ok": True, "n": [1, 2.5]}).encode(), "application/json")

    def _odd(self, _rest: str) -> None:
        self._say(200, b'{"n": 1e999}\x00\xff')

    def _latin(self, _rest: str) -> None:
        self._say(200, "año".encode("latin-1"), "text/plain; charset=iso-8859-1")

    def _big(self, rest: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(int(rest)):
            self.wfile.write(b"x" * 1024 * 1024)

    def _hang(self, _rest: str) -> None:
        self.hanging.set()
        self.go_on.wait(30)

    def _drip(self, _rest: str) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.go_on.wait(0.05):
            try:
                self.wfile.write(b".")
            except OSError:
                return

    def _break(self, _rest: str) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of clients that go away."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


def serving(context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve, and yield host and port."""
    Handler.asked.clear()
    Handler.hanging.clear()
    Handler.go_on.clear()
    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    Handler.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def place() -> Iterator[str]:
    yield from serving()


@pytest.fixture
def host(tmp_path: Path) -> RealHost:
    return RealHost(tmp_path)


def failure(outcome: Any) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.message


def test_an_answer_is_kept(place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/json?x=1"}) == Completed()
    value = host.record.value
    assert (value["status"], value["json"]) == (200, {"ok": True, "n": [1, 2.5]})
    assert json.loads(value["body"]) == value["json"]
    assert value["headers"]["content-type"] == "application/json"
    method, path, headers, body = Handler.asked[0]
    assert (method, path, body) == ("GET", "/json?x=1", b"")
    assert headers["User-Agent"] == "clarive-monitor"
    assert host.log_lines == [f"GET {place} answered 200 OK."]


def test_a_text_is_sent_as_it_is_and_data_as_json(place: str, host: RealHost) -> None:
    perform(host, "http", {"url": f"http://{place}/json", "body": "añ=1"})
    assert Handler.asked[-1][0] == "POST"
    assert Handler.asked[-1][3] == "añ=1".encode()
    assert Handler.asked[-1][2]["Content-Type"] == "text/plain; charset=utf-8"
    host = RealHost(host.directory)
    body = {"environment": "{{ environment }}", "revisions": "{{ revisions }}", "n": 1}
    perform(host, "http", {"url": f"http://{place}/json", "method": "PUT", "body": body})
    method, _, headers, sent = Handler.asked[-1]
    assert (method, headers["Content-Type"]) == ("PUT", "application/json")
    assert json.loads(sent) == {
        "environment": "DEV",
        "revisions": [{"ref": "v1.0.0", "sha": "a" * 40}],
        "n": 1,
    }


def test_headers_are_sent_and_replace_the_usual_ones(place: str, host: RealHost) -> None:
    headers = {
        "authorization": "Bearer x",
        "content-type": "application/x-www-form-urlencoded",
        "X-Name": "ñ",
    }
    perform(host, "http", {"url": f"http://{place}/json", "body": "a=1", "headers": headers})
    sent = Handler.asked[-1][2]
    assert sent["authorization"] == "Bearer x"
    assert sent["X-Name"].encode("latin-1").decode() == "ñ"
    assert [value for name, value in sent.items() if name.lower() == "content-type"] == [
        "application/x-www-form-urlencoded"
    ]


@pytest.mark.parametrize("headers", [{"X": "a\r\nInjected: yes"}, {"X Y": "a"}, {"": "a"}])
def test_a_header_that_would_be_two_is_refused(headers: dict[str, str], place: str, host: RealHost) -> None:
    assert "header" in failure(perform(host, "http", {"url": f"http://{place}/json", "headers": headers}))
    assert Handler.asked == []


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_status_from_200_to_299_is_expected(status: int, place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/status/{status}"}) == Completed()


@pytest.mark.parametrize("status", [301, 302, 404, 500])
def test_another_status_fails_and_shows_the_beginning_of_the_body(
    status: int, place: str, host: RealHost
) -> None:
    message = failure(perform(host, "http", {"url": f"http://{place}/status/{status}"}))
    assert message.startswith(f"GET {place} answered {status} ")
    assert message.endswith(f", which was not expected: status {status}")
    assert host.record.value["status"] == status
    # A redirect is not followed.
    assert len(Handler.asked) == 1


@pytest.mark.parametrize("expect", [404, [200, 404], "{{ 400 + 4 }}"])
def test_what_is_expected_is_no_failure(expect: Any, place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/status/404", "expect": expect}) == Completed()
    assert isinstance(
        perform(RealHost(host.directory), "http", {"url": f"http://{place}/status/201", "expect": expect}),
        Failed,
    )


def test_a_big_body_is_read_and_its_beginning_kept(place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/big/20"}) == Completed()
    assert host.record.value["body"] == "x" * KEPT_BYTES
    assert host.record.value["json"] is None


def test_a_body_that_cannot_be_kept_is_made_so(place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/odd"}) == Completed()
    assert host.record.value["body"] == '{"n": 1e999}\u2400\ufffd'
    assert host.record.value["json"] is None


def test_the_charset_is_heeded(place: str, host: RealHost) -> None:
    perform(host, "http", {"url": f"http://{place}/latin"})
    assert host.record.value["body"] == "año"


def test_head_has_no_body(place: str, host: RealHost) -> None:
    assert perform(host, "http", {"url": f"http://{place}/json", "method": "HEAD"}) == Completed()
    assert host.record.value["body"] == ""


# --- no answer ----------------------------------------------------------------------------------


def test_nobody_listens(host: RealHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    message = failure(perform(host, "http", {"url": f"http://127.0.0.1:{port}/"}))
    assert message == f"127.0.0.1:{port} cannot be reached: Connection refused."


def test_a_name_without_an_address(host: RealHost) -> None:
    message = failure(perform(host, "http", {"url": "http://nowhere.invalid/"}))
    assert message.startswith("There is no address for the name nowhere.invalid: ")


@pytest.mark.parametrize(
    "url", ["ftp://host/", "file:///etc/passwd", "/path", "host/path", "http://", "http://a\nb/"]
)
def test_only_addresses_of_http_are_asked(url: str, host: RealHost) -> None:
    assert failure(perform(host, "http", {"url": url})).startswith("url ")


def test_a_connection_that_breaks(place: str, host: RealHost) -> None:
    assert failure(perform(host, "http", {"url": f"http://{place}/break"})).startswith(
        f"The connection with {place} broke"
    )


def test_what_is_in_an_address_is_not_in_the_sentences(place: str, host: RealHost) -> None:
    message = failure(perform(host, "http", {"url": f"http://user:hunter2@{place}/status/500?token=hunter3"}))
    assert message == f"GET {place} answered 500 Internal Server Error, which was not expected: status 500"
    assert "hunter" not in message + "".join(host.log_lines)
    assert Handler.asked[0][2]["Authorization"].startswith("Basic ")


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's context with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def tls_place(tmp_path: Path) -> Iterator[str]:
    yield from serving(certificate(tmp_path))


def test_a_certificate_that_nobody_trusts_is_refused(tls_place: str, host: RealHost) -> None:
    message = failure(perform(host, "http", {"url": f"https://{tls_place}/json"}))
    assert message.startswith(f"The certificate of {tls_place} is not trusted: self")
    assert Handler.asked == []


def test_a_certificate_that_the_machine_trusts_is_accepted(
    tls_place: str, host: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert perform(host, "http", {"url": f"https://{tls_place}/json"}) == Completed()


def test_plain_text_where_tls_is_wanted(place: str, host: RealHost) -> None:
    message = failure(perform(host, "http", {"url": f"https://{place}/json"}))
    assert message.startswith(f"There is no TLS connection with {place}: ")


def test_a_proxy_of_the_environment_is_not_used(
    place: str, host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert perform(host, "http", {"url": f"http://{place}/json"}) == Completed()


# --- cut short ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_a_slow_service_ends_with_the_time_limit(path: str, place: str, host: RealHost) -> None:
    began = time.monotonic()
    assert (
        failure(perform(host, "http", {"url": f"http://{place}/{path}"}, timeout="1s"))
        == "The time limit of 1s ran out."
    )
    assert time.monotonic() - began < 3


def test_without_a_time_limit_there_is_one(
    place: str, host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_SECONDS", 0.5)
    assert (
        failure(perform(host, "http", {"url": f"http://{place}/hang"}))
        == f"{place} did not answer within 0.5 s."
    )


def test_a_cancelled_job_does_not_wait_for_the_answer(place: str, host: RealHost) -> None:
    thread, ended = in_thread(host, "http", {"url": f"http://{place}/hang"})
    assert Handler.hanging.wait(10)
    began = time.monotonic()
    host.take_away()
    thread.join(5)
    assert isinstance(ended[0], Gone)
    assert time.monotonic() - began < 2


def test_nothing_is_left_behind(place: str, host: RealHost, caplog: pytest.LogCaptureFixture) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with caplog.at_level(logging.WARNING):
        perform(host, "http", {"url": f"http://{place}/hang"}, timeout="1s")
        perform(RealHost(host.directory), "http", {"url": "http://nowhere.invalid/"})
    Handler.go_on.set()
    until(lambda: {thread.name for thread in threading.enumerate()} <= before, 10, "the end of all threads")
    assert caplog.records == []
