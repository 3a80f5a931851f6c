"""What a wish may hold, whichever door it comes through."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.actions.lookup import make_plan
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.models import AuditRecord
from jobs.plain_data import LARGEST
from jobs.wishes import Wish
from tests.factories import EnvironmentFactory, ProjectFactory, RuleFactory, user_with

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture
def actor() -> Actor:
    environment = EnvironmentFactory.create(code="DEV")
    RuleFactory.create(slug="web")
    ProjectFactory.create(code="shop", repository="/somewhere")
    user = user_with("view_monitor", "create", environments=[environment])
    return Actor(user, AuditRecord.Source.COMMAND.value, "")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"variables": {"a": "\x00"}}, "variables", "Null"),
        ({"variables": {"a": {"\x00": 1}}}, "variables", "Null"),
        ({"variables": {"a": ["\ud800"]}}, "variables", "surrogate"),
        ({"variables": {"a": float("inf")}}, "variables", "out of range"),
        ({"variables": {"a": float("nan")}}, "variables", "out of range"),
        ({"variables": {"a": 2**63}}, "variables", "out of range"),
        ({"variables": {"a": nested(30)}}, "variables", "Nested"),
        ({"variables": {"a": nested(100_000)}}, "variables", "Nested"),
        ({"variables": {"a": "x" * LARGEST}}, "variables", str(LARGEST)),
        ({"variables": {"a": NOW}}, "variables", "Only"),
        ({"variables": {"x" * 900 + "-": 1}}, "variables", "not a name"),
        ({"comment": "\x00"}, "comment", "Null"),
        ({"comment": "\ud800"}, "comment", "surrogate"),
        ({"revisions": ("v1", "v\x00")}, "revisions[1].ref", "Null"),
        ({"revisions": ("\udfff",)}, "revisions[0].ref", "surrogate"),
        ({"revisions": ("v" * 256,)}, "revisions[0].ref", "255"),
        ({"rule": "\x00"}, "rule", "Null"),
        ({"rule": "x" * 5000}, "rule", "100"),
        ({"environment": "\x00"}, "environment", "Null"),
        ({"environment": "\ud800"}, "environment", "surrogate"),
        ({"environment": "x" * 5000}, "environment", "50"),
        ({"project": "\x00"}, "project", "Null"),
        ({"project": "x" * 5000}, "project", "50"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:20],
)
def test_what_cannot_be_kept_is_refused_by_field(
    actor: Actor, changes: dict[str, Any], field: str, says: str
) -> None:
    wish = Wish(**{"rule": "web", "environment": "DEV", "project": "shop", **changes})
    with pytest.raises(InvalidInput) as refused:
        make_plan(wish, actor, NOW)
    assert refused.value.errors.keys() == {field}
    (message,) = refused.value.errors[field]
    assert says in message
    assert len(message) < 200


def test_what_fits_is_kept(actor: Actor) -> None:
    variables = {"a": [1, 2.5, None, True, {"ñ": "€ 😀"}], "largest": -(2**63) + 1, "deep": nested(18)}
    plan = make_plan(Wish("web", "DEV", "shop", revisions=("v" * 255,), variables=variables), actor, NOW)
    assert (plan.variables, plan.revisions) == (variables, ("v" * 255,))
