"""The dry run of a job that is imagined: what would run in an environment, and where each variable comes from.

Nothing is executed and nothing is written: the rule is walked over what is known before a job exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs import variables
from jobs.actions.lookup import layers_of
from jobs.models import Project
from jobs.secrets import vault
from jobs.secrets.masking import Mask
from jobs.wording import ORIGIN_LABELS, translated
from permissions.models import Environment, User
from rules.dry_run import Partial, Plan, PlannedBlock, PlannedOperation, Reason, Status, Unknown, plan
from rules.dry_run.steps import MOST_SECONDS
from rules.dry_run.texts import shown
from rules.dry_run.values import OF_A_SECRET, OF_THE_RUN
from rules.exceptions import RuleInvalid, RuleNotFound, RuleProblem
from rules.models import Rule, RuleVersion
from rules.selectors import linked_tree, pins
from rules.tree import RuleTree

STATUS_LABELS: Final[Mapping[Status, Promise]] = {
    Status.RUNS: _("runs"),
    Status.MAYBE: _("known at run time"),
    Status.SKIPPED: _("skipped"),
    Status.FAILS: _("fails"),
    Status.NOT_REACHED: _("not reached"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The rule that is tried: its tree linked with the rules it calls, or why there is none.

    Attributes:
        slug: Of the rule.
        tree: The linked rule.
        pins: Versions of the called rules.
        number: Its own version, ``None`` for a source that is not published.
        problems: What is wrong with it.
    """

    slug: str
    tree: RuleTree | None
    pins: Mapping[str, int]
    number: int | None
    problems: tuple[RuleProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Imagined:
    """The job that is imagined.

    Attributes:
        environment: Where.
        project: Of what, ``None`` for maintenance.
        type: Of the job.
        refs: Tags, branches or commits, as the job would name them.
        variables: What the job itself would be given.
    """

    environment: Environment
    project: Project | None = None
    type: str = "promote"
    refs: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)

    def layers(self, tree: RuleTree) -> dict[str, Mapping[str, Any]]:
        """Return all variables by origin."""
        return {
            "rule": tree.variables,
            **layers_of(self.project, self.environment),
            "job": self.variables,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dry run says, with the secrets hidden that the job could read: a variable may hold the value of one.

    Attributes:
        plan: Steps and operations.
        layers: Variables by origin.
        secrets: Names of those that the job may read.
    """

    plan: Plan
    layers: Mapping[str, Mapping[str, Any]]
    secrets: list[str]


def published(rule: Rule, version: RuleVersion) -> Subject:
    """Return a version that was published, with the rules it calls in the versions they have now."""
    try:
        pinned = pins(version.pk)
        return Subject(rule.slug, linked_tree(version.pk, pinned), pinned, version.number)
    except RuleInvalid as error:
        return Subject(rule.slug, None, {}, version.number, error.problems)
    except RuleNotFound as error:
        problem = RuleProblem(1, 1, "unknown_rule", "There is no rule %(name)s.", {"name": error.slug})
        return Subject(rule.slug, None, {}, version.number, (problem,))


def imagine(
    subject: Subject, tree: RuleTree, asked: Imagined, user: User, *, seconds: float = MOST_SECONDS
) -> Answer:
    """Walk a rule for a job that is imagined.

    Args:
        subject: The rule.
        tree: Its tree.
        asked: The job.
        user: Who would create it.
        seconds: How long it may take; what was found until then is returned.
    """
    layers = asked.layers(tree)
    merged = {name: one.value for name, one in variables.merge(layers).items()}
    opened = vault.open_for(asked.environment.pk, asked.project.pk if asked.project else None)
    secrets = sorted({*opened.values, *opened.unreadable})
    facts = partial(_facts, subject, asked, user, secrets)
    found = plan(tree, facts, merged, pins=subject.pins, seconds=seconds)
    hidden = {
        origin: {name: opened.mask.value(value) for name, value in values.items()}
        for origin, values in layers.items()
    }
    return Answer(_masked(found, opened.mask), hidden, secrets)


def _masked(found: Plan, mask: Mask) -> Plan:
    """Return the plan with the secrets in its texts hidden."""
    if not mask:
        return found
    steps = (
        replace(step, operations=tuple(_masked_operation(one, mask) for one in step.operations))
        for step in found.steps
    )
    return replace(found, steps=tuple(steps))


def _masked_operation(one: PlannedOperation, mask: Mask) -> PlannedOperation:
    lines = (
        replace(
            line,
            text=mask.text(line.text),
            result=mask.text(line.result),
            reason=line.reason and _masked_reason(line.reason, mask),
        )
        for line in one.lines
    )
    blocks = (
        replace(
            block,
            item=mask.text(block.item),
            operations=tuple(_masked_operation(each, mask) for each in block.operations),
        )
        for block in one.blocks
    )
    return replace(
        one,
        name=mask.text(one.name),
        error=mask.text(one.error),
        reasons=tuple(_masked_reason(reason, mask) for reason in one.reasons),
        lines=tuple(lines),
        blocks=tuple(blocks),
    )


def _masked_reason(reason: Reason, mask: Mask) -> Reason:
    return replace(reason, params={name: mask.value(value) for name, value in reason.params.items()})


def _facts(
    subject: Subject, asked: Imagined, user: User, secrets: Iterable[str], step: str
) -> dict[str, Any]:
    """Return the fixed names as ``jobs.execution.naming`` has them, with holes for what only the job will know."""
    project = asked.project
    job: dict[str, Any] = {
        name: _later(f"job.{name}")
        for name in ("comment", "urgent", "created_at", "scheduled_at", "max_start_at")
    }
    job |= {
        "id": None if step == "CHECK" else _later("job.id"),
        "name": "" if step == "CHECK" else _later("job.name"),
        "type": asked.type,
        "rule": subject.slug,
        "rule_version": _later("job.rule_version") if subject.number is None else subject.number,
        "environment": asked.environment.code,
        "project": project.code if project else None,
        "attempt": 1,
        "created_by": user.get_username(),
    }
    return {
        "job": Partial(job),
        "environment": asked.environment.code,
        "project": project.code if project else None,
        **_contents(project, asked.refs, step),
        "step": step,
        "attempt": 1,
        "outcome": _later("outcome") if step == "POST" else None,
        "secrets": Partial({name: Unknown(Reason(OF_A_SECRET, {"name": name})) for name in secrets}),
    }


def _contents(project: Project | None, refs: tuple[str, ...], step: str) -> dict[str, Any]:
    if project is None:
        return {"revision": {"ref": "", "sha": ""}, "revisions": [], "natures": []}
    natures: Any = [] if step in {"CHECK", "INIT"} else _later("natures")
    if not refs:
        return {"revision": _later("revision"), "revisions": _later("revisions"), "natures": natures}
    revisions = [Partial({"ref": ref, "sha": _later("revision.sha")}) for ref in refs]
    return {"revision": revisions[0], "revisions": revisions, "natures": natures}


def _later(name: str) -> Unknown:
    return Unknown(Reason(OF_THE_RUN, {"name": name}))


# --- for the page ---------------------------------------------------------------------------------------------------


def sentence(reason: Reason) -> str:
    """Return a reason in the reader's language."""
    return gettext(reason.template) % reason.params


def operations_of(operations: Iterable[PlannedOperation]) -> list[dict[str, Any]]:
    """Return operations as a page shows them, each with what it holds."""
    return [
        {
            "path": one.path,
            "key": one.key,
            "title": one.name or one.id,
            "line": one.position.line,
            "rule": one.rule,
            "status": one.status.value,
            "label": STATUS_LABELS[one.status],
            "reasons": list(dict.fromkeys(sentence(reason) for reason in one.reasons)),
            "error": translated(one.error) if one.error else "",
            "lines": [
                (line.label, line.text, line.result, sentence(line.reason) if line.reason else "")
                for line in one.lines
            ],
            "waits": one.waits,
            "blocks": [_block(block) for block in one.blocks],
        }
        for one in operations
    ]


def _block(block: PlannedBlock) -> dict[str, Any]:
    return {
        "name": block.name,
        "turn": block.turn,
        "item": block.item,
        "more": block.more,
        "version": block.version,
        "operations": operations_of(block.operations),
    }


def counts_of(found: Plan) -> list[tuple[str, Promise, int]]:
    """Return how many operations there are of each status that occurs: value, label, number."""
    statuses = [operation.status for operation in found]
    return [
        (status.value, label, statuses.count(status))
        for status, label in STATUS_LABELS.items()
        if status in statuses
    ]


def variables_of(layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each variable as a page shows it: name, value, origin, and what it overrides."""
    return [
        {
            "name": name,
            "value": shown(first.value),
            "origin": ORIGIN_LABELS[first.origin],
            "overridden": [(ORIGIN_LABELS[one.origin], shown(one.value)) for one in others],
        }
        for name, (first, *others) in sorted(variables.given(layers).items())
    ]
