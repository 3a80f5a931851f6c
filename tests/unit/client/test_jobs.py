"""Reading jobs and making them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from clarive_monitor.client import output
from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import Answer, Stub, entry, job, page, problem


def test_a_list_asks_for_what_the_options_say(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/", page(job(3, "error"), job(2)))
    ended = client(
        "jobs", "list", "-s", "error", "-s", "running", "-e", "DEV", "--rule", "web", "--search", "v1", "--user", "ana",
        "--created-after", "2026-03-01T10:00:00+01:00", "--ordering", "-created_at", "--limit", "2",
    )  # fmt: skip
    assert ended.code == 0
    assert stub.asked[0].query == {
        "status": ["error", "running"], "environment": ["DEV"], "rule": ["web"], "q": ["v1"], "created_by": ["ana"],
        "created_after": ["2026-03-01T09:00:00Z"], "ordering": ["-created_at"], "limit": ["2"],
    }  # fmt: skip
    names, first, second = ended.out.splitlines()
    assert names.split()[:4] == ["ID", "NAME", "STATUS", "STEP"]
    assert first.split()[:5] == ["3", "N.DEV-00000003", "error", "END", "100%"]
    assert "\x1b" not in ended.out
    assert second.split()[0] == "2"


def test_all_walks_the_pages_and_a_limit_stops(client: Client, stub: Stub) -> None:
    following = f"{stub.address}/api/v1/jobs/?cursor=x&status=error&limit=200"
    pages = (page(job(3), job(2), following=following), page(job(1)))
    stub.on("GET jobs/", *pages)
    ended = client("jobs", "list", "--all", "--status", "error", "--json")
    assert json.loads(ended.out) == [job(3), job(2), job(1)]
    assert stub.asked[1].query == {"cursor": ["x"], "status": ["error"], "limit": ["200"]}
    stub.on("GET jobs/", *pages)
    client("jobs", "list", "--limit", "201", "-q")
    assert stub.asked[-1].query["limit"] == ["199"]
    stub.on("GET jobs/", page())
    assert json.loads(client("jobs", "list", "--json").out) == []


@pytest.mark.parametrize(
    "words",
    [
        ["--status", "finish"], ["--created-after", "yesterdayish"], ["--limit", "0"], ["--unknown"], ["extra"],
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_usage(client: Client, stub: Stub, words: list[str]) -> None:
    assert client("jobs", "list", *words).code == Exit.USAGE
    assert stub.asked == []


def test_a_job_is_shown_by_number_or_name(client: Client, stub: Stub) -> None:
    blocker = {"kind": "approval", "detail": "Sign", "since": None, "until": None, "who": ["group:qa"]}
    found = job(7, "pending_approval", blockers=[blocker], comment="one\x1b]0;evil\x07 two")
    stub.on("GET jobs/7/", Answer(found))
    stub.on("GET jobs/", page(job(8, name="N.DEV-000000070"), job(7)))
    assert json.loads(client("jobs", "show", "7", "--json").out) == found
    ended = client("jobs", "show", "N.DEV-00000007")
    assert stub.asked[1].query["q"] == ["N.DEV-00000007"]
    assert "approval: Sign (group:qa)" in ended.out
    assert "one two" in ended.out
    assert "evil" not in ended.out
    assert client("jobs", "show", "N.DEV-00000009").code == Exit.NOT_FOUND
    assert client("jobs", "actions", "7").out == "cancel\nrun-now\n"


def test_the_audit_is_a_table(client: Client, stub: Stub) -> None:
    record = {
        "id": 1, "at": "2026-03-01T10:00:00Z", "user": "ana", "action": "create", "from_status": None, "to_status": "running",
        "step": "INIT", "attempt": 1, "comment": "why", "source": "api", "address": "10.0.0.1",
    }  # fmt: skip
    stub.on("GET jobs/7/audit/", page(record))
    assert "ana" in client("jobs", "audit", "7").out
    assert json.loads(client("jobs", "audit", "7", "--json").out) == [record]


def test_the_log_is_plain_where_nobody_looks(client: Client, stub: Stub) -> None:
    lines = [entry(1, "\x1b[31mred\x1b[0m \x1b[2Jcleared\x07"), entry(2, "said", user="ana", level="comment")]
    stub.on("GET jobs/7/log/", page(*lines))
    ended = client(
        "jobs", "log", "7", "--level", "info", "--level", "comment", "--operation", "build", "--attempt", "1"
    )
    assert ended.out == "red cleared\nana: said\n"
    assert stub.asked[0].query == {
        "level": ["info", "comment"], "operation": ["build"], "attempt": ["1"], "limit": ["5000"],
    }  # fmt: skip
    assert json.loads(client("jobs", "log", "7", "--json").out) == lines


def test_a_terminal_shows_colours_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream=None: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    line = entry(1, "\x1b[31mred\x1b[0m\x1b[2J\x1b]52;c;YQ==\x07")
    assert output.log_line(line, times=False) == "\x1b[31mred\x1b[0m\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.log_line(line, times=False) == "red"


def test_a_table_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream=None: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    output.write_table(("A", "B"), [["x" * 60, "日本語" * 5], ["short", ""]])
    lines = capsys.readouterr().out.splitlines()
    assert all(output.width(line) <= 40 for line in lines)
    assert "…" in lines[1]


def test_a_job_is_made_of_what_is_said(client: Client, stub: Stub) -> None:
    stub.on("POST jobs/", Answer(job(), 201))
    ended = client(
        "jobs", "create", "--rule", "web", "-e", "DEV", "-p", "shop", "--ref", "v1", "--ref", "v2", "--var", "colour=a=b",
        "--var", "size:=[1]", "--at", "+2h", "--urgent", "-m", "why",
    )  # fmt: skip
    (body,) = stub.bodies("POST jobs/")
    planned = datetime.fromisoformat(body.pop("scheduled_at"))
    assert abs(planned - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=30)
    assert body == {
        "rule": "web", "environment": "DEV", "project": "shop", "type": "promote", "urgent": True, "comment": "why",
        "revisions": [{"ref": "v1"}, {"ref": "v2"}], "variables": {"colour": "a=b", "size": [1]},
    }  # fmt: skip
    assert ended.out == "Created N.DEV-00000007 (number 7): running in RUN.\n"
    assert client("jobs", "create", "--rule", "web", "-e", "DEV", "--quiet").out == "7\n"
    assert client("jobs", "create", "--rule", "web", "-e", "DEV", "--var", "x").code == Exit.USAGE
    assert client("jobs", "create", "--rule", "web", "-e", "DEV", "--var", "x:=[").code == Exit.USAGE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("finished", Exit.OK), ("error", Exit.JOB_ERROR), ("cancelled", Exit.JOB_STOPPED),
        ("rejected", Exit.JOB_STOPPED), ("expired", Exit.JOB_STOPPED), ("abend", Exit.JOB_STOPPED),
    ],
)  # fmt: skip
@pytest.mark.parametrize("waits", [True, False], ids=["the server waits", "the client asks"])
def test_a_pipeline_branches_on_how_the_job_ended(
    client: Client, stub: Stub, status: str, code: Exit, waits: bool
) -> None:
    stub.on("POST jobs/", Answer(job(), 201))
    stub.on("GET jobs/7/", Answer(job()), Answer(job()), Answer(job(7, status)))
    if waits:
        stub.on("GET jobs/7/wait/", Answer(job(), 202), Answer(job(7, status)))
    ended = client("jobs", "create", "--rule", "web", "-e", "DEV", "--wait", "--json")
    assert ended.code == code
    assert json.loads(ended.out) == job(7, status)
    asked = stub.asks("GET jobs/7/wait/")
    assert asked[0].query == {"until": ["ended"], "timeout": ["50"]}
    assert len(asked) == (2 if waits else 1)


def test_an_init_that_fails_is_an_error_at_once(client: Client, stub: Stub) -> None:
    stub.on("POST jobs/", Answer(job(7, "error"), 201))
    assert client("jobs", "create", "--rule", "web", "-e", "DEV").code == Exit.JOB_ERROR


def test_waiting_ends_in_time(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job(7, "trapped")))
    ended = client("jobs", "wait", "7", "--timeout", "1s")
    assert ended.code == Exit.TIMED_OUT
    assert "N.DEV-00000007 is trapped in RUN" in ended.err


def test_waiting_for_a_status(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job()), Answer(job(7, "trapped")), Answer(job(7, "finished")))
    assert client("jobs", "wait", "7", "--until", "trapped").code == 0
    assert client("jobs", "wait", "7", "--until", "trapped").code == Exit.TIMED_OUT
    stub.on("GET jobs/7/", Answer(job(7, "error")))
    assert client("jobs", "wait", "7", "--until", "error").code == 0
    assert client("jobs", "wait", "7", "--until", "finished").code == Exit.JOB_ERROR


def test_waiting_survives_a_restart_of_the_server(client: Client, stub: Stub) -> None:
    away = problem(503, "unavailable")
    stub.on("GET jobs/7/", *[away] * 7, Answer(job(7, "finished")))
    assert client("jobs", "wait", "7").code == 0
