"""The dry run: which operations of a rule would run, with which values, and what cannot be known before. Pure.

It evaluates conditions and texts with the engine's own code over the data that is known, and executes nothing.
"""

from rules.dry_run.shapes import Line, Plan, PlannedBlock, PlannedOperation, PlannedStep, Status
from rules.dry_run.steps import plan
from rules.dry_run.values import Partial, Reason, Unknown

__all__ = [
    "Line",
    "Partial",
    "Plan",
    "PlannedBlock",
    "PlannedOperation",
    "PlannedStep",
    "Reason",
    "Status",
    "Unknown",
    "plan",
]
