"""Examples of bodies and answers; a test holds each against its schema."""

from __future__ import annotations

from typing import Any, Final

from jobs.api.schema import examples_settings

_JOB: Final[dict[str, Any]] = {
    "id": 42,
    "name": "N.PROD-00000042",
    "type": "promote",
    "rule": "web-deploy",
    "rule_version": 3,
    "environment": "PROD",
    "project": "shop",
    "revisions": [{"ref": "v1.2.0", "sha": "9fceb02d0ae598e95dc970b74767f19372d61af8"}],
    "natures": ["python"],
    "status": "pending_approval",
    "step": "PRE",
    "outcome": None,
    "attempt": 1,
    "urgent": False,
    "comment": "Prices of spring",
    "variables": {"service": "shop"},
    "created_by": "ana",
    "created_at": "2026-03-01T10:00:00Z",
    "scheduled_at": "2026-03-01T12:00:00Z",
    "max_start_at": "2026-03-02T12:00:00Z",
    "started_at": "2026-03-01T10:00:02Z",
    "finished_at": None,
    "rollback": "none",
    "progress": {
        "operations_done": 3,
        "operations_expected": 12,
        "percent": 25,
        "basis": "environment",
        "eta": None,
    },
}
_DETAIL: Final[dict[str, Any]] = {
    **_JOB,
    "actions": ["rerun", "reschedule", "cancel", "approve", "reject", "comment"],
    "trap": None,
    "approval": {
        "operation": "PRE.2",
        "name": "approval",
        "approvers": ["group:qa", "user:ana"],
        "min": 2,
        "exclude_creator": True,
        "requested_at": "2026-03-01T10:00:09Z",
        "approved_by": [{"user": "luis", "at": "2026-03-01T10:05:00Z", "comment": "Looks good"}],
    },
    "blockers": [
        {
            "kind": "approval",
            "detail": "Waits for approval: 1 of 2 signatures.",
            "since": "2026-03-01T10:00:09Z",
            "until": "2026-03-02T12:00:00Z",
            "who": ["group:qa", "user:ana"],
        }
    ],
}
_SOURCE: Final = "name: web-deploy\nsteps:\n  RUN:\n    - run: ./deploy.sh {{ environment }}\n"
_STATUSES: Final = (
    "ready", "running", "pending_approval", "trapped", "trap_paused", "rollback", "rejected", "expired", "abend",
    "cancelled", "error", "finished",
)  # fmt: skip

