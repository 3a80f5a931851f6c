"""The dry run of a whole rule, step by step. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rules.dry_run.blocks import HANDLERS
from rules.dry_run.planner import Around, Planner
from rules.dry_run.shapes import Plan, PlannedStep
from rules.dry_run.values import Names, Reason, Stash
from rules.engine.registry import Registry
from rules.engine.registry import registry as default_registry
from rules.marking import gettext_noop
from rules.tree import EXECUTED_STEPS, RuleTree

MOST_SECONDS: Final = 5.0

NO_JOB: Final = gettext_noop("CHECK refuses, so there is no job.")
STEP_FAILED: Final = gettext_noop("%(step)s fails before.")


def plan(
    tree: RuleTree,
    facts: Callable[[str], Mapping[str, Any]],
    variables: Mapping[str, Any],
    *,
    pins: Mapping[str, int],
    registry: Registry = default_registry,
    seconds: float = MOST_SECONDS,
) -> Plan:
    """Return what the rule would do.

    Args:
        tree: The linked rule.
        facts: Returns the fixed names of expressions in a step; what is not known is ``Unknown``, or in a ``Partial``.
        variables: As merged when the job is created.
        pins: Versions of the called rules by slug.
        registry: The operations there are.
        seconds: How long it may take; what was found until then is returned.
    """
    planner = Planner(pins, registry, HANDLERS, seconds)
    stash = Stash(dict(variables), {})
    steps: list[PlannedStep] = []
    not_reached: Reason | None = None
    for step in EXECUTED_STEPS:
        nodes = tree.operations(step)
        if step == "POST" and not_reached is not None and not_reached.params.get("step") in {"PRE", "RUN"}:
            not_reached = None
        # CHECK comes before the job, so what it sets is gone.
        names = Names(facts(step), stash.copy() if step == "CHECK" else stash)
        paths = [f"{step}/{index}" for index in range(len(nodes))]
        operations, failed_at = planner.several(nodes, paths, Around(names))
        if nodes:
            steps.append(PlannedStep(step, operations, not_reached, failed_at))
        if failed_at and not_reached is None:
            not_reached = Reason(NO_JOB) if step == "CHECK" else Reason(STEP_FAILED, {"step": step})
    return Plan(tuple(steps), planner.is_cut)
