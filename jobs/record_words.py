"""What records of the configuration say, in the reader's language.

Records keep English, as the API and exports give it. Here the words that the product itself put there are translated, fields by
the names that forms give them; names, values and what people wrote stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from jobs.audit import GRANT
from jobs.models import AuditRecord

_MODELS: Final = {
    "user": "permissions.User",
    "group": "auth.Group",
    "environment": "permissions.Environment",
    "project": "jobs.Project",
    "nature": "jobs.Nature",
    "token": "permissions.ApiToken",
    "identity": "permissions.ExternalIdentity",
    "subscription": "jobs.Subscription",
    "retention": "jobs.RetentionPolicy",
    "schedule": "jobs.Schedule",
}
"""Of what the fields are that a record of a kind names."""

_REMARKS: Final = (
    gettext_noop("no variables of its own any more"),
    gettext_noop("all but the one that asked"),
    gettext_noop("version %(number)s, %(comment)s"),
    gettext_noop("version %(number)s"),
    gettext_noop("members %(names)s"),
    gettext_noop("with the secrets %(names)s"),
    gettext_noop("from %(address)s"),
)
_FIELDS: Final = (
    gettext_noop("rights"),
    gettext_noop("credentials of the repository"),
    gettext_noop("variables in %(environment)s"),
)
_SCOPES: Final = (
    gettext_noop("%(name)s in %(environment)s of %(project)s"),
    gettext_noop("%(name)s in %(environment)s"),
    gettext_noop("%(name)s of %(project)s"),
)
_HOLDER: Final = gettext_noop("%(holder)s on %(environment)s")
_BY_SCHEDULE: Final = gettext_noop("By the schedule %(name)s.")

_FIELD: Final = re.compile(r"([a-z_]+)( .*)?", re.DOTALL)
_IN_ENVIRONMENT: Final = re.compile(r"(variables in [A-Za-z0-9_.-]+)( .*)?", re.DOTALL)
_CREDENTIALS: Final = "credentials of the repository"
_APART: Final = re.compile(r'; (?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*\Z)', re.DOTALL)
"""Where one thing that is said ends and the next begins: not within quotes, in which values stand."""


def said(record: AuditRecord) -> str:
    """Return the comment of a record as the reader's page shows it."""
    verb, _sign, kind = record.action.partition("_")
    if record.job_id is not None:
        return _of_schedule(record)
    if kind == "secret" and verb in {"set", "delete"}:
        return _translated(record.comment, _SCOPES) or record.comment
    name, colon, rest = record.comment.partition(": ")
    if record.action == GRANT:
        name = _translated(name, (_HOLDER,)) or name
    if not colon:
        return name
    return f"{name}: {'; '.join(_each(rest, kind))}"


def _of_schedule(record: AuditRecord) -> str:
    """Translate what comes before a comment of the schedule that made the job."""
    name = record.address.removeprefix("schedule ")
    beginning = _BY_SCHEDULE % {"name": name}
    if record.action != "create" or name == record.address or not record.comment.startswith(beginning):
        return record.comment
    return _(_BY_SCHEDULE) % {"name": name} + record.comment.removeprefix(beginning)


def _each(text: str, kind: str) -> Iterator[str]:
    for part in _APART.split(text):
        yield _translated(part, _REMARKS) or _field(part, kind)


def _field(part: str, kind: str) -> str:
    """Translate the name of a field, and leave its values."""
    if part == _CREDENTIALS:
        return _(_CREDENTIALS)
    if found := _IN_ENVIRONMENT.fullmatch(part):
        return (_translated(found[1], _FIELDS) or found[1]) + (found[2] or "")
    found = _FIELD.fullmatch(part)
    if found is None:
        return part
    return (_(found[1]) if found[1] == "rights" else _label(found[1], kind)) + (found[2] or "")


def _label(name: str, kind: str) -> str:
    """Return what forms call a field; its own name when there is no such field."""
    if kind not in _MODELS:
        return name
    try:
        field = apps.get_model(_MODELS[kind])._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    return str(getattr(field, "verbose_name", name))


def _translated(text: str, known: tuple[str, ...]) -> str | None:
    """Return a text in the active language when it is one of ``known``, the first that fits."""
    for each in known:
        pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(each))
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return _(each) % found.groupdict() if found.groupdict() else _(each)
    return None