ANSWERS: Final[dict[str, Any]] = {
    **examples_settings.ANSWERS,
    "Job": _JOB,
    "JobDetail": _DETAIL,
    "Health": {"status": "ok"},
    "Readiness": {
        "status": "unavailable",
        "checks": {
            "database": {"ok": True, "detail": "The database answers."},
            "broker": {"ok": True, "detail": "The broker answers."},
            "worker": {"ok": False, "detail": "The worker was last seen 120 s ago."},
            "daemon": {"ok": True, "detail": "The daemon was last seen 0 s ago."},
        },
    },
    "Summary": {"total": 7, "by_status": {**dict.fromkeys(_STATUSES, 0), "running": 2, "finished": 5}},
    "LogEntry": {
        "id": 118,
        "at": "2026-03-01T10:00:05Z",
        "attempt": 1,
        "step": "PRE",
        "operation": "PRE.1",
        "level": "info",
        "stream": "stdout",
        "text": "12 passed",
        "user": None,
    },
    "Operation": {
        "path": "PRE.1",
        "id": "PRE.1",
        "name": "Build",
        "key": "run",
        "step": "PRE",
        "status": "completed",
        "started_at": "2026-03-01T10:00:02Z",
        "finished_at": "2026-03-01T10:00:08Z",
        "seconds": 6.1,
        "usual_seconds": 5.8,
    },
    "Contents": {
        "state": "settled",
        "attempt": 1,
        "settled_at": "2026-03-01T10:00:03Z",
        "problem": "",
        "base": {
            "sha": "1b2e1d63ff55e1c0d2f5f5a2f5e2b1e3b0f5f7a9",
            "job": 40,
            "job_name": "N.PROD-00000040",
        },
        "files": 3,
        "all_files": False,
        "natures": ["python"],
        "commits": [
            {
                "sha": "9fceb02d0ae598e95dc970b74767f19372d61af8",
                "author": "Ana",
                "at": "2026-02-27T09:00:00+01:00",
                "subject": "Prices of spring",
            }
        ],
        "commits_count": 1,
        "backed_out": [],
        "backed_out_count": 0,
        "moved": [],
    },
    "AuditRecord": {
        "id": 9,
        "at": "2026-03-01T10:05:00Z",
        "user": "luis",
        "action": "approve",
        "from_status": "pending_approval",
        "to_status": "pending_approval",
        "step": "PRE",
        "attempt": 1,
        "comment": "Looks good",
        "source": "api",
        "address": "192.0.2.7",
    },
    "Environment": {
        "code": "PROD",
        "name": "Production",
        "order": 3,
        "colour": "#b91c1c",
        "expiry": 86400,
        "expiry_urgent": 604800,
        "variables": {"host": "shop.example.com"},
    },
    "Project": {
        "code": "shop",
        "name": "Shop",
        "repository": "https://git.example.com/shop.git",
        "credential": "git_token",
        "username": "deploy",
        "variables": {"service": "shop"},
        "environments": {"PROD": {"variables": {"replicas": 3}}},
    },
    "Nature": {"code": "python", "name": "Python", "include": ["*.py"], "exclude": ["tests/"]},
    "Rule": {
        "slug": "web-deploy",
        "name": "web-deploy",
        "description": "Put the shop on an environment",
        "version": 3,
        "source": _SOURCE,
        "versions": [3, 2, 1],
    },
    "RuleVersion": {
        "version": 3,
        "description": "Put the shop on an environment",
        "source": _SOURCE,
        "comment": "Deploy by script",
        "operations": 1,
        "author": "ana",
        "created_at": "2026-03-01T09:00:00Z",
    },
    "Validation": {
        "valid": False,
        "errors": [
            {
                "line": 4,
                "column": 7,
                "message": "Unknown operation: rnu.",
                "hint": "Did you mean run?",
            }
        ],
        "operations": 0,
    },
    "Me": {
        "username": "ana",
        "is_superuser": False,
        "language": "es",
        "time_zone": "Europe/Madrid",
        "rights": {"PROD": ["view_monitor", "restart"]},
    },
}
"""By name of the component; a page of them has one."""

BODIES: Final[dict[str, Any]] = {
    **examples_settings.BODIES,
    "create_job": {
        "rule": "web-deploy",
        "environment": "PROD",
        "project": "shop",
        "revisions": [{"ref": "v1.2.0"}],
        "scheduled_at": "2026-03-01T12:00:00Z",
        "comment": "Prices of spring",
    },
    "rerun_job": {
        "step": "RUN",
        "run_now": True,
        "comment": "The host is back",
        "seen": {"attempt": 2, "status": "error"},
    },
    "reschedule_job": {"scheduled_at": "2026-03-02T06:00:00Z", "comment": "After the backup"},
    "run_job_now": {},
    "delete_job": {"seen": {"attempt": 1, "status": "finished"}},
    "cancel_job": {"comment": "Wrong tag"},
    "roll_back_job": {"force": True, "comment": "Prices are wrong"},
    "approve_job": {"comment": "Looks good"},
    "reject_job": {"comment": "Tests are missing"},
    "answer_trap": {"action": "retry", "comment": "Disk is free again"},
    "comment_job": {"text": "Customer informed", "level": "comment"},
    "hold_job": {"comment": "The auditors look at it until March"},
    "release_job": {"comment": "The audit is over"},
    "create_environment": {"code": "PROD", "name": "Production", "order": 3, "expiry": "1d"},
    "change_environment": {"expiry": "12h"},
    "create_project": {
        "code": "shop",
        "repository": "https://git.example.com/shop.git",
        "environments": {"PROD": {"variables": {"replicas": 3}}},
    },
    "change_project": {"name": "The shop"},
    "create_nature": {"code": "python", "include": ["*.py"], "exclude": ["tests/"]},
    "change_nature": {"include": ["*.py", "*.pyi"]},
    "create_rule": {"source": _SOURCE},
    "publish_rule_version": {"source": _SOURCE, "comment": "Deploy by script"},
    "validate_rule": {"source": _SOURCE},
}
"""By operation."""
