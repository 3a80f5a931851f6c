"""Section 9, the monitor: what one types in the search box, and the chips and fields that say the same."""

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from jobs.monitor import listing, query_text
from jobs.monitor.search import read
from permissions.models import Environment, User
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    ProjectFactory,
    RuleFactory,
    user_with,
)
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana)


def search(reader: Reader, typed: str, rest: str = "") -> list[tuple[str, str]]:
    """Return the parameters of the address that a search leads to."""
    answer = reader.get(f"/?search={quote(typed)}{rest}")
    assert answer.status_code == 302, words(answer)
    return parse_qsl(urlsplit(answer["Location"]).query)


def names(answer: object) -> set[str]:
    return set(re.findall(r'class="job-name"[^>]*>([^<]+)</a>', text(answer)))  # type: ignore[arg-type]


def test_a_search_is_an_address(reader: Reader, dev: Environment) -> None:
    RuleFactory.create(slug="web")
    found = search(
        reader,
        'estado:error entorno:dev -regla:web ana "dos palabras" creado>2026-01-01',
        "&ordering=-created_at&columns=name&status=ready&cursor=x",
    )
    assert sorted(found) == sorted([
        ("status", "error"), ("environment", "DEV"), ("exclude_rule", "web"), ("q", 'ana "dos palabras"'),
        ("created_after", "2026-01-01"), ("ordering", "-created_at"), ("columns", "name"),
    ])  # fmt: skip
    assert search(reader, "") == []


def test_the_box_says_what_the_address_says_in_the_readers_language(ana: User, dev: Environment) -> None:
    address = "/?exclude_status=running&environment=DEV&q=a+b&finished_before=2026-01-01"
    for language, typed in {
        "es": "entorno:DEV -estado:ejecutando fin&lt;2026-01-01 a b",
        "en": "environment:DEV -status:running finished&lt;2026-01-01 a b",
    }.items():
        assert f'value="{typed}"' in text(Reader(ana, language).get(address))


def test_what_is_left_out_and_each_word_is_looked_for(reader: Reader, dev: Environment) -> None:
    shop = ProjectFactory.create(code="shop")
    JobFactory.at("RUN", "ready", environment=dev, project=shop, name="A", comment="red apple")
    JobFactory.at("RUN", "abend", environment=dev, name="B", comment="apple, red")
    for query, found in {
        "?exclude_status=abend": {"A"},
        "?exclude_project=shop": {"B"},
        "?exclude_environment=DEV": set[str](),
        "?q=red+apple": {"A", "B"},
        '?q="red+apple"': {"A"},
    }.items():
        page = reader.get(f"/{query}")
        assert names(page) == found, query
    assert re.search(r"Abend\s*<b>1</b>", text(reader.get("/?exclude_status=abend"))), (
        "a chip leads back to it"
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("statsu:error", "There is no field statsu. Did you mean status?"),
        ("colour:red", "There is no field colour. In quotation marks it is text."),
        ("status:eror", "eror is no value here. Did you mean error?"),
        ("step:7", "7 is no value here. Use one of: INIT, PRE, RUN, POST, END."),
        ("environment:DEVV", "Environment: there is no DEVV. Did you mean DEV?"),
        ("environment:PROD", "Environment: there is no PROD."),
        ("-ana", "-ana: only a field with a value can be left out"),
        ('ana ""', '"": write what to look for between the quotation marks.'),
        ("created>soon", "Created from: Write the time in ISO 8601"),
        ("created:2026-01-01T10:00", "write a day such as 2026-01-31"),
        ("rule: status>error", "status>error: only dates are compared"),
        ("rule: status>error", "rule:: say a value after the field rule."),
    ],
)
def test_what_cannot_be_read_is_said_and_stays_in_the_box(
    ana: User, dev: Environment, typed: str, message: str
) -> None:
    EnvironmentFactory.create(code="PROD")
    reader = Reader(ana, "en")
    answer = reader.get(f"/?search={quote(typed)}&ordering=id")
    assert (answer.status_code, f'value="{escape(typed)}"' in text(answer)) == (400, True)
    assert message in words(answer)
    assert reader.get(f"/?search={quote(typed)}", **HTMX).status_code == 400


