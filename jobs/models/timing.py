"""How long the operations of finished jobs took: what estimates of remaining work are made from."""

from __future__ import annotations

from django.db import models
from django.db.models import F


class Timing(models.Model):
    """What the units of one finished job took. Of each rule and environment only the newest ones are kept.

    Without foreign keys: it says something about the rule, also when the job is gone.

    Attributes:
        job_id: Whose.
        rule_id: The rule it ran.
        environment_id: Where.
        seconds: As ``jobs.eta.forecast.taken`` makes it.
    """

    job_id = models.BigIntegerField()
    rule_id = models.BigIntegerField()
    environment_id = models.BigIntegerField()
    seconds = models.JSONField()

    class Meta:
        default_permissions = ()
        indexes = (models.Index(F("rule_id"), F("environment_id"), F("id").desc(), name="timing_newest"),)

    def __str__(self) -> str:
        return f"{self.rule_id}/{self.environment_id}: {self.job_id}"
