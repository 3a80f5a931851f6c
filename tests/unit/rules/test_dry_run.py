"""The dry run: what would run, what would not and why, without executing anything."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from rules.dry_run import Partial, Plan, PlannedOperation, Reason, Status, Unknown, plan
from rules.engine.registry import Block, OperationType
from rules.parser import link, parse
from tests.unit.rules.palette import palette

REGISTRY = palette()
REGISTRY._types["set"] = replace(REGISTRY["set"], sets_variables=True)
LATER = Unknown(Reason("It depends on %(name)s, which is known only at run time.", {"name": "outcome"}))
SECRET = Unknown(Reason("It depends on the secret %(name)s.", {"name": "token"}))


def facts(step: str) -> dict[str, Any]:
    return {
        "environment": "QA",
        "step": step,
        "outcome": LATER,
        "natures": LATER,
        "job": Partial({"id": LATER, "name": LATER, "type": "promote", "created_by": "ana"}),
        "revision": Partial({"ref": "v1", "sha": LATER}),
        "secrets": Partial({"token": SECRET}),
    }


def dry(
    operations: str, variables: Mapping[str, Any] = MappingProxyType({}), *, step: str = "RUN", **others: str
) -> Plan:
    """Plan one step with these operations, and rules ``others`` that it may call."""

    def source(name: str, text: str) -> str:
        body = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
        return f"name: {name}\nsteps:\n  {step}:\n{body}\n"

    called = {name: parse(source(name, text), REGISTRY) for name, text in others.items()}
    tree = link(parse(source("test", operations), REGISTRY), called.get)
    return plan(tree, facts, variables, pins=dict.fromkeys(called, 3), registry=REGISTRY)


def by_path(found: Plan) -> dict[str, PlannedOperation]:
    return {operation.path: operation for operation in found}


def text_of(operation: PlannedOperation, label: str = "") -> str:
    return next(line.text for line in operation.lines if line.label == label)


def statuses(found: Plan) -> dict[str, str]:
    return {operation.path: operation.status.value for operation in found}


def test_conditions_and_texts_are_worked_out_where_all_is_known() -> None:
    found = by_path(
        dry(
            """
            - run: ./deploy {{ environment }} {{ variables.service }}
              name: To {{ environment }}
              when: environment == "QA"
              semaphore: deploy-{{ environment }}
              timeout: 5m
            - log: never
              when: environment == "PROD"
            - log: off
              enabled: false
            """,
            {"service": "shop"},
        )
    )
    first, second, third = found.values()
    assert (first.status, first.name, text_of(first)) == (Status.RUNS, "To QA", "./deploy QA shop")
    assert (text_of(first, "semaphore"), text_of(first, "timeout")) == ("deploy-QA", "5m")
    assert (second.status, str(second.reasons[0])) == (Status.SKIPPED, "Its condition does not hold.")
    assert (third.status, str(third.reasons[0])) == (
        Status.SKIPPED,
        "It is switched off: enabled is false.",
    )
    assert second.position.line == 9


def test_what_depends_on_later_data_says_on_which() -> None:
    found = by_path(
        dry(
            """
            - run: git describe
              save_as: tag
            - run: make {{ tag.output }}
              when: tag.returncode == 0
            - log: "{{ outcome }}"
            - log: "{{ job.created_by }} {{ job.id }}"
            """
        )
    )
    doubtful = found["RUN/1"]
    assert doubtful.status is Status.MAYBE
    assert str(doubtful.reasons[0]) == "It depends on the result of RUN/0."
    assert text_of(doubtful) == "make {{ tag.output }}"
    for path in ("RUN/2", "RUN/3"):
        assert found[path].status is Status.RUNS
        assert found[path].lines[0].reason == LATER.reason


def test_a_condition_is_false_already_when_its_known_half_is() -> None:
    assert statuses(dry('- log: a\n  when: environment == "PROD" and outcome == "x"')) == {"RUN/0": "skipped"}
    assert statuses(dry('- log: a\n  when: environment == "QA" and outcome == "x"')) == {"RUN/0": "maybe"}


def test_reading_what_is_not_known_leaves_the_evaluation_as_it_was() -> None:
    operations = """
        - log: a
          when: "len([x for x in [1, 2] if outcome == x]) > 0"
        - log: "{% for x in [1, 2] %}{{ job.id }}{% endfor %}"
        - log: "{{ environment }}"
          when: environment == "QA"
        """
    for _ in range(2):
        found = by_path(dry(operations))
        assert [one.status.value for one in found.values()] == ["maybe", "runs", "runs"]
        assert found["RUN/1"].lines[0].reason == LATER.reason
        assert text_of(found["RUN/2"]) == "QA"


def test_secrets_appear_by_name_only() -> None:
    found = by_path(dry('- run: curl -H "{{ secrets.token }}"\n- log: a\n  when: secrets.token == "b"'))
    assert text_of(found["RUN/0"]) == 'curl -H "{{ secrets.token }}"'
    assert found["RUN/0"].lines[0].reason == SECRET.reason
    assert found["RUN/1"].reasons == (SECRET.reason,)


def test_what_cannot_be_worked_out_fails_and_the_rest_is_not_reached() -> None:
    found = dry("- run: ./x {{ variables.nowhere }}\n- log: later", {"service": "shop"})
    first, second = by_path(found).values()
    assert (first.status, second.status) == (Status.FAILS, Status.NOT_REACHED)
    assert "There is no 'nowhere'" in first.error
    assert str(second.reasons[0]) == "RUN/0 fails before."
    assert found.steps[0].fails_at == "RUN/0"


def test_what_does_not_matter_or_traps_lets_the_rest_go_on() -> None:
    found = dry("- fail: a\n  on_error: ignore\n- fail: b\n  on_error: trap\n- log: c")
    assert statuses(found) == {"RUN/0": "fails", "RUN/1": "fails", "RUN/2": "runs"}
    assert found.steps[0].fails_at == ""


def test_a_rendered_argument_that_does_not_fit_fails() -> None:
    found = by_path(dry('- sleep: "{{ variables.long }}"', {"long": "for ever"}))
    assert found["RUN/0"].status is Status.FAILS
    assert "no duration" in found["RUN/0"].error


def test_variables_are_followed() -> None:
    found = by_path(
        dry(
            """
            - set: {tries: "{{ variables.tries + 1 }}"}
            - log: "{{ variables.tries }}"
            - set: {tries: 9}
              when: outcome == "x"
            - log: "{{ variables.tries }}"
            - set: {tag: "{{ outcome }}", kind: b}
            - log: "{{ variables.kind }}"
            - log: "{{ variables.tag }}"
            """,
            {"tries": 1},
        )
    )
    assert text_of(found["RUN/1"]) == "2"
    assert str(found["RUN/3"].lines[0].reason) == "It depends on the variable tries, which RUN/2 may change."
    assert text_of(found["RUN/5"]) == "b"
    assert found["RUN/6"].lines[0].reason == LATER.reason


def test_one_branch_of_an_if_is_taken_or_both_are_in_doubt() -> None:
    known = """
        - if: environment == "QA"
          then: [{log: a}]
          else: [{log: b}]
        """
    assert statuses(dry(known)) == {"RUN/0": "runs", "RUN/0/then/0": "runs", "RUN/0/else/0": "skipped"}
    found = dry(
        """
        - if: outcome == "x"
          then: [{set: {a: 1}}]
          else: [{fail: b}]
        - log: "{{ variables.a }}"
        """,
        {"a": 0},
    )
    assert statuses(found) == {
        "RUN/0": "runs",
        "RUN/0/then/0": "maybe",
        "RUN/0/else/0": "maybe",
        "RUN/1": "runs",
    }
    assert "variable a" in str(by_path(found)["RUN/1"].lines[0].reason)


def test_a_loop_over_known_items_is_unrolled_to_a_limit() -> None:
    found = by_path(
        dry("- foreach: {items: variables.hosts, as: host, do: [{log: '{{ host }}'}]}", {"hosts": ["a", "b"]})
    )
    assert [text_of(found[f"RUN/0/foreach[{turn}]/0"]) for turn in (0, 1)] == ["a", "b"]
    many = by_path(
        dry(
            """
            - foreach: {items: variables.many, do: [{set: {last: "{{ item }}"}}]}
            - log: "{{ variables.last }}"
            """,
            {"many": list(range(100))},
        )
    )
    assert (len(many["RUN/0"].blocks), many["RUN/0"].blocks[-1].more) == (20, 80)
    assert many["RUN/1"].lines[0].reason is not None


def test_a_loop_over_later_items_is_shown_once() -> None:
    found = by_path(dry("- foreach: {items: natures, do: [{log: '{{ item }}'}]}"))
    body = found["RUN/0/foreach/0"]
    assert body.status is Status.MAYBE
    assert "items of RUN/0" in str(body.lines[0].reason)


def test_no_list_is_no_loop() -> None:
    found = by_path(dry("- foreach: {items: environment, do: [{log: a}]}"))
    assert found["RUN/0"].error == "items: 'environment' gives no list but a text."


@pytest.mark.parametrize(
    ("condition", "most", "turns", "status"),
    [
        ("variables.n < 2", 5, 2, "runs"),
        ("variables.n < 9", 3, 0, "fails"),
        ("outcome == 'x'", 5, 1, "runs"),
        ("variables.n < 50", 99, 20, "runs"),
    ],
)
def test_a_while_is_followed_as_far_as_it_is_known(
    condition: str, most: int, turns: int, status: str
) -> None:
    found = by_path(
        dry(
            f"""
            - while:
                condition: {condition}
                max: {most}
                do: [{{set: {{n: "{{{{ variables.n + 1 }}}}"}}}}]
            """,
            {"n": 0},
        )
    )
    assert found["RUN/0"].status == status
    assert len(found["RUN/0"].blocks) == turns


def test_try_catch_and_finally() -> None:
    fine = statuses(dry("- try: [{log: a}]\n  catch: [{fail: b}]\n  finally: [{log: c}]\n- log: d"))
    assert fine == {
        "RUN/0": "runs",
        "RUN/0/try/0": "runs",
        "RUN/0/catch/0": "maybe",
        "RUN/0/finally/0": "runs",
        "RUN/1": "runs",
    }
    failing = statuses(dry("- try: [{fail: a}]\n  catch: [{log: '{{ error.message }}'}]\n- log: d"))
    assert failing == {"RUN/0": "runs", "RUN/0/try/0": "fails", "RUN/0/catch/0": "runs", "RUN/1": "runs"}
    uncaught = statuses(dry("- try: [{fail: a}]\n  finally: [{log: b}]\n- log: c"))
    assert uncaught == {
        "RUN/0": "fails",
        "RUN/0/try/0": "fails",
        "RUN/0/finally/0": "runs",
        "RUN/1": "not_reached",
    }


def test_branches_do_not_see_each_other_and_are_put_together() -> None:
    found = by_path(
        dry(
            """
            - parallel:
                - set: {a: 1}
                - log: "{{ variables.a }}"
            - log: "{{ variables.a }}"
            """,
            {"a": 0},
        )
    )
    assert text_of(found["RUN/0/parallel/1"]) == "0"
    assert text_of(found["RUN/1"]) == "1"


def test_called_rules_are_followed_in_the_pinned_version() -> None:
    found = by_path(dry("- rule: other", other="- log: a\n- run: ./{{ environment }}"))
    inner = found["RUN/0/rule/1"]
    assert (inner.rule, inner.position.line, text_of(inner)) == ("other", 5, "./QA")
    assert found["RUN/0"].blocks[0].version == 3


def test_undoing_is_shown_beside_what_it_undoes() -> None:
    found = by_path(dry("- run: up\n  rollback: [{run: 'down {{ environment }}'}]"))
    undoing = found["RUN/0/rollback/0"]
    assert (undoing.status, text_of(undoing)) == (Status.MAYBE, "down QA")
    assert str(undoing.reasons[0]) == "It runs only when the job is rolled back."


def test_what_waits_says_so() -> None:
    assert by_path(dry("- ask: go?"))["RUN/0"].waits


def test_steps_after_a_failure() -> None:
    source = "name: test\nsteps:\n  PRE: [{fail: a}]\n  RUN: [{log: b}]\n  POST: [{log: c}]\n"
    found = plan(parse(source, REGISTRY), facts, {}, pins={}, registry=REGISTRY)
    assert [(step.step, step.not_reached is None) for step in found.steps] == [
        ("PRE", True),
        ("RUN", False),
        ("POST", True),
    ]
    refusing = source.replace("PRE", "CHECK")
    steps = plan(parse(refusing, REGISTRY), facts, {}, pins={}, registry=REGISTRY).steps
    assert [str(step.not_reached) for step in steps[1:]] == ["CHECK refuses, so there is no job."] * 2


def test_what_check_sets_is_gone() -> None:
    source = "name: test\nsteps:\n  CHECK: [{set: {a: 1}}]\n  PRE: [{log: '{{ variables.a }}'}]\nvariables: {a: 0}\n"
    found = by_path(plan(parse(source, REGISTRY), facts, {"a": 0}, pins={}, registry=REGISTRY))
    assert text_of(found["PRE/0"]) == "0"


def test_a_third_partys_blocks_are_in_doubt() -> None:
    registry = palette()
    registry.register(
        OperationType(
            "maybe",
            {"type": "null"},
            "?",
            walk=lambda walker, frame: None,
            blocks=(Block("maybe", "argument"),),
        )
    )
    tree = parse("name: a\nsteps:\n  RUN:\n    - maybe: [{log: a}]\n", registry)
    found = by_path(plan(tree, facts, {}, pins={}, registry=registry))
    assert found["RUN/0/maybe/0"].status is Status.MAYBE


def test_it_ends_in_time_and_says_that_it_did() -> None:
    tree = parse("name: a\nsteps:\n  RUN: [{log: a}, {log: b}]\n", REGISTRY)
    assert plan(tree, facts, {}, pins={}, registry=REGISTRY, seconds=-1).is_cut
    wide = parse(
        "name: a\nsteps:\n  RUN:\n    - foreach: {items: variables.many, do: [{foreach: {items: variables.many, as: b, "
        "do: [{foreach: {items: variables.many, as: c, do: [{log: a}]}}]}}]}\n",
        REGISTRY,
    )
    many = {"many": list(range(20))}
    found = plan(wide, facts, many, pins={}, registry=REGISTRY, seconds=60)
    assert found.is_cut
    assert sum(1 for _ in found) < 2_100


def test_nothing_is_executed() -> None:
    """The palette of these tests raises when something is executed."""
    everything = "\n".join(
        f"- {written}"
        for written in (
            *("run: a", "git: {}", "write: {path: a, content: b}", "ssh: {host: a, run: b}"),
            *("copy: {host: a, from: b, to: c}", "http: {url: 'http://localhost'}", "sleep: 1d"),
            *("notify: {to: a, subject: b, text: c}", "create_job: {rule: a, environment: b}"),
        )
    )
    assert set(statuses(dry(everything)).values()) == {"runs"}
