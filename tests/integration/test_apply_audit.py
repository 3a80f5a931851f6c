"""P8 for configuration as code: whatever ``apply`` makes, changes or removes has one record, which says who, what and how.

The kinds come from ``apply`` itself, so that a new one without a case fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from django.utils import timezone

from jobs.acting import Author
from jobs.configuration.apply import KINDS, apply_documents
from jobs.configuration.documents import Source
from jobs.models import AuditRecord

pytestmark = pytest.mark.django_db

WHO: Final = Author("boss", "api", "192.0.2.7")


@dataclass(frozen=True, slots=True)
class Case:
    """A thing of one kind, in three states.

    Attributes:
        first: How documents make it.
        second: How they change it.
        name: What records call it.
        made: The action of its first record.
        changed: Of the second one.
        gone: Of the last one.
        said: What is in the record of the change.
    """

    first: str
    second: str
    name: str
    made: str
    changed: str
    gone: str
    said: str


def _usual(noun: str, first: str, second: str, name: str, said: str) -> Case:
    return Case(first, second, name, f"create_{noun}", f"change_{noun}", f"delete_{noun}", said)


_RULE: Final = '{{source: "name: web\\nsteps: {{RUN: [{{log: {}}}]}}\\n"}}'
_GRANT: Final = '{{principal: "group:ops", environment: QA, rights: [{}]}}'
_SCHEDULE: Final = '{{name: nightly, owner: ana, rule: web, environment: QA, cron: "@daily", comment: {}}}'

CASES: Final[dict[str, Case | None]] = {
    "environments": _usual("environment", "{code: QA, name: One}", "{code: QA, name: Two}", "QA", '"One" → "Two"'),
    "groups": _usual(
        "group", "{name: ops}", "{name: ops, permissions: [jobs.view_project]}", "ops", '[] → ["jobs.view_project"]'
    ),
    "users": _usual(
        "user", "{username: ana, groups: [ops]}", "{username: ana, groups: []}", "ana", '["ops"] → []'
    ),
    "natures": _usual(
        "nature", "{code: py, name: Py, include: [a]}", "{code: py, name: Py, include: [b]}", "py", '["a"] → ["b"]'
    ),
    "rules": _usual("rule", _RULE.format("one"), _RULE.format("two"), "web", "version 2"),
    "projects": _usual(
        "project",
        "{code: shop, name: Shop}",
        "{code: shop, name: Shop, environments: {QA: {variables: {a: 1}}}}",
        "shop",
        "variables in QA (a)",
    ),
    "grants": Case(
        _GRANT.format("view_monitor"), _GRANT.format("view_monitor, cancel"), "group:ops on QA", "grant", "grant", "grant",
        '["view_monitor"] → ["view_monitor", "cancel"]',
    ),
    "schedules": _usual("schedule", _SCHEDULE.format("One"), _SCHEDULE.format("Two"), "nightly", '"One" → "Two"'),
    "semaphores": Case(
        "{name: disk, slots: 1}", "{name: disk, slots: 2}", "disk", "set_semaphore", "set_semaphore", "delete_semaphore", "2"
    ),
    # Their values are in no document, so that nothing is made, changed or removed.
    "secrets": None,
    "subscriptions": _usual(
        "subscription",
        "{name: chat, addresses: [a@example.org]}",
        "{name: chat, addresses: [b@example.org]}",
        "chat",
        '["a@example.org"] → ["b@example.org"]',
    ),
    "retention": _usual(
        "retention",
        "{removes: log, environment: QA, keep_days: 30}",
        "{removes: log, environment: QA, keep_days: 60}",
        "log of QA",
        "30 → 60",
    ),
}  # fmt: skip


def _applied(documents: str, *, prune: bool = False) -> list[tuple[str, str]]:
    """Apply documents, and return action and comment of the records that this left, all of them of who applied them."""
    before = set(AuditRecord.objects.values_list("pk", flat=True))
    apply_documents([Source("site.yaml", documents, Path())], now=timezone.now(), prune=prune, author=WHO)
    found = AuditRecord.objects.exclude(pk__in=before).order_by("pk")
    assert {(each.user, each.source, each.address) for each in found} <= {("boss", "api", "192.0.2.7")}
    return [(each.action, each.comment) for each in found]


def test_every_change_of_every_kind_has_one_record_that_says_who_what_and_how() -> None:
    assert set(CASES) == {kind.key for kind in KINDS}, (
        "Nobody has said what records of these kinds look like."
    )
    cases = {key: case for key, case in CASES.items() if case is not None}
    whole = "\n".join(f"{key}: [{case.first}]" for key, case in cases.items())
    made = _applied(whole)
    assert sorted(action for action, _said in made) == sorted(case.made for case in cases.values())
    for case in cases.values():
        assert any(action == case.made and case.name in said for action, said in made), (case, made)
    assert _applied(whole) == [], "what is so already is no decision"
    for key, case in cases.items():
        ((action, said),) = _applied(f"{key}: [{case.second}]")
        assert (action, case.name in said, case.said in said) == (case.changed, True, True), (
            key,
            action,
            said,
        )
    for key in (kind.key for kind in reversed(KINDS) if kind.key in cases):
        ((action, said),) = _applied(f"{key}: []", prune=True)
        assert (action, cases[key].name in said) == (cases[key].gone, True), (key, action, said)
