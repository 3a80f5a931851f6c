"""What expressions and templates say is in the catalogue of translations; it is collected from where they say it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import jinja2.lexer
import jinja2.parser
import pytest
from django.conf import settings
from django.utils import translation

from jobs.wording import translated
from rules import engine_words, palette
from rules.dry_run import plan
from rules.parser import check, parse
from rules.wording import hint_of, message_of

palette.load()
RULES = Path(settings.BASE_DIR) / "rules"
PLACES = (
    *(RULES / "engine" / f"{name}.py" for name in ("bounded", "expressions", "sandbox", "templates")),
    *(RULES / "dry_run").glob("*.py"),
)
FILLED = {"what": ("function", "method"), "_OTHER_LANGUAGES[name]": ("True",)}
TEMPLATES_FILLED = {"what": ("filter", "test"), "message.rstrip('.')": ("it is not well formed",)}
NO_SENTENCES = {"7: 7"}


def samples(node: ast.expr, filled: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield a text as it may come out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [
            (str(part.value),) if isinstance(part, ast.Constant) else fill(part, filled)
            for part in node.values
        ]
        yield from map("".join, product(*parts))


def fill(part: ast.expr, filled: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    assert isinstance(part, ast.FormattedValue)
    source = ast.unparse(part.value)
    if "kind(" in source:
        return ("A text",) if "capitalize" in source else ("a text",)
    return ("'7'",) if part.conversion == ord("r") else filled.get(source, ("7",))


def said_in(path: Path) -> Iterator[str]:
    """Yield every sentence of a module that is no docstring."""
    tree = ast.parse(path.read_text())
    others = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            others |= {id(part) for part in node.values}
        # These have their message ids beside them.
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "gettext_noop":
            others |= {id(part) for part in node.args}
    filled = TEMPLATES_FILLED if path.stem == "templates" else FILLED
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in others:
            yield from (
                text.strip()
                for text in samples(node, filled)
                if re.match(r".+ .*[.?]\Z|Write .*\Z", text.strip())
            )


def said_by_jinja() -> Iterator[str]:
    for module in (jinja2.lexer, jinja2.parser):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
            name = getattr(node, "func", None)
            if getattr(name, "id", getattr(name, "attr", "")) in {"fail", "Failure", "TemplateSyntaxError"}:
                assert isinstance(node, ast.Call)
                for text in samples(node.args[0], {"data": ("7",), "expected_op": ("7",)}):
                    yield f"The template does not read: {text.rstrip('.')}."


SAID = sorted({text for path in PLACES for text in said_in(path)} - NO_SENTENCES)
BY_JINJA = sorted(set(said_by_jinja()))


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak a language in which every known sentence is another."""
    for place in ("rules.wording.gettext", "jobs.wording._"):
        monkeypatch.setattr(place, _louder)


def _louder(text: str) -> str:
    return re.sub(
        r"%\(\w+\)[sd]|[^%]+|%", lambda part: part[0] if part[0].startswith("%(") else part[0].upper(), text
    )


def test_the_sentences_are_found() -> None:
    assert len(SAID) > 70
    assert len(BY_JINJA) > 15


@pytest.mark.parametrize("text", [*SAID, *BY_JINJA])
@pytest.mark.usefixtures("spoken")
def test_every_sentence_of_the_engine_is_known(text: str) -> None:
    told = translated(text)
    assert told != text
    # Nothing is left of it but what filled the places.
    assert re.sub(r"[^a-z]", "", re.sub(r"'7'|\b(function|method|True)\b", "", told)) == ""


@pytest.mark.parametrize("text", [*SAID, *BY_JINJA])
def test_in_english_it_stays_as_it_is(text: str) -> None:
    with translation.override("en"):
        assert translated(text) == text


def test_all_of_them_have_a_spanish_one() -> None:
    every = (*engine_words.SENTENCES, *engine_words.OF_JINJA, *engine_words.TOKENS, *engine_words.CONSTRUCTS)
    with translation.override("es"):
        assert [text for text in every if translation.gettext(text) == text] == []


@pytest.mark.parametrize(
    ("operation", "message", "hint"),
    [
        ("{log: a, when: 'a ='}", "La expresión no está completa o no está bien formada.", "Compara con ==."),
        ("{log: a, when: 'lem(natures) > 1'}", "No existe la función lem().", "¿Querías decir len()?"),
        ("{log: a, when: 'outcome == true'}", "El nombre true no se conoce aquí.", "Escribe True."),
        ("{log: '{{ a'}", "La plantilla no se entiende:", "Cierra"),
        ("{log: '{{ outcome | lenght }}'}", "No existe el filtro lenght.", "¿Querías decir length?"),
        ("{log: '{% if outcome %}a'}", "La plantilla no se entiende:", "Cierra"),
    ],
)
def test_a_mistake_in_a_text_is_told_in_spanish(operation: str, message: str, hint: str) -> None:
    (found,) = check(f"name: a\nsteps:\n  RUN:\n    - {operation}\n").problems
    with translation.override("es"):
        assert message_of(found).startswith(message)
        assert hint_of(found).startswith(hint)
    with translation.override("en"):
        assert (message_of(found), hint_of(found)) == (found.message, found.hint)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("{log: a, when: '1 / 0 > 1'}", "when: Divide entre cero."),
        ("{log: a, when: 'attempt + step == 1'}", "when: Un número y un texto no se pueden sumar."),
        (
            "{foreach: {items: attempt, as: x, do: [{log: a}]}}",
            "items: 'attempt' no da una lista, sino un número.",
        ),
        (
            "{log: '{{ variables.a.nane }}', id: x}",
            "No hay 'nane' en la correspondencia. ¿Querías decir name?",
        ),
        ("{sleep: '{{ attempt }}'}", "sleep: sleep no es una duración: 1. Escribe"),
    ],
)
def test_the_dry_run_tells_in_spanish_why_an_operation_fails(operation: str, error: str) -> None:
    tree = parse(f"name: a\nvariables: {{a: {{}}}}\nsteps:\n  RUN:\n    - {operation}\n")
    facts = {"attempt": 1, "step": "RUN", "job": {"name": "n"}}
    (planned,) = [one for one in plan(tree, lambda _step: facts, {"a": {"name": 1}}, pins={}) if one.error]
    with translation.override("es"):
        assert translated(planned.error).startswith(error)


@pytest.mark.parametrize(
    "text",
    [
        "The shop has no stock.",
        "There is no stock in Madrid.",
        "This must be a mistake.",
        "Ask Ana. She knows.",
        "",
    ],
)
def test_what_the_author_of_a_rule_wrote_stays(text: str) -> None:
    with translation.override("es"):
        assert translated(text) == text
    assert translated("x" * 5_000) == "x" * 5_000
