"""Section 10, ``Idempotency-Key``: a POST that is sent twice is done once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs import idempotency
from jobs.models import IdempotencyKey
from permissions import policy
from permissions.models import Environment, User
from rules.models import RuleVersion
from tests.api import Answer, Api
from tests.factories import EnvironmentFactory, JobFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db

SOURCE = "name: web\nsteps:\n  RUN:\n    - log: one\n"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def root() -> Api:
    return Api(UserFactory.create(is_superuser=True))


def post(api: Api, path: str, body: Any, key: str) -> Answer:
    return api.post(path, body, **{"Idempotency-Key": key})


def test_the_first_answer_is_given_again(root: Api) -> None:
    first = post(root, "rules/", {"source": SOURCE}, "k-1")
    again = post(root, "rules/", {"source": SOURCE}, "k-1")
    assert (first.status, again.status) == (201, 201)
    assert first.content == again.content
    assert first.response["Location"] == again.response["Location"]
    assert (first.response.get("Idempotent-Replayed"), again.response["Idempotent-Replayed"]) == (
        None,
        "true",
    )
    assert RuleVersion.objects.count() == 1
    root.post("rules/", {"source": SOURCE}).problem(409, "rule_exists")


def test_the_same_body_in_another_order_is_the_same_body(root: Api) -> None:
    post(root, "rules/", {"source": SOURCE}, "first")
    changed = SOURCE.replace("one", "two")
    post(root, "rules/web/versions/", {"source": changed, "comment": "c"}, "k")
    again = post(root, "rules/web/versions/", {"comment": "c", "source": changed}, "k")
    assert (again.status, again.json["version"]) == (201, 2)


def test_another_body_or_address_is_409(root: Api) -> None:
    post(root, "rules/", {"source": SOURCE}, "k")
    for path, body in (("rules/", {"source": "x"}), ("rules/validate/", {"source": SOURCE})):
        post(root, path, body, "k").problem(409, "idempotency_key_reused")


def test_a_refused_post_does_not_use_the_key_up(root: Api) -> None:
    assert post(root, "rules/", {"source": 5}, "k").status == 400
    assert post(root, "rules/", b"{", "k").status == 400
    assert post(root, "rules/web/versions/", {"source": SOURCE}, "k").status == 404
    assert not IdempotencyKey.objects.exists()
    assert post(root, "rules/", {"source": SOURCE}, "k").status == 201


def test_a_defect_does_not_use_the_key_up(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr("rules.api.views.publish_rule", broken)
        post(root, "rules/", {"source": SOURCE}, "k").problem(500, "internal_error")
    assert post(root, "rules/", {"source": SOURCE}, "k").status == 201


def test_a_request_that_lost_the_database_keeps_its_key_in_use(
    root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was done is not known, and doing it twice would be worse than not at all."""

    def broken(*_args: object, **_named: object) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr("rules.api.views.publish_rule", broken)
        post(root, "rules/", {"source": SOURCE}, "k").problem(503, "unavailable")
    post(root, "rules/", {"source": SOURCE}, "k").problem(409, "idempotency_key_in_use")


def test_keys_are_each_users_own(root: Api) -> None:
    post(root, "rules/", {"source": SOURCE}, "k")
    other = Api(UserFactory.create(is_superuser=True))
    post(other, "rules/", {"source": SOURCE}, "k").problem(409, "rule_exists")


def test_while_the_first_has_no_answer_it_is_409_and_says_when_to_come_back(root: Api) -> None:
    post(root, "rules/", {"source": SOURCE}, "k")
    IdempotencyKey.objects.update(status=None, body="")
    answer = post(root, "rules/", {"source": SOURCE}, "k")
    answer.problem(409, "idempotency_key_in_use")
    assert answer.response["Retry-After"] == "1"


def test_an_answer_is_given_again_only_to_who_may_still_see_it(dev: Environment) -> None:
    ana: User = user_with("view_monitor", "create", environments=[dev])
    api = Api(ana)
    job = JobFactory.create(environment=dev)
    token = post(api, "tokens/", {"name": "mine"}, "t")
    asked = {"text": "hello"}
    first = post(api, f"jobs/{job.pk}/comment/", asked, "c")
    assert post(api, f"jobs/{job.pk}/comment/", asked, "c").content == first.content
    bulk = {"action": "comment", "ids": [job.pk], "text": "all"}
    assert [row["id"] for row in post(api, "jobs/bulk/", bulk, "b").json["done"]] == [job.pk]
    policy.set_rights(ana, dev, [])
    post(api, f"jobs/{job.pk}/comment/", asked, "c").problem(404, "not_found")
    post(api, "jobs/bulk/", bulk, "b").problem(404, "not_found")
    assert post(api, "tokens/", {"name": "mine"}, "t").json["token"] == token.json["token"]
    api.call("DELETE", f"tokens/{token.json['id']}/")
    post(api, "tokens/", {"name": "mine"}, "t").problem(404, "not_found")


def test_a_secret_is_given_again_only_to_who_could_still_get_it() -> None:
    root: User = UserFactory.create(is_superuser=True)
    UserFactory.create(username="ana")
    api = Api(root)
    assert post(api, "tokens/", {"user": "ana"}, "t").status == 201
    User.objects.filter(pk=root.pk).update(is_superuser=False)
    assert post(api, "tokens/", {"user": "ana"}, "t").field_errors().keys() == {"user"}


def test_a_day_later_the_key_is_free(root: Api) -> None:
    body = {"source": SOURCE}
    post(root, "rules/validate/", body, "k")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24))
    answer = post(root, "rules/validate/", {"source": "x"}, "k")
    assert (answer.status, answer.json["valid"]) == (200, False)


def test_keys_are_forgotten_after_a_day(root: Api) -> None:
    for key in ("old", "new"):
        post(root, "rules/validate/", {"source": SOURCE}, key)
    now = timezone.now()
    IdempotencyKey.objects.filter(key="old").update(created_at=now - timedelta(hours=24))
    assert idempotency.forget_idempotency_keys(now) == 1
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "ñ"])
def test_a_key_that_is_none_is_400_and_names_the_header(root: Api, key: str) -> None:
    assert post(root, "rules/", {"source": SOURCE}, key).field_errors().keys() == {"Idempotency-Key"}
    assert not RuleVersion.objects.exists()


def test_the_longest_key(root: Api) -> None:
    assert post(root, "rules/", {"source": SOURCE}, "k" * 255).status == 201
