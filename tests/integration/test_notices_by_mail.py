"""Mail about jobs through a real server: who gets it, in which language, and who does not."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Final

import pytest
from django.utils import timezone
from pytest_django import Settings

from jobs import daemon
from jobs.actions.base import actions
from jobs.audit import Actor
from jobs.models import Delivery, Job, MailChoice, Notice
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, GroupFactory, JobFactory, UserFactory, grant, user_with
from tests.life import Cast, fresh, pass_time, work
from tests.notices import deliver, hurry, states, subscribe
from tests.receiver import Received, receiving
from tests.smtp_server import SmtpServer
from tests.ssh_server import looping

pytestmark = pytest.mark.django_db

SEES = Right.VIEW_MONITOR


@pytest.fixture
def server(settings: Settings, request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    settings.CLARIVE_URL = "https://monitor.example.org/"
    with looping() as loop:
        found = SmtpServer(loop, refuses=getattr(request, "param", False))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found
        found.stop()


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


def mails(server: SmtpServer) -> list[tuple[str, str, str]]:
    """Return address, subject and text of what came, in order of address."""
    found = []
    for letter in server.letters:
        message = email.message_from_bytes(letter.data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        (address,) = letter.recipients
        found.append((address, str(message["Subject"]), message.get_content()))
    return sorted(found)


def addresses(server: SmtpServer) -> list[str]:
    return [address for address, _, _ in mails(server)]


def failed(prod: Environment, creator: User, **fields: Any) -> Job:
    return JobFactory.at(
        "RUN", "abend", name="N.PROD-00000007", environment=prod, created_by=creator, **fields
    )


def test_the_creator_reads_in_their_language_what_happened(server: SmtpServer, prod: Environment) -> None:
    ana = user_with(SEES, username="ana", language="en", time_zone="UTC")
    job = failed(prod, ana)
    deliver()
    ((address, subject, text),) = mails(server)
    assert address == "ana@example.org"
    assert subject == "N.PROD-00000007: its worker is gone (abend)"
    for part in (
        "Environment: PROD",
        "Revisions: v1.0.0 (",
        "Status: RUN / Abend",
        "(UTC)",
        f"https://monitor.example.org/jobs/{job.pk}/",
        "because you created the job",
    ):
        assert part in text
    assert len(text.splitlines()) < 25


def test_who_did_it_needs_no_mail(server: SmtpServer, prod: Environment) -> None:
    ana = user_with(SEES, Right.CANCEL, username="ana")
    boss = user_with(SEES, Right.CANCEL, username="boss")
    first = JobFactory.at("RUN", "ready", environment=prod, created_by=ana)
    second = JobFactory.at("RUN", "ready", environment=prod, created_by=ana)
    for job, who in ((first, ana), (second, boss)):
        actions()["cancel"].execute(job.pk, actor=Actor(who, "api"), now=timezone.now(), comment="No need")
    (notice,) = Notice.objects.all()
    assert (notice.job_id, notice.actor) == (second.pk, "boss")
    assert notice.payload["comment"] == "No need"
    deliver()
    assert addresses(server) == ["ana@example.org"]
    assert "boss" in mails(server)[0][2]


def test_approvers_are_asked_who_may_act_there(server: SmtpServer, prod: Environment) -> None:
    qa = GroupFactory.create(name="qa")
    cast = Cast(prod, qa=qa)
    creator = user_with(SEES, environments=[prod], username="maker")
    for name, sees in (("eva", True), ("blind", False), ("out", True)):
        person = UserFactory.create(username=name, is_active=name != "out", language="en")
        person.groups.add(qa)
        if sees:
            grant(person, SEES, environments=[prod])
    user_with(SEES, environments=[prod], username="bystander")
    source = "PRE:\n  - approval: {approvers: ['group:qa', 'user:maker'], exclude_creator: true}\n"
    job = cast.job(source, created_by=creator, name="N.PROD-00000009")
    work(job)
    notice = Notice.objects.get(event="approval_requested")
    assert notice.payload["approval"]["approvers"] == ["group:qa", "user:maker"]
    deliver()
    asked = [mail for mail in mails(server) if "approv" in mail[1]]
    assert [address for address, _, _ in asked] == ["eva@example.org"]
    assert asked[0][1] == "N.PROD-00000009: waits for approval"
    assert "May approve:\ngroup:qa, user:maker" in asked[0][2].replace("\r", "")
    dropped = Delivery.objects.get(state="dropped")
    assert (dropped.address, dropped.reason) == ("blind@example.org", "The user may not see the job.")


def test_a_trap_says_why_and_until_when(server: SmtpServer, prod: Environment) -> None:
    cast = Cast(prod)
    ana = cast["ana"]
    ana.language, ana.time_zone = "en", "UTC"
    ana.save()
    source = "RUN:\n  - fail: no route to host\n    on_error: trap\n    trap: {timeout: 1h}\n"
    work(cast.job(source, created_by=ana, name="N.PROD-00000010"))
    notice = Notice.objects.get(event="trapped")
    assert notice.payload["trap"]["error"] == "no route to host"
    deliver()
    ((_, subject, text),) = mails(server)
    assert subject == "N.PROD-00000010: trapped in RUN, somebody has to decide"
    assert "Reason:\nno route to host" in text.replace("\r", "")
    assert "Answer until: " in text


def test_who_lost_the_right_meanwhile_gets_nothing(server: SmtpServer, prod: Environment) -> None:
    """P7 at the moment of sending; one who still holds it is the control."""
    ana = user_with(SEES, environments=[prod], username="ana")
    eva = user_with(SEES, environments=[prod], username="eva")
    subscribe(users=["ana", "eva"], events=["abend"])
    failed(prod, UserFactory.create(email=""))
    policy.revoke(ana, SEES, prod)
    assert eva.is_active
    deliver()
    assert addresses(server) == ["eva@example.org"]
    assert Delivery.objects.get(user=ana).reason == "The user may not see the job."


@pytest.mark.parametrize("server", [True], indirect=True)
def test_who_left_the_group_before_the_next_try_gets_nothing(server: SmtpServer, prod: Environment) -> None:
    qa = GroupFactory.create(name="qa")
    ana = user_with(SEES, environments=[prod], username="ana")
    ana.groups.add(qa)
    subscribe(groups=["qa"], events=["abend"])
    failed(prod, UserFactory.create(email=""))
    deliver()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries) == ("pending", 1)
    assert "550" in delivery.reason
    ana.groups.remove(qa)
    hurry()
    deliver()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("dropped", "The user is no longer in the group qa.")


def test_one_mail_goes_to_an_address_whatever_it_is_for(server: SmtpServer, prod: Environment) -> None:
    ana = user_with(SEES, username="ana")
    ana.groups.add(GroupFactory.create(name="qa"))
    subscribe(users=["ana"], groups=["qa"], addresses=["Ana@Example.org", "team@example.org"])
    failed(prod, ana)
    deliver()
    of_the_end = [mail for mail in mails(server) if "abend" in mail[1]]
    assert [address for address, _, _ in of_the_end] == ["ana@example.org", "team@example.org"]


def test_addresses_read_the_language_of_the_installation(
    server: SmtpServer, prod: Environment, settings: Settings
) -> None:
    settings.LANGUAGE_CODE = "en"
    subscribe(addresses=["team@example.org"], events=["abend"])
    failed(prod, UserFactory.create(email=""))
    deliver()
    assert "Environment: PROD" in mails(server)[0][2]


def test_people_can_do_without_their_own_mail(server: SmtpServer, prod: Environment) -> None:
    ana = user_with(SEES, username="ana")
    MailChoice.objects.create(user=ana, own=False)
    failed(prod, ana)
    deliver()
    assert server.letters == []


def test_a_mail_server_that_is_away_is_tried_again(prod: Environment, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    failed(prod, user_with(SEES, username="ana"))
    deliver()
    delivery = Delivery.objects.get()
    assert states() == [("abend", "pending")]
    assert delivery.next_at is not None
    assert delivery.next_at > timezone.now() + timedelta(seconds=5)
    assert delivery.reason.startswith("The mail could not be sent:")


DECIDED: Final = ("approval_requested", "rejected", "expired", "trap_answered")
GATE: Final = "PRE:\n  - approval: {approvers: ['user:eva']}\n"
TRAP: Final = (
    "RUN:\n  - fail: no route to host\n    on_error: trap\n    trap: {timeout: 1h, on_timeout: skip}\n"
)


def test_what_people_and_clocks_decide_is_told_to_programs_and_to_people_in_spanish(
    server: SmtpServer, prod: Environment, settings: Settings
) -> None:
    """By the real runner, actions and daemon: none of these notices is written by the test."""
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = ["127.0.0.1"]
    cast = Cast(prod)
    user_with(SEES, username="lola", language="es", time_zone="Europe/Madrid", environments=[prod])
    with receiving() as receiver:
        subscribe("programs", url=receiver.url, events=list(DECIDED))
        subscribe("people", users=["lola"], events=list(DECIDED))
        refused, late, asked, forgotten = _jobs_that_are_decided(cast)
        deliver()
    told = {
        name: [(each.json["event"], each.json["actor"]) for each in receiver.received if _name(each) == name]
        for name in {_name(each) for each in receiver.received}
    }
    assert told == {
        refused.name: [("approval_requested", None), ("rejected", "eva")],
        late.name: [("approval_requested", None), ("expired", None), ("approval_requested", "boss")],
        asked.name: [("trap_answered", "boss")],
        forgotten.name: [("trap_answered", None)],
    }
    answers = [each.json["trap"]["answer"] for each in receiver.received if each.json["trap"]]
    assert sorted(answers) == ["abort", "skip"]
    again = [each.json for each in receiver.received if _name(each) == late.name][-1]
    assert (again["job"]["status"], again["approval"]["approvers"]) == ("pending_approval", ["user:eva"])
    _lola_reads_it_in_spanish(server, refused, late, asked, forgotten)


def _jobs_that_are_decided(cast: Cast) -> tuple[Job, Job, Job, Job]:
    """Reject one; let one be late and plan it anew; answer a trap, and let the clock answer another."""
    refused, late = work(cast.job(GATE)), work(cast.job(GATE))
    asked, forgotten = work(cast.job(TRAP)), work(cast.job(TRAP))
    cast.do(refused, "eva", "reject", comment="Faltan pruebas")
    cast.do(asked, "boss", "abort", comment="Mañana")
    pass_time(late, timedelta(days=2).total_seconds())
    pass_time(forgotten, timedelta(hours=2).total_seconds())
    daemon.tick()
    assert [fresh(job).status for job in (late, forgotten)] == ["expired", "ready"]
    later = timezone.now() + timedelta(hours=1)
    assert cast.do(late, "boss", "reschedule", scheduled_at=later).status == "pending_approval"
    return refused, late, asked, forgotten


def _name(received: Received) -> str:
    return str(received.json["job"]["name"])


def _lola_reads_it_in_spanish(
    server: SmtpServer, refused: Job, late: Job, asked: Job, forgotten: Job
) -> None:
    hers = [
        (subject, text.replace("\r", "")) for to, subject, text in mails(server) if to == "lola@example.org"
    ]
    assert sorted(subject for subject, _ in hers) == sorted(
        [
            *[f"{job.name}: espera aprobación" for job in (refused, late, late)],
            *[f"{job.name}: la captura tiene respuesta" for job in (asked, forgotten)],
            f"{refused.name}: rechazado",
            f"{late.name}: expirado",
        ]
    )
    (text,) = [text for subject, text in hers if subject.endswith("rechazado")]
    for part in (
        f"{refused.name}: rechazado. Por eva.",
        "Entorno: PROD",
        "Estado: PRE / Rechazado",
        "(Europe/Madrid)",
        "Motivo:\nRechazado por eva: Faltan pruebas",
        "Comentario:\nFaltan pruebas",
        f"https://monitor.example.org/jobs/{refused.pk}/",
        "por la suscripción people",
    ):
        assert part in text, text
    (text,) = [text for subject, text in hers if subject.startswith(f"{asked.name}: la captura")]
    assert "Respuesta: Abortar" in text, text
