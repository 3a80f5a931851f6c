"""What the operations on other hosts, services, people and jobs accept, and what they make of it: no network here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, OperationFailed, RecordStatus
from rules.palette.http.question import Question
from rules.palette.ssh.targets import Target
from rules.parser import check, parse
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()


def source(operation: str, step: str = "RUN") -> str:
    return f"name: test\nsteps:\n  {step}:\n    - {operation}\n"


@pytest.mark.parametrize(
    "operation",
    [
        'ssh: {host: web1, user: deploy, run: "id", key: "{{ secrets.deploy_key }}"}',
        'ssh: {host: "web1:2222", run: "id", port: "{{ variables.port }}", host_key: "ssh-ed25519 AAAA"}',
        "copy: {host: web1, from: dist, to: /srv/app/}",
        "http: {url: https://example.org, expect: [200, 404]}",
        'http: {url: "https://{{ environment }}", body: {a: [1, "{{ environment }}"]}, expect: "{{ 200 }}"}',
        "http: {url: https://example.org, body: null}",
        "notify: {to: user:ana, subject: Hi, text: there}",
        'notify: {to: ["group:qa", a@example.org], subject: Hi, text: ""}',
        'create_job: {rule: r, environment: PROD, project: "{{ project }}", revisions: "{{ revisions }}"}',
        'create_job: {rule: r, environment: PROD, revisions: [v1, {ref: v2}, {ref: v3, sha: "{{ revision.sha }}"}]}',
        "create_job: {rule: r, environment: PROD, variables: {n: 1, s: [a]}, comment: Why}",
    ],
)
def test_what_is_accepted(operation: str) -> None:
    assert check(source(operation), REGISTRY).problems == ()


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("ssh: {run: id}", "ssh needs host."),
        ("ssh: {host: a}", "ssh needs run."),
        ("ssh: {host: a, run: id, password: b}", "ssh has no password."),
        ("ssh: {host: a, run: id, port: 0}", "ssh.port must be at least 1."),
        ("ssh: {host: a, run: [id]}", "ssh.run must be a text, not a list."),
        ("copy: {host: a, from: b}", "copy needs to."),
        ("http: {method: GET}", "http needs url."),
        (
            "http: {url: a, method: FETCH}",
            "http.method must be one of: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.",
        ),
        ("http: {url: a, expect: 99}", "http.expect must be at least 100."),
        ("http: {url: a, headers: {a: 1}}", "http.headers.a must be a text, not a number."),
        ("notify: {to: [], subject: a, text: b}", "notify.to does not fit."),
        ("notify: {to: a, text: b}", "notify needs subject."),
        ("create_job: {rule: r}", "create_job needs environment."),
        (
            "create_job: {rule: r, environment: e, revisions: v1}",
            "create_job.revisions must be a list, not a text.",
        ),
        ("create_job: {rule: r, environment: e, revisions: [1.10]}", "create_job.revisions[0] does not fit."),
    ],
)
def test_what_is_refused(operation: str, message: str) -> None:
    problems = check(source(operation), REGISTRY).problems
    assert [problem.message for problem in problems] == [message]
    assert problems[0].line == 4


@pytest.mark.parametrize("step", ["CHECK", "INIT"])
def test_no_job_is_created_where_its_worker_would_wait_for_itself(step: str) -> None:
    (problem,) = check(source("create_job: {rule: r, environment: e}", step), REGISTRY).problems
    assert problem.message == f"create_job is not possible in {step}."
    assert problem.hint == "Put it into one of: PRE, RUN, POST."
    assert (problem.line, problem.column) == (4, 7)


def test_in_check_the_others_are_accepted() -> None:
    for operation in ("http: {url: a}", "ssh: {host: a, run: b}", "notify: {to: a, subject: b, text: c}"):
        assert check(source(operation, "CHECK"), REGISTRY).problems == ()


# --- targets of ssh -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "host", "port", "known_as"),
    [
        ({"host": "web1"}, "web1", 22, "web1"),
        ({"host": " web1:2222 "}, "web1", 2222, "[web1]:2222"),
        ({"host": "web1", "port": 2222}, "web1", 2222, "[web1]:2222"),
        ({"host": "web1:2222", "port": 2222}, "web1", 2222, "[web1]:2222"),
        ({"host": "::1"}, "::1", 22, "::1"),
        ({"host": "[fe80::1]:2222"}, "fe80::1", 2222, "[fe80::1]:2222"),
        ({"host": "[::1]", "port": 2222}, "::1", 2222, "[::1]:2222"),
    ],
)
def test_a_target_is_read(arguments: dict[str, Any], host: str, port: int, known_as: str) -> None:
    target = Target.of(arguments)
    assert (target.host, target.port, target.known_as) == (host, port, known_as)


@pytest.mark.parametrize(
    "arguments",
    [
        {"host": "root@web1"},
        {"host": "web1:0"},
        {"host": "web1:70000"},
        {"host": "web1:ssh"},
        {"host": "web1:22", "port": 23},
        {"host": "-oProxyCommand=x"},
        {"host": "web1 web2"},
        {"host": "*"},
        {"host": "a,b"},
        {"host": " "},
        {"host": "[]:22"},
        {"host": "a" * 300},
    ],
)
def test_a_target_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(OperationFailed, match=r"host|port"):
        Target.of(arguments)


# --- questions of http ----------------------------------------------------------------------------


def test_a_question_says_no_more_than_its_host() -> None:
    question = Question.of({"url": "https://user:hunter2@example.org:8443/a?token=hunter3#x"})
    assert str(question) == "GET example.org:8443"


@pytest.mark.parametrize(
    ("arguments", "method", "body"),
    [
        ({}, "GET", None),
        ({"body": "x"}, "POST", b"x"),
        ({"body": ""}, "POST", b""),
        ({"body": {"ñ": [1, None]}}, "POST", '{"ñ": [1, null]}'.encode()),
        ({"body": False}, "POST", b"false"),
        ({"body": None}, "GET", None),
        ({"body": "x", "method": "PUT"}, "PUT", b"x"),
    ],
)
def test_a_body_makes_a_post(arguments: dict[str, Any], method: str, body: bytes | None) -> None:
    question = Question.of({"url": "http://a", **arguments})
    assert (question.method, question.body) == (method, body)


# --- create_job -----------------------------------------------------------------------------------


def created(operation: str, host: MemoryHost | None = None) -> MemoryHost:
    host = host or MemoryHost()
    tree = parse(source(operation), REGISTRY)
    assert run_step(tree, "RUN", host, Stash(), registry=REGISTRY) == Completed()
    return host


def test_the_wish_holds_what_the_rule_says_with_its_types() -> None:
    host = created(
        'create_job: {rule: r, environment: "{{ environment }}", project: "{{ project }}", '
        'revisions: "{{ revisions }}", variables: {n: "{{ attempt }}", s: "x{{ attempt }}"}}'
    )
    wish, _ = host.wishes[0]
    assert wish == {
        "rule": "r",
        "environment": "DEV",
        "project": "shop",
        "revisions": [{"ref": "v1.0.0", "sha": "a" * 40}],
        "comment": "Created by N.DEV-00000007.",
        "variables": {"n": 1, "s": "x1"},
    }
    assert host.records["RUN/0"].value == {"id": 8, "name": "N.DEV-00000008"}


def test_the_project_of_a_job_without_one_stays_none() -> None:
    host = MemoryHost()
    host.names = {**host.names, "project": None}
    wish, _ = created(
        'create_job: {rule: r, environment: DEV, project: "{{ project }}", comment: Why}', host
    ).wishes[0]
    assert (wish["project"], wish["comment"], wish["revisions"]) == (None, "Why", [])


def test_the_mark_is_the_same_when_it_is_done_again_and_another_for_another_try() -> None:
    operation = "create_job: {rule: r, environment: DEV}"
    first = created(operation)
    # The worker died after the job was created and before that was recorded.
    begun = replace(first.records["RUN/0"], status=RecordStatus.RUNNING, value=None, finished_at=None)
    again = MemoryHost({"RUN/0": begun})
    again.clock = first.clock.replace(year=first.clock.year + 1)
    created(operation, again)
    assert first.wishes[0][1] == again.wishes[0][1]
    later = MemoryHost()
    later.clock = again.clock
    assert created(operation, later).wishes[0][1] != first.wishes[0][1]


# --- notify ---------------------------------------------------------------------------------------


def test_mail_goes_out_and_who_is_left_out_is_warned_of() -> None:
    host = created("notify: {to: [a@example.org, user:x], subject: ' Hi {{ environment }} ', text: there}")
    assert host.effects == ["mail to a@example.org, user:x: Hi DEV: there"]
    assert host.lines == [("warning", "No user:x."), ("info", "Sent a mail to a@example.org.")]


def test_mail_to_nobody_fails() -> None:
    outcome = run_step(
        parse(source("notify: {to: user:x, subject: Hi, text: there}"), REGISTRY),
        "RUN",
        MemoryHost(),
        Stash(),
        registry=REGISTRY,
    )
    assert isinstance(outcome, Failed)
    assert outcome.message == "There is nobody to send the mail to."
