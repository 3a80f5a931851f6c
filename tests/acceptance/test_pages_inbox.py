"""Section 9, "Waits for me": exactly the approvals and traps that the reader may decide, what ends soonest first."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs import inbox
from jobs.actions.base import available
from jobs.models import Approval, ApprovalSignature, Job, Trap
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import revoke
from permissions.rights import Limits
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    RuleFactory,
    UserFactory,
    grant,
    user_with,
)
from tests.pages import HTMX, Reader, text, version, words
from tests.turns import due

pytestmark = pytest.mark.django_db

ANSWERS: Final = {"approve", "reject", "retry", "skip", "abort", "pause", "resume"}
NOW: Final = timezone.now()


def place(job: Job, began_at: datetime) -> dict[str, Any]:
    return {
        "job": job, "attempt": 1, "step": job.step, "path": f"{job.step}/0", "operation": "gate", "name": "Go live",
        "began_at": began_at,
    }  # fmt: skip


def approval(
    environment: Environment, approvers: list[str], *, began_at: datetime = NOW, **fields: Any
) -> Job:
    """Return a job that waits for an approval; ``minimum`` and ``exclude_creator`` are the approval's."""
    own = {name: fields.pop(name) for name in ("minimum", "exclude_creator") if name in fields}
    job = JobFactory.at(
        fields.pop("step", "PRE"), "pending_approval", environment=environment, created_at=NOW, **fields
    )
    Approval.objects.create(approvers=approvers, **place(job, began_at), **own)
    return job


def trap(
    environment: Environment, minutes: float | None = 60, *, status: str = "trapped", **fields: Any
) -> Job:
    """Return a trapped job with so much time left; ``None`` for a clock that stands."""
    own = {name: fields.pop(name) for name in ("error", "retries", "max_retries") if name in fields}
    job = JobFactory.at(
        "RUN", "trap_paused" if minutes is None else status, environment=environment, **fields
    )
    clock: dict[str, Any] = {"remaining": timedelta(minutes=30)}
    if minutes is not None:
        clock = {"deadline": timezone.now() + timedelta(minutes=minutes)}
    Trap.objects.create(
        on_timeout="abort", **place(job, NOW), **clock, **{"error": "no route to host", **own}
    )
    return job


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def op(prod: Environment) -> User:
    return user_with("view_monitor", "restart", environments=[prod], username="op")


def names(answer: Any) -> list[str]:
    return re.findall(r'class="job-name" id="job-\d+" href="[^"]+">([^<]+)</a>', text(answer))


def a_random_world(chance: random.Random) -> tuple[list[User], list[Job]]:
    """Return people with all kinds of rights, and jobs in all kinds of states."""
    rule = RuleFactory.create()
    environments = [EnvironmentFactory.create() for _ in range(3)]
    groups = [GroupFactory.create() for _ in range(2)]
    people = [UserFactory.create(username="root", is_superuser=True)]
    for number in range(7):
        user = UserFactory.create(username=f"p{number}")
        user.groups.set(chance.sample(groups, chance.randrange(3)))
        for environment in chance.sample([None, *environments], 2):
            rights = chance.sample(
                [Right.VIEW_MONITOR, Right.RESTART, Right.APPROVE_ALL], chance.randrange(1, 4)
            )
            grant(user, *rights, environments=None if environment is None else [environment])
        people.append(user)
    grant(groups[0], Right.VIEW_MONITOR, environments=[environments[0]])
    people.append(UserFactory.create(username="gone", is_active=False, is_superuser=True))
    principals = [*(f"user:{user}" for user in people), *(f"group:{group.name}" for group in groups)]
    jobs = []
    for _ in range(40):
        environment, creator = chance.choice(environments), chance.choice(people)
        shared: dict[str, Any] = {"rule": rule, "project": None, "created_by": creator}
        kind = chance.choice(["approval"] * 4 + ["trap"] * 3 + ["expired", "none"])
        if kind == "trap":
            job = trap(
                environment,
                chance.choice([5, 90, None]),
                retries=1,
                max_retries=chance.choice([0, 1, 2]),
                **shared,
            )
        elif kind == "none":
            job = JobFactory.at(
                "RUN", chance.choice(["ready", "running", "rejected"]), environment=environment, **shared
            )
        else:
            job = approval(
                environment, chance.sample(principals, chance.randrange(3)), minimum=3,
                exclude_creator=chance.random() < 0.5, **shared,
            )  # fmt: skip
            for user in chance.sample(people, chance.randrange(3)):
                ApprovalSignature.objects.create(approval=job.approvals.get(), user=user, at=NOW)
            if kind == "expired":
                # As one that waited too long: its approval stays open, and nobody can sign it.
                Job.objects.filter(pk=job.pk).update(status="expired", finished_at=NOW)
        jobs.append(Job.objects.get(pk=job.pk))
    return people, jobs