def test_a_spanish_reader_is_told_the_spanish_word(reader: Reader, dev: Environment) -> None:
    found = re.search(r'class="message message-error">([^<]+)', text(reader.get("/?search=estdo:error")))
    assert found is not None
    assert "estado" in found[1]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/?status=zzz", "Estado: zzz no es un valor posible aquí. Usa uno de estos: listo (ready), ejecutando (running), "),
        ("/?search=estado:zzz", "Estado: zzz no es un valor posible aquí. Usa uno de estos: listo (ready), "),
        ("/?status=finalizado", "Estado: finalizado no es un valor posible aquí. ¿Quieres decir finalizado (finished)?"),
        ("/?exclude_status=eror", "Sin estado: eror no es un valor posible aquí. ¿Quieres decir error?"),
        ("/?group=zzz", "Grupos: zzz no es un valor posible aquí. Usa uno de estos: Por fecha (time), Por entorno "),
        ("/?ordering=zzz", "Orden: zzz no es un valor posible aquí. Usa uno de estos: Número ↓ (-id), "),
        ("/?columns=paaso", "Columnas: paaso no es un valor posible aquí. ¿Quieres decir Paso (step)?"),
        ("/?panel=zzz", "Panel: zzz no es un valor posible aquí. "),
        ("/?format=xls", "Formato: xls no es un valor posible aquí. Usa uno de estos: csv, json."),
        ("/jobs/bulk/?action=zzz&job=1", "zzz no es un valor posible aquí. Usa uno de estos: Aprobar (approve), "),
        ("/jobs/bulk/?action=cancel&all=1&status=zzz", "zzz no es un valor posible aquí. Usa uno de estos: listo (ready), "),
    ],
)  # fmt: skip
def test_a_spanish_reader_is_told_spanish_words_and_the_codes_that_the_address_takes(
    reader: Reader, dev: Environment, address: str, message: str
) -> None:
    answer = reader.get(address)
    assert (answer.status_code, message in words(answer)) == (400, True), words(answer)


@pytest.mark.parametrize(
    ("address", "messages"),
    [
        ("/?sort=zzz&foo=bar", ["sort: There is no such parameter here. Did you mean ordering?", "foo: There is"]),
        ("/?foo&search=status:error", ["foo: There is no such parameter here."]),
        ("/?enviroment=DEV&open=1", ["enviroment: There is no such parameter here. Did you mean environment?"]),
        ("/?estado=error&column=name", ["estado: There is no such parameter here. Did you mean status?"]),
        ("/?colunms=name&format=csv", ["colunms: There is no such parameter here. Did you mean columns?"]),
        ("/jobs/bulk/?action=cancel&all=1&status=error&enviroment=DEV", ["enviroment: There is no such parameter"]),
    ],
)  # fmt: skip
def test_a_parameter_that_means_nothing_is_refused_with_the_one_that_was_meant(
    ana: User, dev: Environment, address: str, messages: list[str]
) -> None:
    JobFactory.at("END", "error", environment=dev, name="MINE")
    reader = Reader(ana, "en")
    answer = reader.get(address)
    assert (answer.status_code, "MINE" in text(answer)) == (400, False)
    assert [each for each in messages if each not in words(answer)] == []
    assert reader.get(address, **HTMX).status_code == 400


def test_a_code_that_one_may_not_know_is_answered_as_one_that_is_not(
    reader: Reader, dev: Environment
) -> None:
    EnvironmentFactory.create(code="SECRET")
    hidden, missing = (words(reader.get(f"/?search=environment:{code}")) for code in ("SECRET", "SECRXX"))
    assert hidden.replace("SECRET", "SECRXX") == missing


