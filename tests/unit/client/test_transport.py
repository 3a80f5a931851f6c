"""How the client ends by what the server says, and what it asks again."""

from __future__ import annotations

import json

import pytest

from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import DROP, TOKEN, Answer, Stub, job, page, problem


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid", Exit.USAGE), (401, "not_authenticated", Exit.NOT_SIGNED_IN),
        (403, "right_missing", Exit.REFUSED), (404, "not_found", Exit.NOT_FOUND),
        (409, "transition_not_allowed", Exit.REFUSED), (413, "too_large", Exit.REFUSED),
        (422, "check_failed", Exit.REFUSED), (500, "internal_error", Exit.UNREACHABLE),
        (503, "no_worker", Exit.UNREACHABLE),
    ],
)  # fmt: skip
def test_each_refusal_has_its_exit_code(
    client: Client, stub: Stub, status: int, code: str, exit_code: Exit
) -> None:
    stub.on("POST jobs/", problem(status, code, "Not on a Friday."))
    words = ("jobs", "create", "--rule", "web", "-e", "DEV")
    ended = client(*words)
    assert ended.code == exit_code
    assert "Error: Not on a Friday." in ended.err
    assert ended.out == ""
    assert len(stub.asked) == 1
    assert json.loads(client(*words, "--json").err)["code"] == code


def test_mistakes_are_named_by_field(client: Client, stub: Stub) -> None:
    errors = [{"field": "rule", "message": "There is no rule wbe. Did you mean web?"}]
    stub.on("POST jobs/", problem(400, "invalid", "The input is not usable: rule.", errors=errors))
    ended = client("jobs", "create", "--rule", "wbe", "-e", "DEV")
    assert "  rule: There is no rule wbe. Did you mean web?" in ended.err


def test_nobody_there_is_unreachable(bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARIVE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CLARIVE_TOKEN", TOKEN)
    ended = bare("whoami", "--quiet")
    assert ended.code == Exit.UNREACHABLE
    assert "http://127.0.0.1:1 cannot be reached" in ended.err
    assert "Trying again" not in ended.err


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html>Welcome to nginx", kind="text/html"),
        Answer("<html>Not here", 404, kind="text/html"),
        Answer({"hello": 1}),
        Answer("{", kind="application/json"),
    ],
)
def test_something_else_than_a_clarive_server_is_told(client: Client, stub: Stub, answer: Answer) -> None:
    stub.on("GET me/", answer)
    ended = client("whoami")
    assert ended.code == Exit.UNREACHABLE
    assert "is not a Clarive server" in ended.err
    assert len(stub.asked) == 1


def test_an_address_that_sends_elsewhere_is_not_followed(client: Client, stub: Stub) -> None:
    stub.on("GET me/", Answer({}, 301, {"Location": "https://other.example.org/"}))
    ended = client("whoami")
    assert ended.code == Exit.UNREACHABLE
    assert "https://other.example.org/" in ended.err


def test_a_read_is_tried_again(client: Client, stub: Stub) -> None:
    stub.on(
        "GET jobs/7/", DROP, Answer("", 502, kind="text/html"), problem(503, "unavailable"), Answer(job())
    )
    ended = client("jobs", "show", "7")
    assert (ended.code, len(stub.asked)) == (0, 4)
    assert "Trying again" in ended.err


def test_a_create_that_is_sent_again_carries_the_same_key(client: Client, stub: Stub) -> None:
    in_use = problem(409, "idempotency_key_in_use")
    in_use.headers["Retry-After"] = "0"
    stub.on("POST jobs/", DROP, in_use, Answer(job(), 201))
    assert client("jobs", "create", "--rule", "web", "-e", "DEV").code == 0
    keys = [asked.headers["Idempotency-Key"] for asked in stub.asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    client("jobs", "create", "--rule", "web", "-e", "DEV", "--idempotency-key", "ci-4711")
    assert stub.asked[-1].headers["Idempotency-Key"] == "ci-4711"


def test_a_limit_of_requests_is_waited_for(client: Client, stub: Stub) -> None:
    throttled = problem(429, "throttled")
    throttled.headers["Retry-After"] = "1"
    stub.on("GET jobs/7/", throttled, Answer(job()))
    ended = client("jobs", "show", "7")
    assert ended.code == 0
    assert "Trying again in 1 s" in ended.err


def test_a_delete_whose_answer_was_lost_is_done(client: Client, stub: Stub) -> None:
    stub.on("DELETE jobs/7/", DROP, problem(404, "not_found"))
    assert client("jobs", "delete", "7", "--yes").code == 0


def test_the_token_goes_to_the_server_alone(client: Client, stub: Stub) -> None:
    stub.on(
        "GET jobs/",
        page(job(1), following="http://evil.example.org/api/v1/jobs/?cursor=abc&limit=50"),
        page(job(2)),
    )
    assert client("jobs", "list", "--all", "--quiet").out == "1\n2\n"
    assert stub.asked[1].query["cursor"] == ["abc"]
    assert {asked.headers["Authorization"] for asked in stub.asked} == {f"Bearer {TOKEN}"}
