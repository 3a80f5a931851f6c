"""Subscriptions in documents: made, changed, taken away, exported without their secrets."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.export import export_text
from jobs.configuration.problems import ConfigurationInvalid
from jobs.models import Subscription
from jobs.notifications import keys
from jobs.secrets import vault

pytestmark = pytest.mark.django_db

DOCUMENT = """
environments: [{code: PROD}]
groups: [{name: qa}]
users: [{username: ana, email: ana@example.org}]
subscriptions:
  - name: chat
    events: [trapped, ended]
    environments: [PROD]
    users: [ana]
    groups: [qa]
    addresses: [team@example.org]
    webhook: https://hook.example.org/x
"""


def apply(text: str, *, prune: bool = False) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    source = Source("site.yaml", text, Path())
    return apply_documents([source], now=timezone.now(), prune=prune, notes=notes), notes


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        apply(text)
    return [str(problem).removeprefix("site.yaml:") for problem in caught.value.problems]


def test_what_is_applied_is_exported_without_the_secret_and_changes_nothing() -> None:
    lines, notes = apply(DOCUMENT)
    assert "created subscription chat" in lines
    assert notes == [
        "subscription chat has a new secret that nobody has seen: change it in the administration"
    ]
    (secret,) = keys.current(Subscription.objects.get(), timezone.now())
    written = export_text(["subscriptions"])
    assert secret not in written
    assert "https://hook.example.org/x" in written
    assert apply(written) == ([], [])
    assert keys.current(Subscription.objects.get(), timezone.now()) == [secret]
    Subscription.objects.all().delete()
    assert apply(written)[0] == ["created subscription chat"]
    assert export_text(["subscriptions"]) == written


def test_what_is_left_out_stays_and_an_empty_text_takes_the_webhook_away() -> None:
    apply(DOCUMENT)
    lines, _ = apply("subscriptions: [{name: chat, enabled: false, events: []}]")
    assert lines == ["changed subscription chat: enabled, events"]
    lines, _ = apply('subscriptions: [{name: chat, webhook: ""}]')
    assert lines == ["changed subscription chat: webhook"]
    row = Subscription.objects.get()
    assert (row.webhook_url, row.secret, row.users) == ("", None, ["ana"])
    assert apply("subscriptions: []", prune=True)[0] == ["removed subscription chat"]


def test_mistakes_are_told_with_their_lines() -> None:
    text = """subscriptions:
  - {name: a, evnts: []}
  - {name: b, events: [trappd], addresses: [x@example.org]}
  - {name: c, environments: [PROD], addresses: [x@example.org]}
  - {name: d}
  - {name: e, webhook: "http://127.0.0.1/"}
"""
    assert refused(text) == [
        "2: subscription has no key evnts. Did you mean events?",
        "2: subscription needs users, groups, addresses or a webhook.",
        "3: There is no event trappd. Did you mean trapped?",
        "4: environments: Unknown environment: PROD.",
        "5: subscription needs users, groups, addresses or a webhook.",
        "6: webhook: 127.0.0.1 leads to 127.0.0.1, which is not a public address. "
        "CLARIVE_WEBHOOK_PRIVATE_TARGETS can allow it.",
    ]


def test_secrets_are_encrypted_anew_with_the_others(settings: Settings) -> None:
    apply(DOCUMENT)
    (secret,) = keys.current(Subscription.objects.get(), timezone.now())
    old = list(settings.CLARIVE_SECRETS_KEYS)
    settings.CLARIVE_SECRETS_KEYS = ["n" * 40, *old]
    call_command("rotate_secrets", stdout=io.StringIO())
    settings.CLARIVE_SECRETS_KEYS = ["n" * 40]
    assert keys.current(Subscription.objects.get(), timezone.now()) == [secret]
    assert vault.key_ring() is not None
