"""Which policy decides about a job: the most specific one, for each thing that can be removed.

A policy for the job's environment goes before one for all; then one for its rule; then one for its outcome. No two policies
are for the same jobs and the same thing, which the database sees to, so there is always one answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jobs.lifecycle import ENDED, Status
from jobs.models import RetentionPolicy

Outcome = RetentionPolicy.Outcome
Removes = RetentionPolicy.Removes

STATUSES: Final = {
    Outcome.FINISHED: (Status.FINISHED.value,),
    Outcome.FAILED: tuple(sorted(status.value for status in ENDED - {Status.FINISHED})),
}
"""Of the jobs of each outcome."""


def outcome_of(status: str) -> RetentionPolicy.Outcome:
    """Return the outcome of a job that has ended."""
    return Outcome.FINISHED if status == Status.FINISHED else Outcome.FAILED


class Rulebook:
    """All policies, as they are at one moment."""

    def __init__(self, policies: Iterable[RetentionPolicy]) -> None:
        """Sort them."""
        self.policies = tuple(policies)
        self._by_place = {
            (policy.removes, policy.environment_id, policy.rule_id, policy.outcome): policy
            for policy in self.policies
        }

    @classmethod
    def read(cls) -> Rulebook:
        """Return the policies of the database."""
        return cls(RetentionPolicy.objects.select_related("environment", "rule"))

    @property
    def removes_nothing(self) -> bool:
        """Whether no policy lets go of anything."""
        return all(policy.is_for_ever for policy in self.policies)

    def policy_for(
        self, removes: str, environment_id: int, rule_id: int, outcome: str
    ) -> RetentionPolicy | None:
        """Return the policy that decides whether one thing of such a job goes, ``None`` when none is for it."""
        for environment in (environment_id, None):
            for rule in (rule_id, None):
                for kind in (outcome, Outcome.ANY.value):
                    found = self._by_place.get((removes, environment, rule, kind))
                    if found is not None:
                        return found
        return None

    def counted_with(self, policy: RetentionPolicy, environment_id: int, rule_id: int) -> list[str]:
        """Return the statuses of the jobs of an environment and a rule about which ``policy`` decides.

        Its ``keep_jobs`` counts these.
        """
        return [
            status
            for outcome, statuses in STATUSES.items()
            if self.policy_for(policy.removes, environment_id, rule_id, outcome.value) == policy
            for status in statuses
        ]
