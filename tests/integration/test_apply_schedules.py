"""``schedules`` in documents: what they write, what they refuse, and that what is exported changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation
from ruamel.yaml import YAML

from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.kinds.schedules import Schedules
from jobs.configuration.problems import ConfigurationInvalid
from jobs.models import Schedule
from tests.factories import EnvironmentFactory, RuleFactory, ScheduleFactory, UserFactory

pytestmark = pytest.mark.django_db

BASE = """\
environments: [{code: QA, name: QA}]
users: [{username: ana, password: a-long-enough-secret}]
rules: [{source: "name: nightly\\nsteps: {RUN: [{log: x}]}\\n"}]
projects: [{code: shop, name: Shop, repository: /srv/shop.git}]
"""
FULL = """\
schedules:
  - name: nightly-qa
    enabled: false
    owner: ana
    rule: nightly
    environment: QA
    project: shop
    type: static
    revisions: [main, v1]
    urgent: true
    comment: Each night
    variables: {depth: 3}
    delay: 90m
    cron: "30 2 * * 1-5"
    time_zone: Europe/Madrid
    starts_at: "2026-12-01T00:00"
    ends_at: "2027-12-01T00:00+00:00"
    overlap: allow
    catch_up: all
"""
SMALL = 'schedules: [{name: nightly-qa, owner: ana, rule: nightly, environment: QA, cron: "@daily"}]'


def run(text: str, **options: Any) -> list[str]:
    with translation.override("en"):
        return apply_documents([Source("c.yaml", text, Path())], now=timezone.now(), **options)


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        run(text)
    return [str(problem).removeprefix("c.yaml:") for problem in caught.value.problems]


def exported() -> str:
    lines: list[str] = []

    class Out:
        def write(self, data: bytes) -> None:
            lines.append(data.decode())

    YAML(typ="safe", pure=True).dump({"schedules": Schedules().export()}, Out())
    return "".join(lines)


def test_a_schedule_is_made_with_all_it_says() -> None:
    assert run(BASE + FULL)[-1] == "created schedule nightly-qa"
    schedule = Schedule.objects.get()
    assert (schedule.owner.username, schedule.rule.slug, schedule.environment.code) == (
        "ana",
        "nightly",
        "QA",
    )
    assert schedule.project is not None
    assert (schedule.project.code, schedule.revisions, schedule.variables) == (
        "shop",
        ["main", "v1"],
        {"depth": 3},
    )
    assert (schedule.cron, schedule.interval, schedule.delay) == ("30 2 * * 1-5", None, timedelta(minutes=90))
    assert schedule.starts_at == datetime(2026, 11, 30, 23, tzinfo=UTC), "without an offset, in its zone"
    assert (schedule.enabled, schedule.next_run_at, schedule.overlap, schedule.catch_up) == (
        False, None, "allow", "all"
    )  # fmt: skip


def test_again_changes_nothing_and_neither_does_what_is_exported() -> None:
    run(BASE + FULL)
    assert run(BASE + FULL) == []
    text = exported()
    assert run(text) == []
    before = Schedules().export()
    assert run("schedules: []", prune=True) == ["removed schedule nightly-qa"]
    assert run(text) == ["created schedule nightly-qa"]
    assert Schedules().export() == before


def test_what_is_written_changes_and_what_is_not_stays() -> None:
    run(BASE + FULL)
    said = run(
        'schedules: [{name: nightly-qa, enabled: true, every: 2h, project: "", revisions: [], ends_at: ""}]'
    )
    assert said == ["changed schedule nightly-qa: cron, enabled, revisions, ends_at, every, project"]
    schedule = Schedule.objects.get()
    assert (schedule.cron, schedule.interval, schedule.project, schedule.ends_at) == (
        "", timedelta(hours=2), None, None
    )  # fmt: skip
    assert schedule.comment == "Each night"
    assert schedule.next_run_at == schedule.starts_at
    assert run('schedules: [{name: nightly-qa, cron: "@hourly"}]') == [
        "changed schedule nightly-qa: cron, every"
    ]


@pytest.mark.parametrize("first", [FULL, SMALL])
def test_an_export_brings_back_whatever_was_changed(first: str) -> None:
    run(BASE + first)
    kept = exported()
    Schedule.objects.all().delete()
    run(SMALL if first == FULL else FULL)
    Schedule.objects.filter(cron="@daily").update(
        owner=UserFactory.create(), rule=RuleFactory.create(), environment=EnvironmentFactory.create(),
        enabled=True, type="promote", urgent=False, cron="", interval=timedelta(hours=7), time_zone="Asia/Tokyo",
    )  # fmt: skip
    assert exported() != kept
    changed = run(kept)[-1]
    for field in Schedules.keys:
        if field not in ("name", "every"):
            assert field in changed or first == SMALL, field
    assert exported() == kept
    assert run(kept) == []


def test_an_owner_who_may_not_create_there_is_noted() -> None:
    def notes(text: str, **options: Any) -> list[str]:
        found: list[str] = []
        run(text, notes=found, **options)
        return found

    said = ["schedule nightly-qa makes no jobs: its owner ana may not create any in QA"]
    assert notes(BASE + SMALL) == said
    granted = "grants: [{principal: 'user:ana', environment: QA, rights: [view_monitor, create]}]\n"
    assert notes(granted + SMALL) == []
    assert notes("grants: []\n" + SMALL, prune=True) == said, "as it is once all is done"
    assert notes(SMALL.replace("name: nightly-qa", "name: nightly-qa, enabled: false")) == []


def test_mistakes_are_named_with_their_line() -> None:
    run(BASE)
    assert refused("schedules:\n  - {name: a, enabled: true}\n") == [
        "2: schedule needs cron or every.",
        "2: schedule needs environment.",
        "2: schedule needs owner.",
        "2: schedule needs rule.",
    ]
    item = SMALL.removeprefix("schedules: [{").removesuffix("}]")
    for extra, said in (
        ("every: 5m", "1: schedule takes cron or every, not both."),
        ("overlap: skipp", "1: There is no overlap skipp. Did you mean skip?"),
        ("type: promotes", "1: There is no type promotes. Did you mean promote?"),
        ("starts_at: soon", '1: starts_at must be a date. Write it as "2026-03-01T10:00" or with an offset.'),
        ("time_zone: Europe/Madird", "1: time_zone: Europe/Madird is not a time zone."),
        ("variables: {a b: 1}", "1: variables: 'a b' is not a name: use letters, digits and underscore."),
        ("revisions: [main]", "1: project: Revisions need a project."),
        ("project: shpo", "1: There is no project shpo. Did you mean shop?"),
    ):
        found = refused(f"schedules: [{{{item}, {extra}}}]")
        assert found == [said]
    for old, new, said in (
        (
            '"@daily"',
            "often",
            "1: cron: Write five fields: minute, hour, day of the month, month, day of the week.",
        ),
        ("owner: ana", "owner: anna", "1: There is no owner anna. Did you mean ana?"),
        ("environment: QA", "environment: QQ", "1: There is no environment QQ. Known are: QA."),
        ('"@daily"', '"0 0 31 2 *"', "1: cron: It never comes."),
        (
            'cron: "@daily"',
            "every: often",
            "1: every must be a duration above zero. Write it as 90s, 15m, 2h or 1d.",
        ),
        ('cron: "@daily"', "every: 30s", "1: every: An interval lasts from one minute to 365 days."),
    ):
        assert refused(SMALL.replace(old, new)) == [said]
    assert not Schedule.objects.exists()


def test_what_a_schedule_refers_to_cannot_be_pruned() -> None:
    ScheduleFactory.create(name="nightly", environment__code="QA")
    assert refused_prune() == [
        "1: environment QA is not in the documents and cannot be removed: schedule nightly refers to it."
    ]


def refused_prune() -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        run("environments: []", prune=True)
    return [str(problem).removeprefix("c.yaml:") for problem in caught.value.problems]
