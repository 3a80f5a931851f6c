"""Rules and documents."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import Answer, Asked, Stub, page, problem

SOURCE = "# first\nname: 'web-deploy'  # what it is called\nsteps:\n  RUN:\n    - log: there\n"
RULE = {
    "slug": "web-deploy",
    "name": "web-deploy",
    "description": "",
    "version": 1,
    "source": SOURCE,
    "versions": [1],
}
CHANGED = {"dry_run": False, "changes": ["created environment DEV"], "notes": ["secret X has no value"]}


@pytest.fixture
def rule(tmp_path: Path) -> str:
    place = tmp_path / "rule.yaml"
    place.write_text(SOURCE)
    return str(place)


def test_a_rule_is_checked(client: Client, stub: Stub, rule: str) -> None:
    mistake = {"line": 5, "column": 7, "message": "There is no operation lgo.", "hint": "Did you mean log?"}
    wrong = {"valid": False, "errors": [mistake], "operations": 0}
    stub.on("POST rules/validate/", Answer({"valid": True, "errors": [], "operations": 1}), Answer(wrong))
    assert client("rules", "validate", rule).code == 0
    assert stub.bodies("POST rules/validate/") == [{"source": SOURCE}]
    ended = client("rules", "validate", rule)
    assert (ended.code, ended.out) == (
        Exit.USAGE, f"{rule}:5:7: There is no operation lgo. Did you mean log?\n",
    )  # fmt: skip
    assert json.loads(client("rules", "validate", rule, "--json").out) == wrong


def test_a_rule_is_published_first_and_again(client: Client, stub: Stub, rule: str) -> None:
    stub.on("POST rules/", Answer(RULE, 201), problem(409, "rule_exists"))
    stub.on("POST rules/web-deploy/versions/", Answer({"version": 2}, 201))
    assert client("rules", "push", rule).out == "The rule web-deploy is at version 1.\n"
    assert client("rules", "push", rule, "-m", "better").out == "The rule web-deploy is at version 2.\n"
    assert stub.bodies("POST rules/web-deploy/versions/") == [{"source": SOURCE, "comment": "better"}]


def test_rules_are_listed_and_shown(client: Client, stub: Stub) -> None:
    stub.on("GET rules/", page(RULE))
    stub.on("GET rules/web-deploy/", Answer(RULE))
    stub.on(
        "GET rules/web-deploy/versions/",
        page({"version": 2, "source": "two"}, {"version": 1, "source": "one"}),
    )
    assert "web-deploy" in client("rules", "list").out
    assert client("rules", "show", "web-deploy").out == SOURCE
    assert client("rules", "show", "web-deploy", "--version", "1").out == "one\n"
    assert client("rules", "show", "web-deploy", "--version", "9").code == Exit.NOT_FOUND
    assert client("rules", "show", "../jobs").code == Exit.NOT_FOUND


@pytest.fixture
def document(tmp_path: Path, rule: str) -> str:
    place = tmp_path / "demo.yaml"
    place.write_text("rules:\n  - file: rule.yaml\n")
    return str(place)


def _needs(*names: str) -> object:
    def answer(asked: Asked) -> Answer:
        missing = [
            {"document": 0, "file": name} for name in names if name not in asked.body["documents"][0]["files"]
        ]
        return problem(400, "files_missing", files=missing) if missing else Answer(CHANGED)

    return answer


def test_a_document_goes_with_the_files_that_it_names(client: Client, stub: Stub, document: str) -> None:
    stub.on("POST apply/", _needs("rule.yaml"))  # type: ignore[arg-type]
    ended = client("apply", document)
    assert (ended.code, ended.out) == (0, "created environment DEV\nnote: secret X has no value\n")
    text = Path(document).read_text()
    assert stub.bodies("POST apply/")[-1] == {
        "documents": [{"name": document, "text": text, "files": {"rule.yaml": SOURCE}}], "dry_run": False, "prune": False,
    }  # fmt: skip
    assert json.loads(client("apply", document, "--json").out) == CHANGED


def test_a_server_gets_no_file_that_the_document_does_not_name(
    client: Client, stub: Stub, document: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    stub.on("POST apply/", _needs("secret.txt"))  # type: ignore[arg-type]
    ended = client("apply", document)
    assert ended.code == Exit.USAGE
    assert "does not name" in ended.err
    assert len(stub.asked) == 1


def test_mistakes_are_named_by_file_and_line(client: Client, stub: Stub, document: str) -> None:
    error = {
        "field": "documents",
        "document": document,
        "line": 2,
        "message": "It is wrong.",
        "hint": "Write it.",
    }
    stub.on(
        "POST apply/",
        problem(400, "configuration_invalid", "1 mistake, nothing was changed.", errors=[error]),
    )
    ended = client("apply", document, "--dry-run")
    assert ended.code == Exit.USAGE
    assert f"{document}:2: It is wrong. Write it." in ended.err


def test_pruning_asks_and_shows_what_would_go(
    client: Client, stub: Stub, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("POST apply/", Answer({**CHANGED, "changes": ["removed project old"]}))
    assert client("apply", document, "--prune").code == Exit.USAGE
    assert stub.asked == []
    terminal = io.StringIO("y\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    ended = client("apply", document, "--prune")
    assert ended.code == 0
    assert "removed project old" in ended.err
    assert [body["dry_run"] for body in stub.bodies("POST apply/")] == [True, False]


def test_files_that_cannot_be_read_are_usage(client: Client, stub: Stub, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"a\n\xff")
    assert client("apply", str(tmp_path / "none.yaml")).code == Exit.USAGE
    ended = client("rules", "push", str(broken))
    assert ended.code == Exit.USAGE
    assert "broken.yaml:2" in ended.err
