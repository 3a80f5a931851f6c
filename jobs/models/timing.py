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


class Estimate(models.Model):
    """What was said of the remaining work of a job from an instant on, and how it was: each estimate that was news.

    Of each rule and environment only the newest ones are kept.

    Attributes:
        job_id: Whose, without a foreign key, as ``Timing``.
        rule_id: The rule it ran.
        environment_id: Where.
        attempt: Which attempt.
        step: The step at hand.
        at: When it was said, or when work went on after it was.
        p50: Seconds, as are all that follow.
        p90: Of the range.
        rivals: What others would have said, in the order of ``jobs.eta.accuracy.RIVALS``.
        actual: How much work it was from then on; ``None`` until the job has finished, and when nobody knows.
    """

    job_id = models.BigIntegerField()
    rule_id = models.BigIntegerField()
    environment_id = models.BigIntegerField()
    attempt = models.PositiveIntegerField()
    step = models.CharField(max_length=5)
    at = models.DateTimeField()
    p50 = models.FloatField()
    p90 = models.FloatField()
    rivals = models.JSONField()
    actual = models.FloatField(null=True)

    class Meta:
        default_permissions = ()
        indexes = (models.Index(F("rule_id"), F("environment_id"), F("id").desc(), name="estimate_newest"),)
        constraints = (models.UniqueConstraint(fields=("job_id", "attempt", "at"), name="estimate_once"),)

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.step}: {self.p50}"
