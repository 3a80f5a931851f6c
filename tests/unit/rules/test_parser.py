"""The parser: what a rule becomes, and every kind of mistake at its place."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.exceptions import RuleInvalid
from rules.parser import ParseResult, check, parse, validate_arguments
from rules.tree import RuleNode, count_leaves, walk
from tests.examples import examples
from tests.unit.rules.palette import palette

REGISTRY: Final = palette()

WHOLE: Final = """\
name: web-deploy
description: Build the shop
variables: {service: shop, on: yes, count: 3, ratio: 0.5, list: [1, null, true]}
steps:
  CHECK:
    - fail: "Only tags go to PROD"
      when: environment == "PROD" and not revision.ref.startswith("v")
  PRE:
    - run: make build
      id: build
      name: Build {{ variables.service }}
      timeout: 15m
      retry: {attempts: 3, pause: 10s}
      save_as: built
      on_error: ignore
    - git:
    - foreach:
        items: revisions
        as: one
        do:
          - log: "{{ one.ref }} {{ built.output }}"
    - try:
        - run: [make, test]
      catch:
        - log: {text: "{{ error.message }}", level: warning}
      finally:
        - set: {done: true}
  RUN:
    - if: built.returncode == 0
      then:
        - group:
            - write: {path: a.txt, content: "x"}
      else:
        - sleep: 5s
    - while:
        condition: variables.count < 5
        max: 10
        do:
          - set: {count: "{{ variables.count + 1 }}"}
  POST:
