"""Variables and outputs of a job as its page shows them: with their origin, secrets hidden, the long ones folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import connection

from jobs.models import Job
from jobs.monitor import ansi
from jobs.secrets import vault
from jobs.templatetags.monitor import as_json
from jobs.wording import ORIGIN_LABELS
from rules import selectors as rules
from rules.engine.registry import registry
from rules.exceptions import RuleError
from rules.tree import static_path, walk

LONGEST_SHOWN: Final = 120
"""Characters from which on a value is folded."""

MOST_CHARACTERS: Final = 4000
"""So much of an output is read; the whole is in the log."""

MOST_VARIABLES: Final = 200
MOST_OUTPUTS: Final = 40
MOST_MEMBERS: Final = 50
"""So many parts of one output are shown."""

MOST_SETTERS: Final = 2000
"""Of so many operations that set variables, the last ones, is looked at what they set."""

_TEXT: Final = "left(CASE jsonb_typeof({0}) WHEN 'string' THEN {0} #>> '{{}}' ELSE {0}::text END, %(most)s)"
_SET: Final = f"""
SELECT DISTINCT ON (member.key) member.key, run.path, run.identifier, run.name, {_TEXT.format("member.value")}
FROM (
    SELECT id, path, identifier, name, value, finished_at FROM jobs_operationrun
    WHERE job_id = %(job)s AND attempt = %(attempt)s AND key = ANY(%(setters)s) AND jsonb_typeof(value) = 'object'
    ORDER BY id DESC LIMIT %(runs)s
) run CROSS JOIN LATERAL jsonb_each(run.value) member
ORDER BY member.key, run.finished_at DESC NULLS LAST, run.id DESC LIMIT %(limit)s
"""
_OUTPUTS: Final = f"""
SELECT run.path, run.identifier, run.name, run.key, member.key, {_TEXT.format("member.value")}
FROM (
    SELECT id, path, identifier, name, key, value FROM jobs_operationrun
    WHERE job_id = %(job)s AND attempt = %(attempt)s AND value IS NOT NULL AND jsonb_typeof(value) <> 'null'
        AND NOT key = ANY(%(setters)s)
    ORDER BY id LIMIT %(limit)s
) run CROSS JOIN LATERAL (
    SELECT key, value FROM jsonb_each(
        CASE jsonb_typeof(run.value) WHEN 'object' THEN run.value ELSE jsonb_build_object('', run.value) END
    ) ORDER BY key LIMIT %(members)s
) member
ORDER BY run.id, member.key
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as a text with its secrets hidden."""

    text: str

    @property
    def is_long(self) -> bool:
        """Whether it is folded."""
        return len(self.text) > LONGEST_SHOWN or "\n" in self.text.strip("\n")

    @property
    def beginning(self) -> str:
        """What of it is shown when it is folded."""
        line = self.text.strip("\n").partition("\n")[0]
        return f"{line[:LONGEST_SHOWN]}…" if self.is_long else line


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable.

    Attributes:
        name: Of the variable.
        value: What the job was created with; ``None`` for one that an operation made.
        origin: Where that came from, in words.
        later: What an operation set it to, ``None`` when none did.
        setter: The name of that operation.
        setter_id: Its id, by which the log is filtered.
    """

    name: str
    value: Shown | None
    origin: str
    later: Shown | None = None
    setter: str = ""
    setter_id: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """What an operation answered.

    Attributes:
        path: The operation.
        identifier: Its id, by which the log is filtered.
        name: For people.
        saved_as: Under which name the rule reads it; empty when it does not.
        members: Its parts by name; a single one without a name for what has no parts.
        has_more: There are more of them than are shown.
    """

    path: str
    identifier: str
    name: str
    saved_as: str = ""
    members: list[tuple[str, Shown]] = field(default_factory=list)
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """What a job knew: its variables by name, and what its operations answered, the first ``MOST_OUTPUTS``."""

    variables: list[Variable]
    outputs: list[Output]
    has_more: bool


def values_of(job: Job, attempt: int) -> Values:
    """Return what there is to know of an attempt; three queries of bounded size.

    What is stored was masked when it was stored. It is masked once more, by the secrets as they are today.
    """
    mask = vault.open_for(job.environment_id, job.project_id).mask.text
    setters = [operation.key for operation in registry if operation.sets_variables]
    given = {"job": job.pk, "attempt": attempt, "setters": setters, "most": MOST_CHARACTERS + 1}
    bounds = {"limit": MOST_OUTPUTS + 1, "members": MOST_MEMBERS + 1}
    found = _outputs(_rows(_OUTPUTS, {**given, **bounds}), _saved(job), mask)
    later = _rows(_SET, {**given, "limit": MOST_VARIABLES, "runs": MOST_SETTERS})
    return Values(_variables(job, later, mask), found[:MOST_OUTPUTS], len(found) > MOST_OUTPUTS)


def shown(value: object, mask: Callable[[str], str]) -> Shown:
    """Return plain data as a text with its secrets hidden, cut when it is very long."""
    text = as_json(value)
    cut = f"{text[:MOST_CHARACTERS]}…" if len(text) > MOST_CHARACTERS else text
    # Colours first: a secret with one in its middle is whole without it.
    return Shown(mask(ansi.plain(cut)))


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _saved(job: Job) -> dict[str, str]:
    """Return under which names the rule keeps answers, by place in the rule."""
    try:
        tree = rules.linked_tree(job.rule_version_id, job.rule_pins)
    except RuleError:
        return {}
    return {
        path: node.options.save_as
        for step, nodes in tree.steps.items()
        for path, node in walk(nodes, step)
        if node.options.save_as
    }


def _outputs(
    rows: Iterable[tuple[Any, ...]], saved: Mapping[str, str], mask: Callable[[str], str]
) -> list[Output]:
    found: dict[str, Output] = {}
    for path, identifier, name, key, member, text in rows:
        output = found.get(path)
        if output is None:
            output = found[path] = Output(path, identifier, name or key, saved.get(static_path(path), ""))
        output.members.append((member, shown(text, mask)))
    for path, output in found.items():
        if len(output.members) > MOST_MEMBERS:
            found[path] = replace(output, members=output.members[:MOST_MEMBERS], has_more=True)
    return list(found.values())


def _variables(job: Job, later: Iterable[tuple[Any, ...]], mask: Callable[[str], str]) -> list[Variable]:
    """Return the variables as they were merged when the job was created, with what operations set since."""
    found: dict[str, Variable] = {}
    for name, merged in job.variables.items():
        origin = str(ORIGIN_LABELS.get(merged["origin"], merged["origin"]))
        found[name] = Variable(name, shown(merged["value"], mask), origin)
    for name, path, identifier, setter, text in later:
        before = found.get(name)
        found[name] = Variable(
            name, before.value if before else None, before.origin if before else "", shown(text, mask),
            setter or path, identifier,
        )  # fmt: skip
    return [found[name] for name in sorted(found)]