def test_hundreds_of_codes_that_are_not_there_cost_what_one_costs(
    ana: User, dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        ProjectFactory.create(code=f"Shop{number}")
    looked: list[str] = []
    near_to = query_text.near_to

    def near(word: str, choices: Iterable[str]) -> str:
        looked.append(word)
        return near_to(word, choices)

    monkeypatch.setattr(query_text, "near_to", near)

    def cost(typed: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            found = read(ana, QueryDict(f"search={quote(typed)}"))
        assert "there is no shap1" in found.messages[0]
        assert "Did you mean Shop1" in found.messages[0]
        return len(asked)

    with translation.override("en"):
        assert cost("project:shap1") == cost(" ".join(f"project:shap{number}" for number in range(1, 30)))
        assert looked == ["shap1", "shap1", "shap10", "shap11"]
        settled = read(ana, QueryDict("search=project:sHOP1 project:shop2 -project:SHOP3"))
        assert parse_qsl(settled.address[1:]) == [
            ("project", "Shop1"), ("project", "Shop2"), ("exclude_project", "Shop3"),
        ]  # fmt: skip


def test_as_many_filters_have_chips_as_can_be_read(ana: User, dev: Environment) -> None:
    query = "&".join(f"exclude_rule=r{number}" for number in range(120)) + "&project=shop"
    with translation.override("en"):
        chips = listing.applied_filters(QueryDict(query))
    assert (len(chips), chips[-1].label, chips[-1].name) == (51, "and 71 more", "panel")
    assert dict(parse_qsl(chips[-1].href[1:]))["panel"] == "filters"
    page = words(Reader(ana, "en").get(f"/?{query}"))
    assert "and 71 more" in page
    assert "and 71 more take away" not in page


def test_every_filter_has_a_chip_that_takes_it_away(ana: User, dev: Environment) -> None:
    page = text(
        Reader(ana, "en").get(
            "/?exclude_rule=web&project=shop&q=red+%22two+words%22&created_after=2026-01-01&fold=x"
        )
    )
    chips = {
        re.sub(r"\s+", " ", label).strip(): href.replace("&amp;", "&")
        for href, label in re.findall(r'class="chip chip-filter[^"]*"\s+href="([^"]+)">([^<]+)', page)
    }
    assert list(chips) == [
        "Project: shop", "Not rule: web", "Text: red", "Text: two words", "Created from: 2026-01-01",
    ]  # fmt: skip
    assert "project=" not in chips["Project: shop"]
    assert "exclude_rule" not in chips["Not rule: web"]
    assert dict(parse_qsl(chips["Text: red"][1:]))["q"] == '"two words"'
    assert dict(parse_qsl(chips["Text: two words"][1:]))["q"] == "red"
    assert dict(parse_qsl(chips["Text: two words"][1:]))["fold"] == "x"


def test_the_panel_has_every_filter_and_nothing_hidden(reader: Reader, dev: Environment) -> None:
    hidden = EnvironmentFactory.create(code="SECRET")
    JobFactory.create(environment=hidden, created_by=user_with(username="nobody-knows"))
    JobFactory.create(environment=dev, created_by=user_with(username="bea"))
    page = text(reader.get("/?panel=filters&exclude_rule=web&environment=DEV&status=error"))
    assert 'name="exclude_rule" value="web"' in page
    assert re.search(r'<option value="DEV"\s+selected>', page)
    assert re.search(r'value="error"\s+checked>', page)
    assert '<option value="bea"' in page
    assert "SECRET" not in page
    assert "nobody-knows" not in page
    assert 'name="finished_before"' in page
    assert '<option value="bea"' not in text(reader.get("/")), "a closed panel asks for nothing"


def completed(reader: Reader, typed: str) -> tuple[int, list[str]]:
    answer = reader.get(f"/complete/?text={quote(typed)}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    found = json.loads(answer.content)
    return found["from"], [each["text"] for each in found["items"]]


@pytest.mark.parametrize(
    ("typed", "begin", "items"),
    [
        ("", 0, []),
        ("ana ", 4, []),
        ("est", 0, ["estado:"]),
        ("stat", 0, ["estado:"]),
        ("ana -reg", 5, ["regla:"]),
        ("creado", 0, ["creado>"]),
        ("estado:e", 7, ["ejecutando", "expirado", "error", "capturado_en_pausa"]),
        ("estado:error,fin", 13, ["finalizado"]),
        ("entorno:d", 8, ["DEV"]),
        ("entorno:", 8, ["DEV"]),
        ("entorno:sec", 8, []),
        ("usuario:", 8, ["bea"]),
        ("project:op", 8, ["my-shop", '"two, shops"']),
        ("nothing:x", 8, []),
        ('"a b', 3, []),
    ],
)
def test_completion_offers_what_the_reader_may_know_of(
    reader: Reader, dev: Environment, typed: str, begin: int, items: list[str]
) -> None:
    hidden = EnvironmentFactory.create(code="SECRET")
    JobFactory.create(environment=hidden, created_by=user_with(username="nobody-knows"), project=None)
    JobFactory.create(environment=dev, created_by=user_with(username="bea"), project=None)
    for code in ("my-shop", "two, shops"):
        ProjectFactory.create(code=code)
    where, found = completed(reader, typed)
    assert (where, found) == (begin, items)


def test_completion_is_bounded_and_needs_a_session(reader: Reader) -> None:
    for number in range(30):
        ProjectFactory.create(code=f"p{number:02}")
    assert len(completed(reader, "project:p")[1]) == 12
    assert completed(reader, "project:p29")[1] == ["p29"]
    assert completed(reader, "x" * 3000 + "\x00")[1] == []
    assert Client().get("/complete/?text=s").status_code == 302


def test_who_sees_no_environment_is_offered_no_names() -> None:
    ProjectFactory.create(code="shop")
    assert completed(Reader(user_with()), "project:")[1] == []


def test_an_empty_list_says_which_filter_keeps_jobs_away(ana: User, dev: Environment) -> None:
    shop = ProjectFactory.create(code="shop")
    for number in range(3):
        JobFactory.at("RUN", "ready", environment=dev, project=shop, comment="navidad" if number else "")
    page = Reader(ana, "en").get("/?q=navidad&status=error&project=shop")
    assert "Take one away to see more: Status: Error take away Jobs without it: 2" in words(page)
    assert 'href="?q=navidad&amp;project=shop"' in text(page)
    assert text(page).count("Jobs without it") == 1, "taking another one away does not help"
    assert "Take one away" not in words(Reader(ana, "en").get("/?q=zzz"))
