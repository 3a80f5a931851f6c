"""The operation notify: whom it reaches, and a real server that takes it, refuses it or is away."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as django_mail
from pytest_django import Settings

from jobs.execution import mail
from rules.engine.host import Mailed
from rules.engine.outcomes import Completed, Failed
from tests.factories import GroupFactory, UserFactory
from tests.remote import RealHost, perform
from tests.smtp_server import SmtpServer
from tests.ssh_server import looping

pytestmark = pytest.mark.django_db

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class MailingHost(RealHost):
    """Sends mail as the hosts of jobs do."""

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> Mailed:
        return mail.send(to, subject, text)


@pytest.fixture
def host(tmp_path: Path) -> MailingHost:
    return MailingHost(tmp_path)


@pytest.fixture
def server(settings: Settings, request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    with looping() as loop:
        found = SmtpServer(loop, refuses=getattr(request, "param", False))
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found
        found.stop()


def failure(outcome: Any) -> str:
    assert isinstance(outcome, Failed), outcome
    return outcome.message


def notify(host: RealHost, to: Any, subject: str = "Shop deployed", text: str = "Done.") -> Any:
    return perform(host, "notify", {"to": to, "subject": subject, "text": text})


def test_a_mail_arrives_at_everybody_who_is_named_once(host: MailingHost, server: SmtpServer) -> None:
    ana = UserFactory.create(username="ana", email="ana@example.org")
    qa = GroupFactory.create(name="qa")
    for user in (ana, UserFactory.create(username="eva", email="eva@example.org")):
        user.groups.add(qa)
    to = ["user:ana", "group:qa", "Ops@example.org", "ops@EXAMPLE.org"]
    outcome = notify(host, to, "Tienda desplegada en {{ environment }} ✓", "Línea uno\n{{ job.name }}\n")
    assert outcome == Completed()
    (letter,) = server.letters
    assert letter.recipients == ("ana@example.org", "eva@example.org", "Ops@example.org")
    message = email.message_from_bytes(letter.data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Subject"] == "Tienda desplegada en DEV ✓"
    assert message["To"] == "ana@example.org, eva@example.org, Ops@example.org"
    assert message["From"] == "Clarive Monitor <clarive@localhost>"
    assert message.get_content().splitlines() == ["Línea uno", "N.DEV-00000007"]
    assert host.record.value == {"to": list(letter.recipients)}


def test_who_cannot_be_reached_is_named_and_left_out(host: MailingHost, server: SmtpServer) -> None:
    UserFactory.create(username="ana", email="ana@example.org")
    UserFactory.create(username="mute", email="")
    UserFactory.create(username="gone", is_active=False)
    GroupFactory.create(name="empty")
    to = ["user:mute", "user:gone", "user:nobody", "group:empty", "group:none", "no address", "user:ana"]
    assert notify(host, to) == Completed()
    assert server.letters[0].recipients == ("ana@example.org",)
    assert [text for level, text in host.lines if level == "warning"] == [
        "No address is known of mute.",
        "There is no active user 'gone' to send mail to.",
        "There is no active user 'nobody' to send mail to.",
        "Nobody is in the group 'empty'.",
        "There is no group 'none' to send mail to.",
        "'no address' is no address: write user:NAME, group:NAME or an address.",
    ]


def test_nobody_at_all_is_a_failure(host: MailingHost, server: SmtpServer) -> None:
    assert failure(notify(host, "user:nobody")) == "There is nobody to send the mail to."
    assert server.letters == []


def test_a_list_from_a_template_stays_a_list(host: MailingHost, server: SmtpServer) -> None:
    host.names = {**host.names, "natures": ["a@example.org", "b@example.org"]}
    assert notify(host, "{{ natures }}") == Completed()
    assert server.letters[0].recipients == ("a@example.org", "b@example.org")


@pytest.mark.parametrize(
    "subject", ["Hi\nBcc: eve@example.org", "Hi\r\nX: y", "Hi\u2028there", "  ", "x" * 501]
)
def test_a_subject_that_would_be_more_than_one_line_is_refused(
    subject: str, host: MailingHost, server: SmtpServer
) -> None:
    assert "subject" in failure(notify(host, "a@example.org", subject))
    assert server.letters == []


@pytest.mark.parametrize(
    "address", ["a@example.org\nBcc: eve@example.org", "a@example.org, eve@example.org", "<a@example.org>"]
)
def test_an_address_that_would_be_more_is_none(address: str, host: MailingHost, server: SmtpServer) -> None:
    assert failure(notify(host, address)) == "There is nobody to send the mail to."
    assert server.letters == []


@pytest.mark.parametrize("server", [True], indirect=True)
def test_a_server_that_refuses(host: MailingHost, server: SmtpServer) -> None:
    message = failure(notify(host, "a@example.org"))
    assert message.startswith("The mail could not be sent: ")
    assert "nobody here" in message


def test_a_server_that_is_away_can_be_retried(host: MailingHost, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.EMAIL_HOST, settings.EMAIL_PORT = listening.getsockname()[:2]
    settings.EMAIL_BACKEND = SMTP
    arguments = {"to": "a@example.org", "subject": "Hi", "text": ""}
    outcome = perform(host, "notify", arguments, retry={"attempts": 2})
    assert failure(outcome).startswith("The mail could not be sent: ")
    assert any(text.startswith("Try 1 failed: The mail could not be sent") for text in host.log_lines)


def test_without_a_server_mail_is_written_to_files(
    host: MailingHost, settings: Settings, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    assert notify(host, "a@example.org") == Completed()
    (written,) = (tmp_path / "mail").iterdir()
    assert "Subject: Shop deployed" in written.read_text()
    assert django_mail.outbox == []