"""


def problem_of(source: str) -> tuple[int, int, str, str, str]:
    """Return the only problem of ``source``."""
    problems = check(source, REGISTRY).problems
    assert len(problems) == 1, problems
    only = problems[0]
    return only.line, only.column, only.code, only.message, only.hint


def in_step(operations: str, step: str = "RUN") -> str:
    """Return a rule whose operations begin in line 4."""
    indented = "".join(f"    {line}\n" for line in operations.splitlines())
    return f"name: x\nsteps:\n  {step}:\n{indented}"


def test_a_whole_rule() -> None:
    tree = parse(WHOLE, REGISTRY)
    assert (tree.name, tree.description) == ("web-deploy", "Build the shop")
    assert tree.variables == {
        "service": "shop",
        "on": "yes",
        "count": 3,
        "ratio": 0.5,
        "list": [1, None, True],
    }
    assert list(tree.steps) == ["CHECK", "PRE", "RUN", "POST"]
    assert [(path, node.key) for path, node in walk(tree.operations("RUN"), "RUN")] == [
        ("RUN/0", "if"),
        ("RUN/0/then/0", "group"),
        ("RUN/0/then/0/group/0", "write"),
        ("RUN/0/else/0", "sleep"),
        ("RUN/1", "while"),
        ("RUN/1/while/0", "set"),
    ]
    assert count_leaves(tree) == check(WHOLE, REGISTRY).operations == 10


def test_options_and_position_of_an_operation() -> None:
    build = parse(WHOLE, REGISTRY).operations("PRE")[0]
    assert (build.position.line, build.position.column) == (9, 7)
    assert build.arguments == "make build"
    options = build.options
    assert (options.id, options.save_as, options.on_error) == ("build", "built", "ignore")
    assert options.timeout == timedelta(minutes=15)
    assert options.retry is not None
    assert (options.retry.attempts, options.retry.pause) == (3, timedelta(seconds=10))


def test_child_operations_are_taken_out_of_the_arguments() -> None:
    loop = parse(WHOLE, REGISTRY).operations("PRE")[2]
    assert loop.arguments == {"items": "revisions", "as": "one"}
    assert [node.key for node in loop.blocks["foreach"]] == ["log"]


def test_a_loop_without_a_name_gets_one() -> None:
    tree = parse(in_step("- foreach: {items: [1, 2], do: [{log: '{{ item }}'}]}"), REGISTRY)
    assert tree.operations("RUN")[0].arguments["as"] == "item"


def test_a_called_rule_is_no_leaf() -> None:
    called = parse(in_step("- rule: other"), REGISTRY).operations("RUN")[0]
    assert called.blocks == {"rule": ()}
    assert not called.is_leaf


def test_names_may_come_from_a_called_rule() -> None:
    assert check(in_step("- rule: other\n- log: '{{ theirs }}'"), REGISTRY).problems == ()


@pytest.mark.parametrize(
    ("source", "line", "column", "code"),
    [
        ("", 1, 1, "empty"),
        ("# nothing\n", 1, 1, "empty"),
        ("- a\n", 1, 1, "not_a_mapping"),
        ("name: x\n", 1, 1, "missing_key"),
        ("steps: {}\n", 1, 1, "missing_key"),
        ("name: x\nsteps: {}\nstepz: {}\n", 3, 1, "unknown_key"),
        ("name: x\nsteps: {}\nname: y\n", 3, 1, "duplicate_key"),
        ("name: x\nRUN:\n  - log: a\n", 2, 1, "unknown_key"),
        ("name: Ä\nsteps: {}\n", 1, 7, "name"),
        ("name: [x]\nsteps: {}\n", 1, 7, "name"),
        ("name: x\nsteps: []\n", 2, 8, "type"),
        ("name: x\nsteps: {}\nvariables: [1]\n", 3, 12, "type"),
        ("name: x\nsteps: {}\nvariables: {a-b: 1}\n", 3, 13, "name"),
        ("name: x\nsteps: {}\ndescription: [1]\n", 3, 14, "type"),
        ("name: x\nsteps:\n  END:\n    - log: a\n", 3, 3, "unknown_step"),
        ("name: x\nsteps:\n  RUN:\n    log: a\n", 4, 5, "not_a_list"),
        ("name: x\nsteps: {}\n1: 2\n", 3, 1, "key_not_text"),
        ("name: x\nsteps: {}\n---\nname: y\n", 3, 1, "several_documents"),
        ("name: &a x\nsteps: {}\n", 1, 7, "anchor"),
        ("name: x\nsteps: {}\ndescription: !!str 1\n", 3, 14, "tag"),
        ("name: x\nsteps: {}\ndescription: !python/object:os.system 1\n", 3, 14, "tag"),
        ("name: x\nsteps: {}\ndescription: a\x01b\n", 3, 15, "control_character"),
        ('name: x\nsteps: {}\ndescription: "a\\0b"\n', 3, 14, "control_character"),
        ("name: x\nsteps: {}\ndescription: 'open\n", 3, 14, "yaml"),
        ("name: x\nsteps: {}\ndescription: a: b\n", 3, 15, "yaml"),
        ("name: x\nsteps\ndescription: b\n", 2, 1, "yaml"),
        ("name: x\nsteps:{}\ndescription: b\n", 2, 1, "yaml"),
        ("name: x\nsteps: {}\n\tdescription: b\n", 3, 1, "yaml"),
        ("name: x\nsteps: {a: [b}\n", 2, 12, "yaml"),
        ("name: x\nsteps: {}\ndescription: @b\n", 3, 14, "yaml"),
        ("%YAML 3.0\n---\nname: x\nsteps: {}\n", 1, 1, "yaml"),
    ],
)
def test_mistakes_in_the_document(source: str, line: int, column: int, code: str) -> None:
    found = problem_of(source)
    assert found[:3] == (line, column, code)
    assert found[4], "a hint is missing"


@pytest.mark.parametrize(
    ("operations", "line", "column", "code", "hint"),
    [
        ("- make build", 4, 7, "not_an_operation", "Write an operation"),
        ("- run make", 4, 7, "not_an_operation", "Write run: make"),
        ("- [log, a]", 4, 7, "not_an_operation", ""),
        ("- name: a", 4, 7, "no_operation", "One of these"),
        ("- {}", 4, 7, "no_operation", "One of these"),
        ("- log: a\n  run: b", 5, 7, "two_operations", "with -"),
        ("- lgo: a", 4, 7, "unknown_operation", "Did you mean log?"),
        ("- log: a\n  tmeout: 1s", 5, 7, "unknown_key", "Did you mean timeout?"),
        ("- log: a\n  qqq: 1s", 5, 7, "unknown_key", "There are:"),
        ("- log: a\n  then: [{log: b}]", 5, 7, "misplaced_key", "beside the if"),
        ("- then: [{log: b}]", 4, 7, "misplaced_key", "beside the if"),
        ("- log: a\n  catch: [{log: b}]", 5, 7, "misplaced_key", "beside the try"),
        ("- if: True", 4, 7, "missing_block", "Write then:"),
        ("- if: True\n  then: []", 5, 13, "empty_block", "each on a line"),
        ("- if: True\n  then:", 4, 7, "missing_block", "Write then:"),
        ("- try: [{log: a}]", 4, 7, "missing_block", "at least one of them"),
        ("- group:", 4, 7, "empty_block", ""),
        ("- group: a", 4, 14, "not_a_list", "with -"),
        ("- foreach: {items: [1]}", 4, 7, "missing_block", "Write do:"),
        ("- foreach: [1]", 4, 16, "type", "Write items"),
        ("- foreach: {items: [1], at: x, do: [{log: a}]}", 4, 29, "unknown_key", "There are: as, do, items."),
        ("- foreach: {items: [1], as: step, do: [{log: a}]}", 4, 33, "reserved_name", "another name"),
        ("- foreach: {items: [1], as: a-b, do: [{log: a}]}", 4, 33, "name", "letters"),
        ("- while: {condition: a, do: [{log: a}]}", 4, 14, "missing_key", "how many turns"),
        ("- while: {condition: True, max: 0, do: [{log: a}]}", 4, 37, "value", "at most"),
        ("- while: {condition: True, max: 100001, do: [{log: a}]}", 4, 37, "value", "at most"),
        ("- while: {condition: True, max: two, do: [{log: a}]}", 4, 37, "type", "at most"),
        ("- run: {a: b}", 4, 12, "type", "shell command"),
        ("- run:", 4, 7, "type", "shell command"),
        ("- run: []", 4, 12, "empty", ""),
        ("- run: [a, 1]", 4, 16, "type", "quotes"),
        ("- fail: 404", 4, 13, "type", "Put quotes"),
        ("- log: {text: a, level: infos}", 4, 29, "value", "Did you mean info?"),
        ("- log: {txt: a, text: b}", 4, 13, "unknown_key", "Did you mean text?"),
        ("- write: {path: a}", 4, 14, "missing_key", "Write path and content"),
        ("- set: {}", 4, 12, "empty", "names and values"),
        ("- set: {job: 1}", 4, 13, "reserved_name", "another name"),
        ("- set: {a b: 1}", 4, 13, "name", "letters"),
        ("- sleep: 5", 4, 14, "type", "90s"),
        ("- sleep: 0s", 4, 14, "duration", "90s"),
        ("- sleep: 1h30m", 4, 14, "duration", "90s"),
        ("- log: a\n  timeout: 999999999d", 5, 16, "duration", "90s"),
        ("- log: a\n  retry: 3", 5, 14, "type", "retry: {attempts"),
        ("- log: a\n  retry: {attempts: 0}", 5, 25, "value", ""),
        ("- log: a\n  retry: {attempts: 101}", 5, 25, "value", ""),
        ("- log: a\n  retry: {pause: 1s}", 5, 14, "missing_key", "retry: {attempts"),
        ("- log: a\n  enabled: yes", 5, 16, "type", "true or false"),
        ("- log: a\n  on_error: stop", 5, 17, "value", ""),
        ("- log: a\n  on_error: ignored", 5, 17, "value", "Did you mean ignore?"),
        ("- log: a\n  save_as: variables", 5, 16, "reserved_name", "another name"),
        ("- log: a\n  save_as: if", 5, 16, "name", "words of the language"),
        ("- log: a\n  id: a b", 5, 11, "value", "letters"),
        ("- log: a\n  id: one\n- log: b\n  id: one", 7, 11, "duplicate_id", "of its own"),
        ("- log: a\n  when: 3", 5, 13, "type", "condition"),
        ("- log: a\n  when: ''", 5, 13, "empty", "condition"),
        ("- log: a\n  when: a ==", 5, 13, "expression", "Write for example"),
        ("- log: a\n  when: '{{ step }}'", 5, 14, "expression", "without {{"),
        ("- log: a\n  when: |\n    step == 'RUN'\n    and natrues", 7, 1, "unknown_name", "natures"),
        ("- run: |\n    make {{ step }}\n    make {{ stepp }}", 6, 1, "unknown_name", "Did you mean step?"),
        ("- run: |\n    make {{ step }}\n    make {{ }}", 6, 1, "template", ""),
        ("- run: make {{ stepp }}", 4, 20, "unknown_name", "Did you mean step?"),
        ("- run: {{ step }}", 4, 13, "key_not_text", "quotes"),
        ("- run: {{ step }} more", 4, 13, "key_not_text", "quotes"),
        ("- set: {a: {b: ['{{ stepp }}']}}", 4, 25, "unknown_name", "Did you mean step?"),
        ("- foreach: {items: [1], as: a, do: [{log: a}]}\n- log: '{{ a }}'", 5, 16, "unknown_name", ""),
        ("- log: '{{ error.message }}'", 4, 16, "unknown_name", ""),
        ("- log: food {{ foo }}", 4, 20, "unknown_name", "Names come from"),
        ("- log: '{{ job.nmae }}'", 4, 16, "unknown_member", "Did you mean name?"),
        ("- log: 'job.nmae is {{ job.nmae }}'", 4, 28, "unknown_member", "Did you mean name?"),
        ("- log: a\n  when: revision.shaa == ''", 5, 13, "unknown_member", "Did you mean sha?"),
        ("- log: a\n  when: job.zzz.qqq", 5, 13, "unknown_member", "There are: attempt, comment,"),
        ("- log: a\n  when: |\n    step and\n    job.nmae", 7, 1, "unknown_member", "Did you mean name?"),
        ("- rule: other\n- log: '{{ job.nmae }}'", 5, 16, "unknown_member", "Did you mean name?"),
        (
            "- try: [{log: a}]\n  catch: [{log: '{{ error.mesage }}'}]",
            *(5, 25, "unknown_member", "Did you mean message?"),
        ),
        ("- log: a\n  when: 'lambda: 1'", 5, 14, "expression", "Write a condition"),
        ("- log: '{{ a[0](1) }}'", 4, 13, "template", "Write {{ name }}"),
        ("- rule: '{{ step }}'", 4, 13, "value", "without a template"),
        ("- rule: x", 4, 13, "calls_itself", "repeat"),
        ("- log: a\n  trap: {timeout: 1h}", 5, 7, "useless_option", "Write on_error: trap."),
        ("- log: a\n  rollback_if_failed: true", 5, 7, "useless_option", "Write rollback:"),
        ("- ask: a\n  timeout: 1h", 5, 7, "useless_option", "Take it out."),
        ("- parallel:\n    - ask: a", 5, 11, "waits", "before or after the parallel"),
        ("- parallel:\n    - group: [{ask: a}]", 5, 20, "waits", "before or after the parallel"),
        ("- log: a\n  rollback: [{ask: b}]", 5, 19, "waits", "before or after the rollback"),
        ("- log: a\n  rollback: [{log: b, on_error: trap}]", 5, 37, "waits", "before or after the rollback"),
        (
            "- log: a\n  rollback: [{parallel: [{log: b, on_error: trap}]}]",
            *(5, 49, "waits", "before or after the rollback"),
        ),
        ("- log: a\n  rollback: [{log: b, rollback: [{log: c}]}]", 5, 27, "useless_option", "Take it out."),
        (f"- parallel: [{', '.join(['{log: a}'] * 33)}]", 4, 17, "too_many", "into groups"),
        ("- log: a\n  log: b", 5, 7, "duplicate_key", "Take one"),
        ("- log: *a", 4, 12, "alias", "Write it out"),
        ("- log: a\n  <<: {run: b}", 5, 7, "merge", "Write it out"),
    ],
)
def test_mistakes_in_operations(operations: str, line: int, column: int, code: str, hint: str) -> None:
    found = problem_of(in_step(operations))
    assert found[:3] == (line, column, code), found
    assert hint in found[4]
    assert found[4], "a hint is missing"


@pytest.mark.parametrize(
    "operations",
    [
        '- log: \'{{ job.name }} {{ job.get("nmae") }} {{ job["nmae"] }} {{ revision.sha[:7] }}\'',
        "- log: a\n  when: job.get('nmae') or revision.ref.startswith('v')",
        "- log: a\n  when: '[job.nmae for job in variables.jobs]'",
        "- log: '{% for job in variables.jobs %}{{ job.nmae }}{% endfor %}'",
        "- log: '{{ variables.job.nmae }} job.nmae'",
        "- log: {text: a}\n  save_as: error\n- log: '{{ error.anything }}'",
        "- try: [{log: a}]\n  catch: [{foreach: {items: [1], as: error, do: [{log: '{{ error.x }}'}]}}]",
        "- try: [{log: a}]\n  catch: [{log: '{{ error.message }} {{ error.operation }}'}]",
        "- log: a\n  when: |\n    revision.ref\n    .startswith('v')",
    ],
)
def test_what_may_be_read_of_the_fixed_names(operations: str) -> None:
    assert check(in_step(operations), REGISTRY).problems == ()


@pytest.mark.parametrize("step", ["CHECK", "INIT"])
def test_nothing_waits_in_steps_whose_asker_waits(step: str) -> None:
    found = problem_of(in_step("- ask: someone", step))
    assert found[:3] == (4, 7, "waits")
    assert check(in_step("- ask: someone", "PRE"), REGISTRY).problems == ()


def test_a_template_stands_in_for_a_number_until_it_is_rendered() -> None:
    kind = REGISTRY["write"]
    assert check(in_step("- write: {path: a, content: '{{ job }}'}"), REGISTRY).problems == ()
    assert validate_arguments(kind, {"path": "a", "content": "b"}) == []
    assert validate_arguments(kind, {"path": "a", "content": 3}) == [
        "write.content must be a text, not a number. Put quotes around it."
    ]
    assert check(in_step("- sleep: '{{ variables.pause }}'"), REGISTRY).problems == ()
    assert validate_arguments(REGISTRY["sleep"], "soon")


def nested(depth: int) -> str:
    """Return groups in groups, ``depth`` operations deep."""
    return in_step("- " + "{group: [" * (depth - 1) + "{log: a}" + "]}" * (depth - 1))


def deepest(nodes: tuple[RuleNode, ...]) -> int:
    return 1 + max((deepest(children) for node in nodes for children in node.blocks.values()), default=0)


def test_operations_nest_twenty_deep_and_no_deeper() -> None:
    assert deepest(parse(nested(20), REGISTRY).operations("RUN")) == 20
    assert problem_of(nested(21))[2] == "too_deep"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a: " + "x" * 300_000, "too_long"),
        ("a: " + "€" * 100_000, "too_long"),
        ("a: " + "[" * 10_000, "too_deep"),
        ("- " * 10_000, "too_deep"),
        ("a: " + "{a: " * 10_000, "too_deep"),
        ("? " * 10_000, "too_deep"),
        ("[" + "1," * 25_000 + "]", "too_many"),
        ("name: x\nsteps:\n  RUN:\n" + "    - log: a\n" * 12_000, "too_many"),
    ],
)
def test_size_and_depth_are_bounded(source: str, code: str) -> None:
    began = time.process_time()
    assert problem_of(source)[2] == code
    assert time.process_time() - began < 5


@pytest.mark.parametrize("source", ['name: "\\UFFFFFFFF"', "%YAML 1.99999999999999\n---\nname: x"])
def test_what_the_library_stumbles_over_is_a_problem(source: str) -> None:
    assert problem_of(source)[2]


def test_problems_come_in_the_order_of_the_source() -> None:
    found = check(in_step("- lgo: a\n- log: 1\n- run:\n- sleep: x"), REGISTRY).problems
    assert [problem.line for problem in found] == [4, 5, 6, 7]


PIECES: Final = st.sampled_from(
    [
        *(
            "name: x\n",
            "steps:\n",
            "  RUN:\n",
            "    - run: a\n",
            "      when: ",
            "      retry: {",
            "- ",
            "{{ x }}",
            "}",
        ),
        *(
            "[",
            "]",
            "{",
            ": ",
            "'",
            '"',
            "|\n",
            "\t",
            "&a ",
            "*a ",
            "!!str ",
            "<<: ",
            "---\n",
            "\n",
            "  ",
            "#",
            "%",
        ),
        *(
            "foreach: ",
            "items: ",
            "do: ",
            "if: ",
            "then: ",
            "try: ",
            "catch: ",
            "while: ",
            "set: ",
            "rule: ",
            "log: ",
        ),
        *(
            "{% for a in b %}",
            "9" * 50,
            "? ",
            "\\",
            "\x00",
            "\ud800",
            "é",
            "~",
            "true",
            "on_error: ",
            "id: ",
            "...\n",
        ),
    ]
)


@settings(max_examples=examples(150, 3000), deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
@example("\ufeff")
@example("name: x\nsteps:\n  RUN:\n    - {group: {}}\n")
def test_whatever_the_text_the_answer_is_problems_or_a_rule(source: str) -> None:
    _answers(source)


@settings(max_examples=examples(60, 2000), deadline=None)
@given(st.data())
def test_a_damaged_rule_gives_problems_or_a_rule(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 30)))
    _answers(WHOLE[:start] + data.draw(st.one_of(PIECES, st.text(max_size=5))) + WHOLE[end:])


def _answers(source: str) -> None:
    result = check(source, REGISTRY)
    assert isinstance(result, ParseResult)
    assert (result.tree is None) == bool(result.problems)
    lines = source.count("\n") + 1
    for problem in result.problems:
        assert 1 <= problem.line <= lines + 1
        assert problem.column >= 1
        assert problem.message
    if result.tree is None:
        with pytest.raises(RuleInvalid):
            parse(source, REGISTRY)
