"""Signing in with the password of a directory that really runs, over StartTLS and ldaps."""

import datetime
import ipaddress
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.contrib.auth.models import Group

from permissions.models import ExternalIdentity, User
from tests.pages import words
from tests.signing_in import WORD, Browser, person, quick_hashes

__all__ = ["quick_hashes"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

EVAS = "evas-directory-word"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Directory:
    """A running directory and the certificate that it shows."""

    plain_port: int
    tls_port: int
    certificate: str


def certificate(folder: Path, host: str = "localhost") -> tuple[str, str]:
    """Make a certificate for this machine; return the files of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{host}.pem", folder / f"{host}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    made, key = certificate(tmp_path_factory.mktemp("ldap"))
    command = [sys.executable, "-W", "ignore", "-m", "tests.ldap_server", made, key]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        plain, tls = process.stdout.readline().split()
        yield Directory(int(plain), int(tls), made)
        process.kill()


@pytest.fixture
def directory(running: Directory, settings: Any) -> Directory:
    """The directory of this installation."""
    configure(settings, running)
    return running


def configure(settings: Any, directory: Directory, **more: Any) -> None:
    """Make it the directory of this installation."""
    settings.CLARIVE_LDAP = {
        "url": f"ldap://localhost:{directory.plain_port}",
        "ca_file": directory.certificate,
        "bind_dn": "cn=reader,dc=example,dc=org",
        "bind_password": "reads-the-directory",
        "user_base": "ou=people,dc=example,dc=org",
        "timeout_seconds": 3,
        **more,
    }


def gets_in(username: str, password: str) -> bool:
    """Return whether somebody gets in with what they type."""
    browser = Browser()
    browser.sign_in(username, password)
    return browser.is_in


@pytest.mark.parametrize("way", ["StartTLS", "ldaps", "ldaps by address"])
def test_a_person_of_the_directory_gets_an_account(directory: Directory, settings: Any, way: str) -> None:
    if way != "StartTLS":
        host = "localhost" if way == "ldaps" else "127.0.0.1"
        configure(settings, directory, url=f"ldaps://{host}:{directory.tls_port}", start_tls=False)
    assert gets_in("eva", EVAS)
    user = User.objects.get()
    assert (user.username, user.first_name, user.last_name, user.email) == (
        "eva",
        "Eva",
        "Ruiz",
        "eva@example.org",
    )
    assert (user.is_superuser, user.is_staff, user.has_usable_password()) == (False, False, False)
    identity = ExternalIdentity.objects.get()
    assert identity.issuer == "ldap:ou=people,dc=example,dc=org"
    assert identity.subject == "11111111-1111-4111-8111-111111111111"
    assert gets_in("EVA", EVAS), "directories do not look at the case"
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("eva", "wrong"), ("eva", ""), ("nopass", ""), ("nopass", "x"), ("nobody", EVAS), ("", EVAS),
        ("*", EVAS), ("ev*", EVAS), ("eva)(uid=*", EVAS), ("eva)(|(uid=*", EVAS), ("*)(uid=*))(|(uid=*", EVAS),
        ("twin", "twins-directory-word"), ("nouuid", "no-uuid-here-word"), ("eva\\2a", EVAS), ("éva", EVAS),
    ],
)  # fmt: skip
def test_nobody_else_gets_in(directory: Directory, username: str, password: str) -> None:
    assert not gets_in(username, password)
    assert not User.objects.exists()


def test_an_empty_password_does_not_reach_the_directory(directory: Directory) -> None:
    from permissions import ldap

    with pytest.raises(TypeError):
        ldap.Directory()  # type: ignore[call-arg]
    found = ldap.Directory(url="ldap://127.0.0.1:9", user_base="x", start_tls=False)
    assert found.person("eva", "") is None
    with pytest.raises(ldap.DirectoryFailed):
        found.person("eva", "x")


def test_failures_are_counted_as_all_are(directory: Directory, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    browser = Browser()
    assert browser.fail("eva", 3).status_code == 429
    assert browser.sign_in("eva", EVAS).status_code == 429
    AccessAttempt.objects.all().delete()
    assert browser.sign_in("eva", EVAS).status_code == 302


def test_a_local_account_of_the_name_is_not_taken_over(directory: Directory) -> None:
    person("eva", is_superuser=True)
    assert not gets_in("eva", EVAS)
    assert gets_in("eva", WORD)
    assert not ExternalIdentity.objects.exists()


def test_an_inactive_user_stays_outside(directory: Directory) -> None:
    assert gets_in("eva", EVAS)
    User.objects.update(is_active=False)
    assert not gets_in("eva", EVAS)


def test_groups_follow_the_directory(directory: Directory, settings: Any) -> None:
    for name in ("ops", "others"):
        Group.objects.create(name=name)
    configure(settings, directory, group_base="ou=groups,dc=example,dc=org", admin_group="admins")
    assert gets_in("eva", EVAS)
    user = User.objects.get()
    user.groups.set(Group.objects.filter(name="others"))
    assert gets_in("eva", EVAS)
    assert [group.name for group in user.groups.all()] == ["ops"]
    assert User.objects.get().is_superuser


@pytest.mark.parametrize(
    "what", ["no trust", "another name", "no certificate file", "wrong service password"]
)
def test_a_directory_that_cannot_be_trusted_is_not_told_a_password(
    directory: Directory, settings: Any, tmp_path: Path, what: str
) -> None:
    ways: dict[str, dict[str, Any]] = {
        "no trust": {"ca_file": certificate(tmp_path, "other")[0]},
        "another name": {"url": f"ldaps://localhost.localdomain:{directory.tls_port}", "start_tls": False},
        "no certificate file": {"ca_file": ""},
        "wrong service password": {"bind_password": "wrong"},
    }
    configure(settings, directory, **ways[what])
    person("ana")
    assert not gets_in("eva", EVAS)
    assert gets_in("ana", WORD)


def test_a_directory_that_is_down_or_silent_keeps_nobody_else_out(
    directory: Directory, settings: Any
) -> None:
    person("ana")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url in ("ldap://127.0.0.1:9", f"ldap://127.0.0.1:{silent.getsockname()[1]}"):
            configure(settings, directory, url=url, timeout_seconds=1)
            began = time.monotonic()
            assert gets_in("ana", WORD)
            answer = Browser().sign_in("eva", EVAS)
            assert "Please enter a correct username and password" in words(answer)
            assert time.monotonic() - began < 8


def test_without_the_directory_its_sessions_end(directory: Directory, settings: Any) -> None:
    browser = Browser()
    browser.sign_in("eva", EVAS)
    assert browser.is_in
    settings.CLARIVE_LDAP = None
    assert not browser.is_in
