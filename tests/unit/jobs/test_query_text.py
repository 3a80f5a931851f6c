"""The search box's language: what it means, what it refuses, and that it prints what it reads."""

from contextlib import suppress

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.choices import JobType, StatusChoice
from jobs.filters import DATES as DATE_PARAMETERS
from jobs.filters import KNOWN_VALUES, MULTIPLE, PARAMETERS, TEXT
from jobs.monitor.query_text import DATES, FIELDS, VALUES, Fault, QueryTextError, folded, parse, render
from jobs.search_words import split

TEXTS = st.text(min_size=1, max_size=12).filter(str.strip)
VALUES_OF = {
    name: st.lists(
        st.sampled_from(KNOWN_VALUES[name]) if name in KNOWN_VALUES else TEXTS,
        min_size=1,
        max_size=3,
        unique=True,
    )
    for name in MULTIPLE
}


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("status:error", {"status": ["error"]}),
        (
            'status:error environment:PROD -rule:x ana "two words"',
            {"status": ["error"], "environment": ["PROD"], "exclude_rule": ["x"], "q": ['ana "two words"']},
        ),
        ("estado:error entorno:PROD", {"status": ["error"], "environment": ["PROD"]}),
        ("Estado:Ejecutando,LISTO", {"status": ["running", "ready"]}),
        ('estado:"pendiente de aprobación"', {"status": ["pending_approval"]}),
        ("-usuario:ana,bea", {"exclude_created_by": ["ana", "bea"]}),
        ("status:error status:abend,error", {"status": ["error", "abend"]}),
        ("created>2026-01-01 fin<2026-02-01T10:00Z", {"created_after": ["2026-01-01"], "finished_before": ["2026-02-01T10:00Z"]}),
        ("inicio:2026-01-31", {"started_after": ["2026-01-31"], "started_before": ["2026-02-01"]}),
        ("started<=2026-12-31", {"started_before": ["2027-01-01"]}),
        ('project:"my, shop" "http://x" -', {"project": ["my, shop"], "q": ['"http://x" -']}),
        ('rule:"web', None),
        ("a\u00a0b", {"q": ["a b"]}),
    ],
)  # fmt: skip
def test_what_a_search_means(text: str, parameters: dict[str, list[str]] | None) -> None:
    if parameters is None:
        with pytest.raises(QueryTextError):
            parse(text)
    else:
        assert parse(text) == parameters


@pytest.mark.parametrize(
    ("text", "language", "fault", "name", "near"),
    [
        ("statsu:error", "en", Fault.UNKNOWN_FIELD, "statsu", "status"),
        ("estdo:error", "es", Fault.UNKNOWN_FIELD, "estdo", "estado"),
        ("status:eror", "en", Fault.UNKNOWN_VALUE, "eror", "error"),
        ("estado:ejecutndo", "es", Fault.UNKNOWN_VALUE, "ejecutndo", "ejecutando"),
        ("status:zzzz", "en", Fault.UNKNOWN_VALUE, "zzzz", ""),
        ("rule:", "en", Fault.NO_VALUE, "rule", ""),
        ("status>error", "en", Fault.NOT_A_DATE_FIELD, "status", ""),
        ("-ana", "en", Fault.NOT_NEGATABLE, "", ""),
        ("-created>2026-01-01", "en", Fault.NOT_NEGATABLE, "created", ""),
        ("created<=2026-01-01T10:00Z", "en", Fault.NOT_TO_THE_END, "created", ""),
        ("created:soon", "en", Fault.NOT_TO_THE_END, "created", ""),
        ("created:9999-12-31", "en", Fault.NOT_TO_THE_END, "created", ""),
        ("created>2026-01-01 created>2026-01-02", "en", Fault.TWICE, "created_after", ""),
        ("x" * 1001, "en", Fault.TOO_LONG, "", ""),
    ],
)
def test_what_cannot_be_read_is_named(text: str, language: str, fault: Fault, name: str, near: str) -> None:
    with pytest.raises(QueryTextError) as refused:
        parse(text, language)
    (mistake,) = refused.value.mistakes
    assert (mistake.fault, mistake.name, mistake.near) == (fault, name, near)


def test_every_mistake_comes_at_once() -> None:
    with pytest.raises(QueryTextError) as refused:
        parse("statsu:x status:y -z")
    assert [mistake.piece for mistake in refused.value.mistakes] == ["statsu:x", "status:y", "-z"]


# A busy machine is no defect of what is read.
@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            **VALUES_OF,
            **{f"exclude_{name}": values for name, values in VALUES_OF.items()},
            **{name: st.just(["2026-01-01"]) for name in DATE_PARAMETERS},
        },
    ),
    st.lists(TEXTS, max_size=3).map(" ".join),
    st.sampled_from(["en", "es"]),
)
def test_what_is_printed_is_read_back(parameters: dict[str, list[str]], text: str, language: str) -> None:
    words = split(text)
    printed = render({**parameters, "q": [text]}, language)
    read = parse(printed)
    assert split("".join(read.pop("q", []))) == words
    assert read == parameters
    assert render(parse(printed), language) == printed, "printing once is enough"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(QueryTextError):
        assert all(values for values in parse(text).values())


def test_every_filter_has_words_and_every_status_the_users() -> None:
    assert {*FIELDS} == {*MULTIPLE}
    assert {f"{name}_{side}" for name in DATES for side in ("after", "before")} == {*DATE_PARAMETERS}
    assert {*FIELDS, *DATE_PARAMETERS, TEXT} <= {*PARAMETERS}
    assert {name: {*values} for name, values in VALUES.items()} == {
        name: {*values} for name, values in KNOWN_VALUES.items()
    }
    for language in ("en", "es"):
        with translation.override(language):
            for choice in (*StatusChoice, *JobType):
                word = f'"{choice.label}"'
                name = "status" if isinstance(choice, StatusChoice) else "type"
                assert parse(f"{name}:{word}") == {name: [choice.value]}, word
    assert folded("Aprobación") == "aprobacion"
