"""The sentence at the top of ``permissions.policy`` is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
GRANTS: Final = re.compile(
    r"Environment(User|Group)Grant|\b(user|group)_grants\b|user_permissions|\bpermissions__|(from|import) guardian"
)
MAY: Final = {
    "permissions/policy.py",
    "permissions/grant_queries.py",  # its queries
    "permissions/models.py",
    # Django's own permissions, which documents and the audit name as well; grants they leave to policy.
    "jobs/configuration/kinds/groups.py",
    "jobs/configuration/kinds/permissions.py",
    "jobs/configuration/kinds/users.py",
    "jobs/settings_audit.py",
}


def test_only_policy_reads_and_writes_grants() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for app in ("clarive_monitor", "demo", "jobs", "permissions", "rules")
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts and GRANTS.search(path.read_text())
    }
    assert found == MAY
