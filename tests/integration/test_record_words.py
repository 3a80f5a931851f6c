"""The audit page says in the reader's language what records keep in English, and leaves names and values alone."""

from __future__ import annotations

import pytest
from django.utils import timezone

from jobs import record_words
from jobs.models import AuditRecord
from permissions.models import User
from tests.pages import Reader, text

SAID = [
    ("set_secret", "zz of pt3", "{zz of pt3}"),
    ("set_secret", "zz in PROD of pt3", "{zz in PROD of pt3}"),
    ("delete_secret", "zz", "zz"),
    ("delete_environment", "T3: with the secrets zz", "T3: {with the secrets zz}"),
    ("delete_group", "qa: members eva, members", "qa: {members eva, members}"),
    ("change_rule", "web: version 2, as agreed", "web: {version 2, as agreed}"),
    ("create_rule", "web: version 1", "web: {version 1}"),
    ("unlock_sign_in", "ana: from 192.0.2.7", "ana: {from 192.0.2.7}"),
    ("end_sessions", "ana: all but the one that asked", "ana: {all but the one that asked}"),
    ("grant", 'group:qa on PROD: rights ["cancel"] → []', '{group:qa on PROD}: {rights} ["cancel"] → []'),
    (
        "change_project",
        "shop: variables in PROD (a); no variables of its own any more",
        "shop: {variables in PROD} (a); {no variables of its own any more}",
    ),
    ("change_project", "shop: credentials of the repository", "shop: {credentials of the repository}"),
    ("change_environment", 'T: position 3 → 4; name "a; position 1" → "b"', 'T: orden 3 → 4; nombre "a; position 1" → "b"'),
    ("change_user", "ana: password", "ana: contraseña"),
    ("set_semaphore", "disk: 2", "disk: 2"),
    ("rotate_secret", "chat", "chat"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "comment", "shown"), SAID)
def test_the_product_s_own_words_are_translated(
    monkeypatch: pytest.MonkeyPatch, action: str, comment: str, shown: str
) -> None:
    monkeypatch.setattr(record_words, "_", lambda text: f"{{{text}}}")
    assert record_words.said(AuditRecord(action=action, comment=comment)) == shown


def test_a_job_of_a_schedule_says_so_and_what_people_write_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_words, "_", lambda text: f"{{{text}}}")
    made = {"action": "create", "job_id": 1, "comment": "By the schedule c.latest. By hand: rights x"}
    assert record_words.said(AuditRecord(address="schedule c.latest", **made)) == (
        "{By the schedule c.latest.} By hand: rights x"
    )
    assert record_words.said(AuditRecord(address="192.0.2.7", **made)) == made["comment"]
    said = AuditRecord(action="reject", job_id=1, comment="shop: members eva")
    assert record_words.said(said) == "shop: members eva"


@pytest.mark.django_db
def test_list_and_page_show_it_and_the_export_keeps_what_is_there() -> None:
    said = "T: position 3 → 4"
    record = AuditRecord.objects.create(
        at=timezone.now(), action="change_environment", comment=said, source="api"
    )
    reader = Reader(User.objects.create_superuser("root"))
    for address in ("", f"{record.pk}/change/"):
        page = text(reader.get(f"/admin/jobs/auditrecord/{address}"))
        assert "T: orden 3 → 4" in page
        assert said not in page
    assert said in b"".join(reader.get("/admin/jobs/auditrecord/export/")).decode()
