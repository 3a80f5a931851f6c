"""Examples about what administrators keep, bulk actions and documents."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-03-01T09:00:00Z"
_THERE: Final = {"ref": "v1.2.0", "sha": "9fceb02d0ae598e95dc970b74767f19372d61af8"}
_NEWER: Final = {"ref": "v1.3.0", "sha": "1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"}
_PLACE: Final[dict[str, Any]] = {
    "environment": "PROD",
    "project": "shop",
    "revision": _THERE,
    "revisions": [_THERE],
    "job": 42,
    "job_name": "N.PROD-00000042",
    "since": _AT,
}
_SCHEDULE: Final[dict[str, Any]] = {
    "name": "nightly-qa",
    "enabled": True,
    "owner": "ana",
    "rule": "web-deploy",
    "environment": "QA",
    "project": "shop",
    "type": "promote",
    "revisions": [{"ref": "main"}],
    "urgent": False,
    "comment": "The newest of the shop",
    "variables": {},
    "delay": None,
    "cron": "0 2 * * 1-5",
    "every": None,
    "time_zone": "Europe/Madrid",
    "starts_at": None,
    "ends_at": None,
    "overlap": "skip",
    "catch_up": "latest",
    "created_at": _AT,
    "next_run_at": "2026-03-02T01:00:00Z",
    "last_run": None,
}
_TOKEN: Final[dict[str, Any]] = {
    "id": 5,
    "user": "ana",
    "name": "pipeline",
    "hint": "clv_ab12",
    "rights": ["view_monitor", "create"],
    "environments": ["DEV", "QA"],
    "created_at": _AT,
    "expires_at": "2027-03-01T00:00:00Z",
    "last_used_at": None,
}
_DELIVERY: Final[dict[str, Any]] = {
    "id": 31,
    "notice": 412,
    "event": "ended",
    "job": 42,
    "channel": "webhook",
    "address": "https://hooks.example.com/clarive",
    "user": None,
    "state": "delivered",
    "reason": None,
    "created_at": _AT,
    "next_at": None,
    "finished_at": "2026-03-01T09:00:01Z",
    "attempts": [{"at": _AT, "milliseconds": 83, "response_status": 204, "response_body": "", "error": None}],
}

ANSWERS: Final[dict[str, Any]] = {
    "Bulk": {
        "action": "cancel",
        "dry_run": False,
        "done": [{"id": 42, "name": "N.PROD-00000042", "status": "cancelled", "attempt": 1}],
        "refused": [
            {
                "id": 43,
                "name": "N.PROD-00000043",
                "code": "transition_not_allowed",
                "detail": "The job N.PROD-00000043 is at END / finished; cancel is not possible there.",
            }
        ],
    },
    "Grant": {
        "id": "g3-1",
        "principal": "group:ops",
        "environment": "PROD",
        "rights": ["view_monitor", "restart"],
    },
    "User": {
        "username": "ana",
        "email": "ana@example.com",
        "first_name": "Ana",
        "last_name": "",
        "groups": ["release-managers"],
        "is_active": True,
        "is_superuser": False,
        "is_staff": False,
        "language": "es",
        "time_zone": "Europe/Madrid",
        "created_at": _AT,
        "last_login": None,
    },
    "Group": {"name": "ops", "members": ["oscar"]},
    "Token": _TOKEN,
    "NewToken": {**_TOKEN, "token": "clv_…"},
    "Schedule": _SCHEDULE,
    "ScheduleDetail": {**_SCHEDULE, "next_runs": ["2026-03-02T01:00:00Z", "2026-03-03T01:00:00Z"]},
    "ScheduleRun": {
        "due_at": _AT,
        "by_hand": True,
        "result": "pending",
        "message": "",
        "job": None,
        "job_name": None,
        "at": _AT,
    },
    "Deployment": {**_PLACE, "newer_in": "QA"},
    "Drift": {
        "project": "shop",
        "from": {
            **_PLACE,
            "environment": "QA",
            "revision": _NEWER,
            "revisions": [_NEWER],
            "job": 47,
            "job_name": "N.QA-00000047",
        },
        "to": _PLACE,
        "same": False,
        "ahead": {
            "commits": [
                {
                    "sha": _NEWER["sha"],
                    "author": "Ana",
                    "at": "2026-02-27T16:20:00Z",
                    "subject": "Prices of spring",
                }
            ],
            "commits_count": 1,
        },
        "behind": {"commits": [], "commits_count": 0},
        "problem": "",
    },
    "Subscription": {
        "id": 2,
        "name": "production",
        "enabled": True,
        "events": ["ended"],
        "environments": ["PROD"],
        "projects": [],
        "statuses": ["error"],
        "users": [],
        "groups": ["ops"],
        "addresses": [],
        "webhook": {
            "url": "https://hooks.example.com/clarive",
            "secret": None,
            "secret_set_at": _AT,
            "old_secret_until": None,
        },
    },
    "Delivery": _DELIVERY,
    "Deliveries": {"deliveries": [_DELIVERY]},
    "Applied": {"dry_run": True, "changes": ["environment PROD: name"], "notes": []},
}
"""By name of the component."""

BODIES: Final[dict[str, Any]] = {
    "act_on_jobs": {
        "action": "cancel",
        "filter": {"environment": "QA", "status": ["ready", "trapped"]},
        "comment": "The host is going away",
        "dry_run": True,
    },
    "create_grant": {"principal": "group:ops", "environment": "PROD", "rights": ["view_monitor", "restart"]},
    "change_grant": {"rights": ["view_monitor"]},
    "create_user": {"username": "eva", "email": "eva@example.com", "groups": ["ops"]},
    "change_user": {"is_active": False},
    "create_group": {"name": "ops", "members": ["eva"]},
    "change_group": {"members": ["eva", "oscar"]},
    "create_token": {"name": "pipeline", "rights": ["view_monitor", "create"], "environments": ["DEV", "QA"]},
    "create_schedule": {
        "name": "nightly-qa",
        "rule": "web-deploy",
        "environment": "QA",
        "project": "shop",
        "revisions": [{"ref": "main"}],
        "cron": "0 2 * * 1-5",
    },
    "change_schedule": {"enabled": False},
    "run_schedule_now": {},
    "create_subscription": {
        "name": "production",
        "events": ["ended"],
        "environments": ["PROD"],
        "statuses": ["error"],
        "webhook": {"url": "https://hooks.example.com/clarive"},
    },
    "change_subscription": {"enabled": False},
    "rotate_subscription_secret": {},
    "test_subscription": {},
    "resend_delivery": {},
    "apply_documents": {
        "documents": [
            {"name": "site.yaml", "text": "environments:\n  - {code: PROD, name: Production, order: 3}\n"}
        ],
        "dry_run": True,
    },
}
"""By operation."""
