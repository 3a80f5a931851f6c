"""Records of operations outside of a runner: what can be undone is the same for the engine and for the database."""

from __future__ import annotations

from itertools import product

import pytest

from jobs import records
from jobs.execution import checkpoints
from jobs.lifecycle import Step
from jobs.models import Job, OperationRun
from rules.engine import waits
from rules.engine.outcomes import Record, RecordStatus
from rules.engine.undo import UNDONE, is_to_undo
from rules.tree import Options, Position, RuleNode
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

LOG = RuleNode("log", "x", Position(1, 1))
OPTIONS = (
    Options(),
    Options(rollback=(LOG,)),
    Options(rollback=(LOG,), rollback_if_failed=True),
)
MEMOS: tuple[dict[str, bool], ...] = ({}, {waits.TRAPPED: True}, {UNDONE: True})


def test_database_and_engine_agree_on_what_can_be_undone() -> None:
    job = JobFactory.at("RUN", "running")
    cases = []
    for number, (options, status, memo) in enumerate(product(OPTIONS, RecordStatus, MEMOS)):
        node = RuleNode("log", "x", Position(1, 1), options=options)
        cases.append((f"RUN/{number}", node, Record(status, memo=memo)))
    assert job.claim is not None
    runner = checkpoints.Runner(job.pk, job.claim, 1, "RUN")
    rows = [checkpoints.row(path, node, "", record) for path, node, record in cases]
    checkpoints.write(runner, rows, done=0, percent=0)
    found = OperationRun.objects.filter(records.UNDOABLE).values_list("path", flat=True)
    assert set(found) == {path for path, node, record in cases if is_to_undo(node, record)}
    assert 0 < len(found) < len(cases)


def test_each_step_is_asked_for_by_itself() -> None:
    job = JobFactory.at("RUN", "running")
    assert job.claim is not None
    node = RuleNode("log", "x", Position(1, 1), options=OPTIONS[1])
    row = checkpoints.row("PRE/0", node, "", Record(RecordStatus.COMPLETED))
    checkpoints.write(checkpoints.Runner(job.pk, job.claim, 1, "RUN"), [row], done=0, percent=0)
    assert records.has_undoable(job, (Step.PRE, Step.RUN))
    assert not records.has_undoable(job, (Step.RUN,))
    Job.objects.filter(pk=job.pk).update(attempt=2)
    job.refresh_from_db()
    assert not records.has_undoable(job, (Step.PRE, Step.RUN))
