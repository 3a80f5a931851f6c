"""The log of a job: rows that each hold many lines, compressed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class LogChunk(models.Model):
    """Consecutive lines of one operation in one attempt.

    A row a line would cap the log at some ten thousand lines a second, so a row holds up to about 256 KiB of
    text. What a filter needs (attempt, operation, levels) stands beside the compressed data, so that a reader
    opens only the chunks that can match. Rows are written once and never changed; ``jobs.log`` is the only
    code that writes or reads them.

    The table is partitioned by ranges of jobs, so that the disk of old logs is given back by whole files; see
    ``jobs.retention.partitions``.

    Attributes:
        job: Whose log it is.
        first_line: Id of the first line. Ids count from 1 per job, over all attempts, without gaps.
        line_count: Lines in the chunk, at least 1.
        attempt: From 1.
        step: Code of the step, ``RUN``.
        operation: Path of the operation, ``RUN/2/foreach[3]/0``; empty for what concerns the whole step.
        operation_id: The operation's ``id``, or its path when it has none.
        thread: Branch of a ``parallel``; 0 outside of one.
        levels: Bits of the levels that occur, see ``jobs.log.codec.Level``.
        first_at: When its first line was written.
        last_at: When its last line was written.
        size: Bytes of its text before compression.
        username: Who wrote it, when a person did. A name and no key: the line outlives the account.
        data: Header and text, see ``jobs.log.codec``.
    """

    pk = models.CompositePrimaryKey("job", "first_line")
    # No key of the database: making and dropping a partition would lock all jobs. A trigger removes the chunks of a job
    # that goes, and whoever writes one holds the job's row, so none can be left behind (decision 75).
    job = models.ForeignKey(
        "jobs.Job",
        on_delete=models.DO_NOTHING,
        related_name="log_chunks",
        db_index=False,
        db_constraint=False,
    )
    first_line = models.BigIntegerField()
    line_count = models.IntegerField()
    attempt = models.SmallIntegerField()
    step = models.CharField(max_length=8, blank=True, default="")
    operation = models.TextField(blank=True, default="")
    operation_id = models.TextField(blank=True, default="")
    thread = models.SmallIntegerField(default=0)
    levels = models.SmallIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    size = models.IntegerField()
    username = models.CharField(max_length=150, blank=True, default="")
    data = models.BinaryField()

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log chunks")
        default_permissions = ("view",)
        constraints = (
            models.CheckConstraint(
                name="logchunk_has_lines", condition=Q(line_count__gte=1, first_line__gte=1)
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id}: {self.first_line}+{self.line_count}"