@pytest.mark.parametrize("seed", due(range(3), every=3))
def test_it_is_exactly_what_the_actions_of_every_job_say(seed: int) -> None:
    people, jobs = a_random_world(random.Random(seed))
    decided = 0
    for user in people:
        expected = {job.pk: set(available(job, user, now=NOW)) & ANSWERS for job in jobs}
        expected = {number: keys for number, keys in expected.items() if keys}
        found = {each.job.pk: set(each.may) for each in inbox.waiting(user, 100)}
        assert found == expected, user
        assert inbox.count(user) == len(expected), user
        decided += len(expected)
    assert decided > 20, "the world is too small to say anything"


def test_a_token_that_is_no_token_for_signing_has_nothing_to_sign(prod: Environment, op: User) -> None:
    approval(prod, ["user:op"])
    trap(prod)
    op.limits = Limits(rights=frozenset({Right.VIEW_MONITOR, Right.RESTART}))
    assert [each.kind for each in inbox.waiting(op, 10)] == ["trap"]
    assert inbox.count(op) == 1


def test_what_ends_soonest_stands_first_and_what_has_no_end_last(prod: Environment, op: User) -> None:
    trap(prod, None, name="PAUSED")
    approval(prod, ["user:op"], name="POST", step="RUN", began_at=NOW - timedelta(hours=1))
    approval(prod, ["user:op"], name="EXPIRES", max_start_at=NOW + timedelta(minutes=30))
    trap(prod, 45, name="LATER")
    trap(prod, 5, name="SOON")
    page = Reader(op, "en").get("/inbox/")
    assert names(page) == ["SOON", "EXPIRES", "LATER", "POST", "PAUSED"]
    assert [each.job.name for each in inbox.waiting(op, 3)] == ["SOON", "EXPIRES", "LATER"]
    assert text(page).count("is-soon") == 1


def test_each_says_what_it_is_and_how_it_can_be_answered(prod: Environment, op: User) -> None:
    eva = UserFactory.create(username="eva")
    trapped = trap(
        prod, 5, error="\n no route to host \nand a long rest", retries=1, max_retries=3, name="N.PROD-1",
        created_by=eva, comment="Christmas", revisions=["v1.4.0"],
    )  # fmt: skip
    signed = approval(prod, ["user:op"], minimum=2, name="N.PROD-2", created_by=eva)
    ApprovalSignature.objects.create(approval=signed.approvals.get(), user=eva, at=NOW)
    page = Reader(op, "en").get("/inbox/")
    shown = words(page)
    for expected in (
        "4 min until today", "Then it is aborted: the step fails.", "N.PROD-1 PROD Trapped",
        "Trapped in RUN, at the operation Go live · retried 1 of 3 times no route to host Christmas", "v1.4.0",
        "asked for by eva", "Retry Skip Abort Pause",
        "Waits in PRE for the approval Go live · 1 of 2 signatures: eva", "Then the job expires.", "Approve Reject",
    ):  # fmt: skip
        assert expected in shown, expected
    assert "and a long rest" not in shown
    for href in (
        f'href="/jobs/{trapped.pk}/retry/"', f'href="/jobs/{signed.pk}/approve/"', f'href="/jobs/{trapped.pk}/"',
        f'href="/jobs/{trapped.pk}/log/?attempt=1&amp;operation=gate"',
    ):  # fmt: skip
        assert href in text(page), href


def test_a_paused_trap_and_one_without_retries_offer_what_is_left(prod: Environment, op: User) -> None:
    trap(prod, None, retries=2, max_retries=2)
    shown = words(Reader(op, "en").get("/inbox/"))
    assert "30 min left, clock stopped" in shown
    assert "Skip Abort Resume" in shown
    assert "Retry" not in shown


def test_one_kind_alone_can_be_looked_at(prod: Environment, op: User) -> None:
    trap(prod, name="TRAP")
    approval(prod, ["user:op"], name="APPROVAL")
    reader = Reader(op, "en")
    assert names(reader.get("/inbox/?kind=trap")) == ["TRAP"]
    assert names(reader.get("/inbox/?kind=approval")) == ["APPROVAL"]
    wrong = reader.get("/inbox/?kind=nope")
    assert (wrong.status_code, "Kind: write approval or trap" in words(wrong)) == (400, True)
    assert reader.get("/inbox/?kind=nope", **HTMX).status_code == 400
    unknown = reader.get("/inbox/?kinds=trap")
    assert (
        unknown.status_code,
        "kinds: There is no such parameter here. Did you mean kind?" in words(unknown),
    ) == (
        400,
        True,
    )
    assert reader.get("/inbox/?kinds=trap", **HTMX).status_code == 400


