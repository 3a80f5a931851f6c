"""Operations on what administrators keep: people, rights, schedules, subscriptions."""

from __future__ import annotations

from typing import Any, Final

from jobs.api.schema import answers_settings as answers
from jobs.api.schema.operation import LOCATION, Answer, Operation

_EXTRA: Final[dict[str, dict[str, Any]]] = {
    "change_user": {"codes": ("last_superuser",)},
    "delete_user": {"codes": ("referenced", "last_superuser")},
    "delete_group": {"codes": ("referenced",)},
    "create_grant": {"codes": ("grant_exists", "not_found")},
    "create_user": {"codes": ("name_taken",)},
    "create_group": {"codes": ("name_taken",)},
    "create_subscription": {"codes": ("name_taken",)},
    "create_schedule": {
        "answer": answers.ScheduleDetailAnswer,
        "codes": ("right_missing", "name_taken", "not_found"),
    },
    "get_schedule": {"answer": answers.ScheduleDetailAnswer},
    "change_schedule": {"answer": answers.ScheduleDetailAnswer, "codes": ("right_missing",)},
    "delete_schedule": {"codes": ("right_missing",)},
    "create_token": {"answer": answers.NewTokenAnswer, "codes": ("not_found",)},
}


def kept(one: str, many: str, key: str, answer: Answer, *methods: str) -> dict[str, Operation]:
    """Return the operations of a kind of thing that is kept.

    Args:
        one: Its name.
        many: The first part of its address.
        key: Parameter of the address of one.
        answer: Its shape.
        *methods: Of the address of one; ``GET``, ``PATCH`` and ``DELETE`` when none is given.
    """
    a = f"{'an' if one[0] in 'aeio' else 'a'} {one}"
    lists, single = f"{many}/", f"{many}/{{{key}}}/"
    found = {
        f"GET {lists}": Operation(f"list_{many}", f"List {many}", answer, page=True),
        f"POST {lists}": _made(f"create_{one}", f"Create {a}", answer, status=201, headers=LOCATION),
        f"GET {single}": _made(f"get_{one}", f"Read {a}", answer),
        f"PATCH {single}": _made(f"change_{one}", f"Change {a}", answer),
        f"DELETE {single}": _made(f"delete_{one}", f"Delete {a}", None, status=204),
    }
    wanted = methods or ("GET", "PATCH", "DELETE")
    return {
        name: each for name, each in found.items() if not name.endswith("}/") or name.split()[0] in wanted
    }


def _made(name: str, summary: str, answer: Answer | None, **options: Any) -> Operation:
    return Operation(**{"id": name, "summary": summary, "answer": answer, **options, **_EXTRA.get(name, {})})


SETTINGS: Final[dict[str, Operation]] = {
    **kept("grant", "grants", "grant", answers.GrantAnswer),
    **kept("user", "users", "username", answers.UserAnswer),
    **kept("group", "groups", "name", answers.GroupAnswer),
    **kept("token", "tokens", "token_id", answers.TokenAnswer, "GET", "DELETE"),
    **kept("schedule", "schedules", "name", answers.ScheduleAnswer),
    "POST schedules/{name}/run_now/": Operation(
        "run_schedule_now",
        "Let a schedule come now",
        answers.ScheduleRunAnswer,
        status=202,
        codes=("right_missing",),
    ),
    "GET deployments/": Operation(
        "list_deployments", "List what is deployed where", answers.DeploymentAnswer, page=True
    ),
    "GET deployments/drift/": Operation(
        "compare_deployments", "Compare two environments", answers.DriftAnswer, codes=("not_found",)
    ),
    **kept("subscription", "subscriptions", "subscription_id", answers.SubscriptionAnswer),
    "POST subscriptions/{subscription_id}/rotate_secret/": Operation(
        "rotate_subscription_secret", "Change the key of a webhook", answers.SubscriptionAnswer
    ),
    "POST subscriptions/{subscription_id}/test/": Operation(
        "test_subscription", "Send a test", answers.DeliveriesAnswer
    ),
    "GET subscriptions/{subscription_id}/deliveries/": Operation(
        "list_deliveries", "List deliveries", answers.DeliveryAnswer, page=True
    ),
    "POST subscriptions/{subscription_id}/deliveries/{delivery_id}/resend/": Operation(
        "resend_delivery", "Send it again", answers.DeliveryAnswer, codes=("delivery_under_way",)
    ),
    "POST apply/": Operation(
        "apply_documents",
        "Apply configuration from documents",
        answers.AppliedAnswer,
        codes=("configuration_invalid", "files_missing"),
    ),
}
