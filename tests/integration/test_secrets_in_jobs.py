"""What a runner writes of a job that reads secrets, also when something goes wrong that nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone

from jobs.audit import Author
from jobs.log.reader import read_entries
from jobs.models import Job, OperationRun
from jobs.representation import given_variables, represent_job
from jobs.secrets import vault
from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from tests.engine import job_of, rule, run_all, serve

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = "hunter2-long"


def _boom(call: Call) -> object:
    raise ZeroDivisionError(f"nobody thought of {call.arguments}")


def _echo(call: Call) -> object:
    return {call.arguments: [call.arguments, 1], "turns": call.arguments}


@pytest.fixture(autouse=True)
def prepared(transactional_db: None, broker: str) -> Iterator[None]:
    """Two operations of a third party, and a secret."""
    for key, execute in (("boom", _boom), ("echo", _echo)):
        registry.register(OperationType(key, {"type": "string"}, "For tests.", execute=execute))
    keep("password", VALUE)
    yield
    for key in ("boom", "echo"):
        del registry._types[key]


def keep(name: str, value: str) -> None:
    vault.keep(name, value, vault.Scope(), by=Author("ana", "command"), now=timezone.now())


def log_of(job: Job) -> list[str]:
    return [entry.text for entry in read_entries(job.pk).entries]


def test_a_defect_tells_no_secret_in_the_job_s_log_its_reason_or_the_worker_s_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = serve(rule("defect", "RUN:\n  - boom: '{{ secrets.password }}'"))
    run_all()
    job = job_of(request)
    assert job.reason == "Internal error: ZeroDivisionError: nobody thought of ***"
    assert "ZeroDivisionError: nobody thought of ***" in log_of(job)
    assert "nobody thought of ***" in caplog.text
    assert VALUE not in caplog.text + "".join(log_of(job)) + job.reason


def test_a_defect_in_check_tells_none_either(caplog: pytest.LogCaptureFixture) -> None:
    request = serve(rule("bad-check", "CHECK:\n  - boom: '{{ secrets.password }}'\nRUN:\n  - log: never"))
    assert request.refusal["errors"]["rule"][0].startswith("Internal error: ZeroDivisionError")
    assert "nobody thought of ***" in caplog.text
    assert VALUE not in caplog.text + str(request.refusal)


def test_a_variable_that_was_given_is_hidden_in_answers() -> None:
    given = {"given": VALUE, "deep": [{"a": f"x {VALUE}"}], "plain": 1}
    job = job_of(serve(rule("given", "RUN:\n  - log: done"), given))
    assert {name: each["value"] for name, each in job.variables.items()} == given
    assert represent_job(job)["variables"] == {"given": "***", "deep": [{"a": "x ***"}], "plain": 1}
    assert given_variables(job) == represent_job(job)["variables"]


def test_a_refusal_of_check_tells_none() -> None:
    said = "CHECK:\n  - run: echo {{ secrets.password }}\n  - fail: 'not {{ secrets.password }}'\nRUN:\n  - log: never"
    request = serve(rule("refusing", said))
    log = request.refusal.pop("log")
    assert request.refusal == {"code": "check_failed", "message": "not ***", "operation": "CHECK/1"}
    assert [text for level, text in log if level in {"output", "error"}] == ["***", "not ***"]
    assert VALUE not in str(log)


def test_answers_keys_of_answers_and_what_is_handed_on_hold_none() -> None:
    request = serve(
        rule(
            "answers",
            """
            PRE:
              - echo: "{{ secrets.password }}"
                save_as: answer
                id: answer
                name: Ask {{ secrets.password }}
            RUN:
              - log: "{{ answer }}"
            """,
        )
    )
    run_all()
    job = job_of(request)
    assert job.status == "finished", job.reason
    record = OperationRun.objects.get(identifier="answer")
    assert record.value == {"***": ["***", 1], "turns": "***"}
    assert record.name == "Ask ***"
    assert job.stash["results"] == {"answer": {"***": ["***", 1], "turns": "***"}}


def test_a_secret_that_is_spelt_like_something_of_the_engine_s_disturbs_nothing() -> None:
    for value in ("then", "turns", "results", "variables", "check_failed", "2026", "retry", "began"):
        keep(f"odd_{value}", value)
    request = serve(
        rule(
            "spelt",
            """
            PRE:
              - if: True
                then:
                  - set: {turns: 0}
                    id: set
              - while:
                  condition: variables.turns < 2
                  max: 3
                  do:
                    - set: {turns: "{{ variables.turns + 1 }}"}
              - fail: once
                retry: {attempts: 2}
                on_error: ignore
            RUN:
              - log: turned {{ variables.turns }}
            """,
        )
    )
    run_all()
    job = job_of(request)
    assert (job.status, job.reason) == ("finished", "")
    assert job.stash["variables"] == {"turns": 2}
    assert OperationRun.objects.get(identifier="set").value == {"turns": 0}


def test_no_cut_lets_a_part_of_a_secret_through() -> None:
    request = serve(
        rule(
            "cuts",
            """
            PRE:
              - run: printf %s {{ secrets.password | quote }}; head -c 65530 /dev/zero | tr '\\0' x
                id: cut
              - log: "{{ 'y' * 65530 }}{{ secrets.password }}"
              - log: done
                name: "{{ 'z' * 495 }}{{ secrets.password }}"
                id: named
            """,
        )
    )
    run_all()
    job = job_of(request)
    assert job.status == "finished", job.reason
    assert OperationRun.objects.get(identifier="cut").value == {
        "returncode": 0,
        "output": "***" + "x" * 65530,
    }
    assert OperationRun.objects.get(identifier="named").name == "z" * 495 + "***"
    written = "".join(log_of(job))
    assert "***" + "x" * 65530 in written
    assert "y" * 65530 + "***" in written
    assert "hunt" not in written


def test_an_output_longer_than_what_is_held_tells_no_part_of_a_secret() -> None:
    keep("key", "k3y-" * 20)
    request = serve(
        rule(
            "long",
            "PRE:\n  - run: yes {{ secrets.key }} | head -c 2000000; exit 1\n    id: long\n    on_error: ignore",
        )
    )
    run_all()
    assert job_of(request).status == "finished"
    output = (OperationRun.objects.get(identifier="long").value or {})["output"]
    # The end of the output is a part of a secret that never came to its end.
    assert set(output.splitlines()[:-1]) == {"***"}