def test_nothing_is_an_answer_too(prod: Environment, op: User) -> None:
    approval(prod, ["user:somebody"])
    reader = Reader(op, "en")
    assert "Nothing waits for you" in words(reader.get("/inbox/"))
    assert "Nothing of this kind waits for you" in words(reader.get("/inbox/?kind=trap"))
    assert 'class="count"' not in text(reader.get("/"))
    assert Client().get("/inbox/")["Location"] == "/login/?next=/inbox/"


def test_the_number_stands_on_every_page_and_stops_at_a_hundred(
    prod: Environment, op: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        trap(prod)
    reader = Reader(op)
    assert '<b class="count">3</b>' in text(reader.get("/account/"))
    monkeypatch.setattr(inbox, "MOST_COUNTED", 2)
    assert '<b class="count">1+</b>' in text(reader.get("/"))


def test_the_number_is_asked_for_alone_and_answers_only_when_it_changed(
    prod: Environment,
    op: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trap(prod)
    reader = Reader(op)
    for address in ("/", "/inbox/", "/deployments/", "/account/"):
        assert 'hx-get="/inbox/count/?shown=1"' in text(reader.get(address)), address
    assert reader.get("/inbox/count/?shown=1", **HTMX).status_code == 204
    approval(prod, ["user:op"])
    with django_assert_num_queries(5):
        two = reader.get("/inbox/count/?shown=1", **HTMX)
    assert 'hx-get="/inbox/count/?shown=2"' in text(two)
    assert '<b class="count">2</b>' in text(two)
    with monkeypatch.context() as few:
        few.setattr(inbox, "MOST_COUNTED", 2)
        assert "?shown=1%2B" in text(reader.get("/inbox/count/?shown=1", **HTMX))
        assert reader.get("/inbox/count/?shown=1%2B", **HTMX).status_code == 204
    for _ in range(5):
        trap(prod)
    with django_assert_num_queries(5):
        assert '<b class="count">7</b>' in text(reader.get("/inbox/count/?shown=2", **HTMX))
    revoke(op, Right.VIEW_MONITOR, prod)
    nothing = reader.get("/inbox/count/?shown=2", **HTMX)
    assert (nothing.status_code, words(nothing), "?shown=" in text(nothing)) == (200, "", True)
    assert reader.get("/inbox/count/?shown=", **HTMX).status_code == 204


def test_a_form_that_is_filled_in_survives_the_end_of_the_session() -> None:
    answer = Client().get("/inbox/count/?shown=1", headers=HTMX)
    assert (answer.status_code, "HX-Refresh" in answer.headers) == (204, False)
    assert Client().get("/inbox/count/")["Location"] == "/login/?next=/inbox/count/"


def test_more_than_a_page_is_said(prod: Environment, op: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (3, 2, 1):
        trap(prod, minutes, name=f"IN-{minutes}")
    monkeypatch.setattr("jobs.monitor.inbox.ROWS", 2)
    page = Reader(op, "en").get("/inbox/")
    assert names(page) == ["IN-1", "IN-2"]
    assert "Only the 2 that end soonest are shown." in words(page)


def test_asking_again_answers_only_when_something_changed(prod: Environment, op: User) -> None:
    job = trap(prod, 30.5)
    reader = Reader(op)
    page = reader.get("/inbox/")
    assert reader.poll("/inbox/", version(page)).status_code == 204
    Trap.objects.filter(job=job).update(deadline=timezone.now() + timedelta(minutes=20.5))
    changed = reader.poll("/inbox/", version(page))
    assert (changed.status_code, text(changed).lstrip().startswith("<section")) == (200, True)


def test_a_right_withdrawn_empties_it_at_the_next_poll(prod: Environment, op: User) -> None:
    trap(prod, name="HIDDEN")
    reader = Reader(op)
    page = reader.get("/inbox/")
    revoke(op, Right.RESTART, prod)
    assert "HIDDEN" not in text(reader.poll("/inbox/", version(page)))


def test_the_queries_are_the_same_with_any_number_of_decisions(
    prod: Environment, op: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def one_more() -> None:
        trap(prod)
        job = approval(prod, ["user:op"], minimum=2)
        ApprovalSignature.objects.create(approval=job.approvals.get(), user=UserFactory.create(), at=NOW)

    one_more()
    reader = Reader(op)
    reader.get("/inbox/")
    with django_assert_num_queries(13) as few:
        reader.get("/inbox/")
    for _ in range(5):
        one_more()
    with django_assert_num_queries(len(few.captured_queries)):
        reader.get("/inbox/")
    with django_assert_num_queries(3):
        inbox.count(op)


def test_markup_in_an_error_is_text(prod: Environment, op: User) -> None:
    trap(prod, error="<script>alert(1)</script>")
    page = Reader(op).get("/inbox/")
    assert "<script>alert" not in text(page)
    assert "<script>alert(1)</script>" in words(page)
