"""Whatever is sent to the administration, it answers: every registered model, its lists, actions, forms and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs import audit
from jobs.audit import Author
from jobs.models import (
    Approval,
    AuditRecord,
    Job,
    Nature,
    Project,
    ProjectEnvironment,
    RetentionPolicy,
    Schedule,
    Secret,
    Semaphore,
    Subscription,
    Trap,
    WorkerSeen,
)
from jobs.secrets import vault
from permissions import tokens
from permissions.models import ApiToken, Environment, ExternalIdentity, User
from rules.models import Rule
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    ScheduleFactory,
    UserFactory,
)
from tests.notices import subscribe
from tests.turns import WHOLE, due

pytestmark = pytest.mark.django_db

MODELS: Final = sorted(admin.site._registry, key=lambda model: model._meta.label)
LONG: Final = "x" * 1_000_000
ODD: Final = ("\0", "zz", "9" * 30, '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e999}')
"""What a field is sent; each fits some of them."""

TRIED: Final = due(MODELS, every=3)
"""The models that have their turn."""


class Form(HTMLParser):
    """What a browser would send of the first form of a page that is posted to itself."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self._select = self._area = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field."""
        found = dict(attrs)
        name, value = found.get("name") or "", found.get("value") or ""
        if tag == "select":
            self._select = name
            self.data.setdefault(name, [])
        elif tag == "option" and self._select and "selected" in found:
            self.data[self._select].append(value)
        elif tag == "textarea":
            self._area = name
            self.data[name] = [""]
        elif tag == "input" and name:
            kind = found.get("type")
            ticked = kind not in {"checkbox", "radio"} or "checked" in found
            if kind not in {"submit", "button"} and ticked:
                self.data.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a field."""
        if tag in {"select", "textarea"}:
            self._select = self._area = ""

    def handle_data(self, data: str) -> None:
        """Note what stands in a text area."""
        if self._area:
            self.data[self._area][0] += data


class Hand:
    """A superuser who sends anything, and notes what was answered with an error. Nothing of it stays."""

    def __init__(self, user: User) -> None:
        self.client = Client(raise_request_exception=False, headers={"accept-language": "en"})
        self.client.force_login(user)
        self.broken: list[str] = []
        self.sent = 0

    @property
    def told(self) -> str:
        """What was answered with an error, a line each."""
        return f"{len(self.broken)} of {self.sent}:\n" + "\n".join(self.broken)

    def send(self, address: str, data: dict[str, Any] | None = None) -> Any:
        """Send it and return the answer."""
        with transaction.atomic():
            answer = self.client.get(address) if data is None else self.client.post(address, data)
            transaction.set_rollback(True)
        self.sent += 1
        if answer.status_code >= 500:
            cause = getattr(answer, "exc_info", None)
            odd = {name: repr(value)[:60] for name, value in (data or {}).items()}
            self.broken.append(f"{address[:200]}: {repr(cause and cause[1])[:300]} {odd}"[:1500])
        return answer


@pytest.fixture
def hand() -> Iterator[Hand]:
    user = UserFactory.create(username="root", password="!", is_staff=True, is_superuser=True)
    found = Hand(user)
    yield found
    assert not found.broken, found.told


def row(model: type[Model]) -> Model:
    """Return a row of a registered model; a new one has to be made here."""
    now = timezone.now()
    attempt = {"username": "ana", "ip_address": "10.0.0.1", "user_agent": "a", "path_info": "/login/"}
    wait = {
        "attempt": 1,
        "step": "RUN",
        "path": "RUN[0]",
        "operation": "ask",
        "began_at": now,
        "closed_at": now,
    }
    factories: dict[type[Model], Any] = {
        Environment: EnvironmentFactory, Group: GroupFactory, Job: JobFactory, Nature: NatureFactory,
        Project: ProjectFactory, Rule: RuleFactory, Schedule: ScheduleFactory, User: UserFactory,
    }  # fmt: skip
    fields: dict[type[Model], dict[str, Any]] = {
        AccessAttempt: {**attempt, "failures_since_start": 1},
        AccessFailureLog: {**attempt, "locked_out": False},
        AccessLog: attempt,
        PeriodicTask: {"name": "t", "task": "t", "interval": IntervalSchedule(every=1, period="days")},
        RetentionPolicy: {"removes": "log", "keep_days": 30},
        Semaphore: {"name": "gate", "slots": 2},
        WorkerSeen: {"name": "w", "host": "h", "pid": 1, "queues": [], "started_at": now, "seen_at": now},
    }
    if model in factories:
        made: Model = factories[model].create()
        if isinstance(made, Project):
            ProjectEnvironment.objects.create(project=made, environment=EnvironmentFactory.create())
        return made
    if model in fields:
        if model is PeriodicTask:
            fields[model]["interval"].save()
        return model._default_manager.create(**fields[model])
    if model in {Approval, Trap}:
        closed = (
            {"result": "void"}
            if model is Approval
            else {"answer": "void", "on_timeout": "abort", "deadline": now}
        )
        return model._default_manager.create(job=JobFactory.create(), **wait, **closed)
    if model is Secret:
        vault.keep("token", "a long secret", vault.Scope(None, None), by=Author("root", "admin", ""), now=now)
        return Secret.objects.get()
    if model is ApiToken:
        tokens.issue(UserFactory.create(), name="t")
        return ApiToken.objects.get()
    if model is ExternalIdentity:
        return ExternalIdentity.objects.create(user=UserFactory.create(), issuer="i", subject="s")
    if model is Subscription:
        return subscribe(addresses=["a@example.org"])
    assert model is AuditRecord
    audit.record_setting(Author("root", "admin", ""), "set_semaphore", now=now, comment="gate: 2")
    return AuditRecord.objects.get()


def pages(model: type[Model]) -> tuple[str, ModelAdmin[Any]]:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/", admin.site._registry[model]


@pytest.mark.parametrize("model", TRIED, ids=lambda model: model._meta.label)
def test_lists_and_actions(hand: Hand, model: type[Model]) -> None:
    made = row(model)
    address, model_admin = pages(model)
    filters = [each[0] if isinstance(each, tuple) else each for each in model_admin.list_filter]
    for name in [str(getattr(each, "parameter_name", each)) for each in filters]:
        for lookup in ("", "__exact", "__gte", "__isnull", "__in", "__regex") if WHOLE else ("", "__gte"):
            hand.send(f"{address}?{urlencode({f'{name}{lookup}': ODD[len(lookup) % 3]})}")
        hand.send(f"{address}?{urlencode({f'{name}__gte': '9999-12-31T23:59:59Z'})}")
    for name in ("q", "o", "p", "_popup", "_to_field", "e", "\0"):
        hand.send(f"{address}?{urlencode({name: ODD[0]})}")
    hand.send(f"{address}?{urlencode({'q': 'a ' * 20_000})}")
    hand.send(f"{address}?o=-99.99.-.{'9' * 5000}&p={'9' * 5000}")
    for action in [*model_admin.get_actions(hand.send(address).wsgi_request), "delete_selected"]:
        for odd in ("abc", "\0", "9" * 31):
            hand.send(address, {"action": action, "_selected_action": odd, "post": "yes"})
    confirmed = {"confirmed": "1", "seen": "\0:9:x", "comment": "\0", "step": LONG, "index": "-99"}
    hand.send(address, {"action": "job_cancel", "_selected_action": made.pk, **confirmed})
    hand.send(address, {"_save": "1", "form-0-id": "\0", "form-TOTAL_FORMS": "x"})
    assert not hand.broken, hand.told


@pytest.mark.parametrize("model", TRIED, ids=lambda model: model._meta.label)
def test_addresses(hand: Hand, model: type[Model]) -> None:
    row(model)
    address, _model_admin = pages(model)
    of_rules = ("versions/1/", "versions/\0/dry-run/", "diff/") if model is Rule else ()
    for key in ("\0", "abc", "9" * 20, "9" * 5000) if WHOLE else ("\0", "9" * 20):
        for way in ("change/", "delete/", "history/", "", *of_rules):
            hand.send(f"{address}{quote(key)}/{quote(way)}")
    label, name = model._meta.app_label, model._meta.model_name
    for field in model._meta.get_fields():
        query = {"app_label": label, "model_name": name, "field_name": field.name, "term": "\0"}
        hand.send(f"/admin/autocomplete/?{urlencode(query)}")
        if not field.auto_created:
            for odd in ODD[:2] if WHOLE else ODD[:1]:
                hand.send(f"{address}add/?{urlencode({field.name: odd})}")
    assert not hand.broken, hand.told


@pytest.mark.parametrize("model", TRIED, ids=lambda model: model._meta.label)
def test_forms(hand: Hand, model: type[Model]) -> None:
    made = row(model)
    address, _model_admin = pages(model)
    for page in (f"{address}add/", f"{address}{made.pk}/change/"):
        shown = hand.send(page)
        whole = {**Form(shown.content.decode()).data, **beginning(model)} if shown.status_code == 200 else {}
        whole.pop("_try", None)
        if len(whole) < 2:
            hand.send(page, {"name": "\0"})
            continue
        hand.send(page, {})
        fields = [name for name in whole if "__prefix__" not in name and name != "csrfmiddlewaretoken"]
        for number, name in enumerate(fields if WHOLE or page.endswith("change/") else ()):
            for odd in ODD if WHOLE or "variables" in name else [ODD[number % 3]]:
                hand.send(page, {**whole, name: odd})
        hand.send(page, {key: value for key, value in whole.items() if not key.endswith("_FORMS")})
        hand.send(page, {**dict.fromkeys(fields, ODD[1]), "_popup": ODD[0]})
        hand.send(page, {**whole, fields[0]: LONG})
    assert not hand.broken, hand.told


def beginning(model: type[Model]) -> dict[str, Any]:
    """Return what makes the form of a new row complete, so that what is sent gets as far as the database."""
    return {
        Environment: {"code": "NEW", "name": "New", "position": "1", "colour": "#123456"},
        Project: {"code": "new", "name": "New"},
        Group: {"name": "new"},
        Nature: {"code": "new", "name": "New", "include": "*.py"},
        Semaphore: {"name": "new", "slots": "1"},
        Secret: {"name": "new", "value": "another fish"},
        ApiToken: {"name": "new", "user": str(User.objects.values_list("pk", flat=True)[0])},
        User: {"username": "new", "usable_password": "false", "date_joined_0": "2026-01-01"},
        ExternalIdentity: {
            "issuer": "new",
            "subject": "new",
            "user": str(User.objects.values_list("pk", flat=True)[0]),
        },
        Rule: {"source": "name: new\nsteps:\n  RUN:\n    - run: echo\n"},
    }.get(model, {})


def test_what_no_page_shows_cannot_be_asked_for(hand: Hand) -> None:
    for address in (
        "permissions/user/?password__startswith=p",
        "permissions/apitoken/?digest__startswith=a",
        "permissions/apitoken/?rights__contains=%00",
        "permissions/user/?username__regex=%5B",
        "permissions/environment/?expiry__gte=99999999999999999999",
        "jobs/project/?variables__has_key=a",
        "jobs/secret/?ciphertext__startswith=a",
        "jobs/job/?name__regex=(",
        "auth/group/?user__password__startswith=p",
    ):
        assert hand.send(f"/admin/{address}").status_code == 400, address
    assert hand.send("/admin/jobs/auditrecord/export/?user=%00").status_code == 400
    EnvironmentFactory.create()
    answer = hand.send("/admin/jobs/job/?environment=%00")
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/admin/jobs/job/?e=1")
    assert "cannot be filtered like that" in hand.send("/admin/jobs/job/?e=1").content.decode()
    assert hand.send("/admin/jobs/auditrecord/?job_id__exact=1").status_code == 200


def test_a_refused_table_repeats_little(hand: Hand) -> None:
    environment = EnvironmentFactory.create()
    address = f"/admin/permissions/environment/{environment.pk}/rights/"
    answer = hand.send(address, {"shown": f"user:\x07{'y' * 5000}=", "granted": []})
    said = [line for line in answer.context["refusals"] if "yyy" in line]
    assert answer.status_code == 400
    assert len(said[0]) < 300
    assert "\x07" not in said[0]


def test_permissions_are_named_in_the_readers_language(hand: Hand) -> None:
    picked = hand.send("/admin/auth/group/add/").content.decode()
    assert "log entry | Can add log entries" in picked
