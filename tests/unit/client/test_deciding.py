"""Deciding about jobs: questions before what is dangerous, and every job told."""

from __future__ import annotations

import io
import json

import pytest

from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import Answer, Stub, job, problem


class _Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["rerun", "7", "--step", "run", "--run-now", "-y"], "rerun", {"step": "RUN", "run_now": True}),
        (["rerun", "7", "--step", "POST", "--outcome", "error", "-y"], "rerun", {"step": "POST", "outcome": "error"}),
        (["reschedule", "7", "--at", "2026-03-01T10:00:00Z"], "reschedule", {"scheduled_at": "2026-03-01T10:00:00Z"}),
        (["run-now", "7", "-y"], "run_now", {}),
        (["cancel", "7", "-m", "why", "--yes"], "cancel", {"comment": "why"}),
        (["approve", "7"], "approve", {}),
        (["reject", "7", "-m", "no"], "reject", {"comment": "no"}),
        (["retry", "7"], "trap", {"action": "retry"}),
        (["skip", "7", "-y"], "trap", {"action": "skip"}),
        (["abort", "7", "-y", "-m", "x"], "trap", {"action": "abort", "comment": "x"}),
        (["pause", "7"], "trap", {"action": "pause"}),
        (["resume", "7"], "trap", {"action": "resume"}),
        (["trap", "retry", "7", "-m", "x"], "trap", {"action": "retry", "comment": "x"}),
        (["trap", "skip", "7", "-y"], "trap", {"action": "skip"}),
        (["trap", "resume", "7"], "trap", {"action": "resume"}),
        (["rollback", "7", "--force", "-m", "x", "-y"], "rollback", {"force": True, "comment": "x"}),
        (["comment", "7", "-m", "hello", "--level", "warning"], "comment", {"text": "hello", "level": "warning"}),
    ],
)  # fmt: skip
def test_each_decision_is_sent(
    client: Client, stub: Stub, words: list[str], path: str, body: dict[str, object]
) -> None:
    stub.on(f"POST jobs/7/{path}/", Answer(job()))
    ended = client("jobs", *words)
    assert (ended.code, stub.bodies(f"POST jobs/7/{path}/")) == (0, [body])
    assert "N.DEV-00000007" in ended.out
    assert json.loads(client("jobs", *words, "--json").out) == job()


def test_a_dangerous_one_asks_and_says_what_will_happen(
    client: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET jobs/7/", Answer(job(7, attempt=2)))
    stub.on("POST jobs/7/cancel/", Answer(job(7, "cancelled")))
    ended = client("jobs", "cancel", "7")
    assert ended.code == Exit.USAGE
    assert "Say --yes" in ended.err
    monkeypatch.setattr("sys.stdin", _Terminal("n\n"))
    assert client("jobs", "cancel", "7").code == Exit.USAGE
    assert stub.bodies("POST jobs/7/cancel/") == []
    monkeypatch.setattr("sys.stdin", _Terminal("y\n"))
    ended = client("jobs", "cancel", "7")
    assert ended.code == 0
    assert "N.DEV-00000007: DEV, shop, running in RUN" in ended.err
    assert "is NOT stopped" in ended.err
    assert stub.bodies("POST jobs/7/cancel/") == [{"seen": {"attempt": 2, "status": "running"}}]


def test_of_several_each_is_told_and_one_that_refuses_stops_no_other(client: Client, stub: Stub) -> None:
    stub.on("POST jobs/7/approve/", Answer(job(7)))
    stub.on("POST jobs/8/approve/", problem(409, "already_signed", "You have signed."))
    stub.on("POST jobs/9/approve/", Answer(job(9)))
    ended = client("jobs", "approve", "7", "8", "9")
    assert ended.code == Exit.REFUSED
    assert [line.split(":")[0] for line in ended.out.splitlines()] == ["N.DEV-00000007", "N.DEV-00000009"]
    assert "You have signed." in ended.err
    assert json.loads(client("jobs", "approve", "7", "9", "--json").out) == [job(7), job(9)]


def test_a_job_is_deleted(client: Client, stub: Stub) -> None:
    stub.on("DELETE jobs/7/", Answer(status=204))
    assert client("jobs", "delete", "7", "--yes").out == "7: deleted.\n"


def test_an_answer_to_a_trap_is_one_of_five_and_asks_where_its_own_command_does(
    client: Client, stub: Stub
) -> None:
    stub.on("GET jobs/7/", Answer(job(7, "trapped")))
    assert client("jobs", "trap", "ignore", "7").code == Exit.USAGE
    refused = client("jobs", "trap", "abort", "7")
    assert (refused.code, "Say --yes" in refused.err) == (Exit.USAGE, True)
    assert "retry, skip, abort, pause or resume" in client("help", "jobs", "trap").out
    assert stub.bodies("POST jobs/7/trap/") == []


def test_a_rejection_needs_its_reason(client: Client, stub: Stub) -> None:
    assert client("jobs", "reject", "7").code == Exit.USAGE
    assert stub.asked == []
