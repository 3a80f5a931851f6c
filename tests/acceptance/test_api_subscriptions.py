"""Sections 9 and 10: subscriptions through the API, by administrators alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from jobs.models import AuditRecord, Delivery, IdempotencyKey, Subscription
from jobs.notifications import keys
from tests.api import Answer, Api
from tests.factories import EnvironmentFactory, GroupFactory, ProjectFactory, UserFactory, user_with
from tests.notices import SECRET, deliver, subscribe
from tests.receiver import receiving

pytestmark = pytest.mark.django_db

WHOLE: dict[str, Any] = {
    "name": "chat",
    "enabled": True,
    "events": ["ended", "trapped"],
    "environments": ["PROD"],
    "projects": ["shop"],
    "statuses": ["error"],
    "users": ["ana"],
    "groups": ["qa"],
    "addresses": ["team@example.org"],
    "webhook": {"url": "https://93.184.216.34/hook"},
}


@pytest.fixture
def root() -> Api:
    EnvironmentFactory.create(code="PROD")
    ProjectFactory.create(code="shop")
    GroupFactory.create(name="qa")
    UserFactory.create(username="ana")
    return Api(UserFactory.create(is_superuser=True, username="root"))


def patch(api: Api, number: int, body: Any) -> Answer:
    return api.call("PATCH", f"subscriptions/{number}/", json.dumps(body))


def test_what_is_made_is_what_is_read_but_for_the_secret(root: Api) -> None:
    made = root.post("subscriptions/", WHOLE)
    assert made.status == 201
    answer = made.json
    secret = answer["webhook"].pop("secret")
    assert secret.startswith("whsec_")
    shown = root.get(made.response["Location"]).json
    assert shown["webhook"].pop("secret") is None
    assert shown == answer
    assert {**shown, "webhook": {"url": shown["webhook"]["url"]}} == {**WHOLE, "id": shown["id"]}
    row = Subscription.objects.get()
    assert keys.current(row, timezone.now()) == [secret]
    assert secret.encode() not in bytes(row.secret or b"")
    assert root.walk("subscriptions/") == [root.get(f"subscriptions/{row.pk}/").json]
    assert root.call("DELETE", f"subscriptions/{row.pk}/").status == 204
    assert root.get(f"subscriptions/{row.pk}/").status == 404


def test_a_body_changes_what_it_names(root: Api) -> None:
    number = root.post("subscriptions/", WHOLE).json["id"]
    changed = patch(root, number, {"enabled": False, "events": []})
    assert (changed.status, changed.json["enabled"], changed.json["events"]) == (200, False, [])
    assert changed.json["projects"] == ["shop"]
    assert patch(root, number, {"name": "other"}).field_errors() == {"name": "A name cannot be changed."}
    assert patch(root, number, {"webhook": None}).json["webhook"] is None
    assert Subscription.objects.get().secret is None
    given = patch(root, number, {"webhook": {"url": "https://8.8.8.8/", "secret": SECRET}})
    assert given.json["webhook"]["secret"] == SECRET
    same = patch(root, number, {"webhook": {"url": "https://8.8.8.8/other"}})
    assert same.json["webhook"]["secret"] is None
    assert keys.current(Subscription.objects.get(), timezone.now()) == [SECRET]
    nobody: dict[str, Any] = {"users": [], "groups": [], "addresses": [], "webhook": None}
    assert "Name users" in patch(root, number, nobody).field_errors()["webhook"]


def test_bad_input_is_named(root: Api) -> None:
    wrong = {
        **WHOLE, "evnts": [], "events": ["trappd"], "statuses": ["failed"], "enabled": 1,
    }  # fmt: skip
    errors = root.post("subscriptions/", wrong).field_errors()
    assert errors["evnts"] == "Unknown field. Did you mean events?"
    assert "Did you mean trapped?" in errors["events[0]"]
    assert "Unknown value: failed." in errors["statuses[0]"]
    assert "enabled" in errors
    wrong = {**WHOLE, "environments": ["PRODD"], "users": ["nobody"], "addresses": ["no address"],
             "webhook": {"url": "http://169.254.169.254/latest/meta-data/"}}  # fmt: skip
    errors = root.post("subscriptions/", wrong).field_errors()
    assert errors["environments"] == "Unknown environment: PRODD."
    assert errors["users"] == "Unknown user: nobody."
    assert errors["addresses"] == "'no address' is no mail address."
    assert "not a public address" in errors["webhook.url"]
    short = {**WHOLE, "webhook": {"url": "https://8.8.8.8/", "secret": "short"}}
    assert "16 to 256" in root.post("subscriptions/", short).field_errors()["webhook.secret"]
    assert root.post("subscriptions/", WHOLE).status == 201
    root.post("subscriptions/", WHOLE).problem(409, "name_taken")


def test_a_secret_rotates_and_is_not_kept_for_a_second_answer(root: Api) -> None:
    number = root.post("subscriptions/", WHOLE).json["id"]
    first = root.post(f"subscriptions/{number}/rotate_secret/", {}, **{"Idempotency-Key": "k"})
    secret = first.json["webhook"]["secret"]
    assert first.json["webhook"]["old_secret_until"] is not None
    again = root.post(f"subscriptions/{number}/rotate_secret/", {}, **{"Idempotency-Key": "k"})
    assert again.response["Idempotent-Replayed"] == "true"
    assert again.json == first.json, "who lost the answer asks again, and would not learn the key otherwise"
    made = [
        root.post(
            "subscriptions/",
            {"name": "loop", "webhook": {"url": "https://hooks.example/l"}},
            **{"Idempotency-Key": "m"},
        )
        for _ in range(2)
    ]
    assert made[0].json["webhook"]["secret"] == made[1].json["webhook"]["secret"] is not None
    Subscription.objects.filter(name="loop").delete()
    assert not IdempotencyKey.objects.filter(body__contains=secret).exists()
    newest = keys.current(Subscription.objects.get(), timezone.now())
    assert newest[0] == secret
    assert len(newest) == 2
    bare = root.post("subscriptions/", {"name": "mail", "addresses": ["a@example.org"]}).json["id"]
    assert "webhook" in root.post(f"subscriptions/{bare}/rotate_secret/", {}).field_errors()


def test_the_log_of_deliveries_and_sending_again(root: Api, settings: Settings) -> None:
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = ["127.0.0.1"]
    with receiving() as receiver:
        subscription = subscribe(url=receiver.url)
        sent = root.post(f"subscriptions/{subscription.pk}/test/", {})
        (pending,) = sent.json["deliveries"]
        assert (pending["event"], pending["state"], pending["attempts"]) == ("ping", "pending", [])
        deliver()
        address = f"subscriptions/{subscription.pk}/deliveries/"
        (shown,) = root.walk(address)
        assert (shown["id"], shown["state"], shown["channel"]) == (pending["id"], "delivered", "webhook")
        (attempt,) = shown["attempts"]
        assert (attempt["response_status"], attempt["response_body"]) == (200, "thanks")
        again = root.post(f"{address}{shown['id']}/resend/", {})
        assert (again.status, again.json["state"]) == (200, "pending")
        deliver()
        assert len(receiver.received) == 2
        other = subscribe("other", url=receiver.url)
        assert root.post(f"subscriptions/{other.pk}/deliveries/{shown['id']}/resend/", {}).status == 404
    Delivery.objects.update(
        state="pending", claim="00000000-0000-0000-0000-000000000001", finished_at=None,
        next_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    root.post(f"{address}{shown['id']}/resend/", {}).problem(409, "delivery_under_way")


def test_nobody_else_reads_or_writes(root: Api) -> None:
    number = root.post("subscriptions/", WHOLE).json["id"]
    other = Api(user_with("view_monitor", "create"))
    for answer in (
        other.get("subscriptions/"),
        other.get(f"subscriptions/{number}/"),
        other.post("subscriptions/", WHOLE),
        other.get(f"subscriptions/{number}/deliveries/"),
        other.post(f"subscriptions/{number}/rotate_secret/", {}),
    ):
        answer.problem(403, "permission_denied")


def test_every_decision_is_in_the_audit_and_no_secret(root: Api) -> None:
    made = root.post("subscriptions/", WHOLE).json
    number, secret = made["id"], made["webhook"]["secret"]
    patch(root, number, {"events": ["ended"], "webhook": {"url": "https://8.8.8.8/hook/t0k3n"}})
    root.post(f"subscriptions/{number}/rotate_secret/", {"secret": SECRET})
    root.post(f"subscriptions/{number}/test/", {})
    root.call("DELETE", f"subscriptions/{number}/")
    records = list(AuditRecord.objects.filter(action__contains="s").order_by("id"))
    found = [
        record.action for record in records if "subscription" in record.action or "secret" in record.action
    ]
    assert found == [
        "create_subscription", "change_subscription", "rotate_secret", "test_subscription", "delete_subscription",
    ]  # fmt: skip
    said = " ".join(record.comment for record in records)
    assert "https://8.8.8.8" in said
    assert secret not in said
    assert SECRET not in said
    assert "t0k3n" not in said
    assert {record.user for record in records} == {"root"}
